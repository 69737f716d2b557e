/** The flags of TLS: those of the client side, and the same for the peer side under `peer-`. */
import { type Flag, flag } from "../flag.ts";

export const TLS_FLAGS: readonly Flag[] = [
  ...sideFlags(""),
  ...sideFlags("peer-"),
  flag(
    "client-cert-allowed-cn",
    "list",
    "",
    "common names, one of which a client's certificate must have",
  ),
  flag(
    "peer-skip-client-san-verification",
    "flag",
    "false",
    "do not compare the address of a peer with the names in its certificate",
  ),
  flag(
    "self-signed-cert-validity",
    "integer",
    "1",
    "years for which certificates of --auto-tls are valid",
  ),
  flag("cipher-suites", "list", "", "cipher suites for TLS 1.2, by their IANA names"),
  flag("tls-min-version", "text", "TLS1.2", "TLS1.2 or TLS1.3"),
  flag("tls-max-version", "text", "", "TLS1.2 or TLS1.3; empty is the newest there is"),
];

function sideFlags(prefix: "" | "peer-"): Flag[] {
  const peer = prefix === "peer-";
  const whom = peer ? "the other members" : "clients";
  const name = (rest: string): string => `${prefix}${rest}`;
  return [
    flag(name("cert-file"), "text", "", `certificate shown to ${whom} (PEM, with its chain)`),
    flag(name("key-file"), "text", "", `key of --${name("cert-file")}`),
    flag(
      name("client-cert-file"),
      "text",
      "",
      peer
        ? "certificate shown when connecting to other members (default: --peer-cert-file)"
        : "checked, and not used: a member never connects to itself",
    ),
    flag(name("client-key-file"), "text", "", `key of --${name("client-cert-file")}`),
    flag(
      name("trusted-ca-file"),
      "text",
      "",
      `authorities that vouch for ${whom} (PEM); with it, they must show a certificate`,
    ),
    flag(name("client-cert-auth"), "flag", "false", `${whom} must show a certificate`),
    flag(
      peer ? "peer-crl-file" : "client-crl-file",
      "text",
      "",
      `revocation list for certificates of ${whom} (PEM or DER)`,
    ),
    ...(peer
      ? [
          flag(
            "peer-cert-allowed-cn",
            "list",
            "",
            "common names, one of which a peer's certificate must have",
          ),
        ]
      : []),
    flag(
      peer ? "peer-cert-allowed-hostname" : "client-cert-allowed-hostname",
      "list",
      "",
      `host names, one of which the certificate of ${whom} must be for`,
    ),
    flag(name("auto-tls"), "flag", "false", `a certificate made by the member itself, for ${whom}`),
    flag(
      peer ? "peer-allow-plaintext" : "client-allow-plaintext",
      "flag",
      "false",
      `https URLs serve ${whom} without TLS as well: while a cluster moves to TLS, or back`,
    ),
  ];
}
