/** Cipher suites and versions: the names that etcd's flags take, and what OpenSSL calls them. */
import { getCiphers, type SecureVersion } from "node:tls";
import { refuse, type Reader } from "../reader.ts";

/** As for `node:tls`. */
export interface Protocol {
  readonly ciphers: string;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
}

/** TLS 1.3 has nothing weak to leave out, and, as with Go, nothing to configure. The cheapest is first. */
const TLS13_SUITES = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];
/** Forward secret and authenticated; what Go prefers. */
const TLS12_DEFAULT = [
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
/** By the IANA name, which is Go's. The two short names are old ones that Go still takes. */
const OPENSSL_NAMES: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  TLS_RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: "ECDHE-RSA-DES-CBC3-SHA",
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: "DES-CBC3-SHA",
  TLS_ECDHE_ECDSA_WITH_RC4_128_SHA: "ECDHE-ECDSA-RC4-SHA",
  TLS_ECDHE_RSA_WITH_RC4_128_SHA: "ECDHE-RSA-RC4-SHA",
  TLS_RSA_WITH_RC4_128_SHA: "RC4-SHA",
};
const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  "TLS1.2": "TLSv1.2",
  "TLS1.3": "TLSv1.3",
};

/** Reads --cipher-suites, --tls-min-version and --tls-max-version, and says in `warnings` what is weak. */
export function readProtocol(read: Reader, warnings: string[]): Protocol {
  const minVersion = version(read, "tls-min-version") ?? "TLSv1.2";
  const maxVersion = version(read, "tls-max-version") ?? "TLSv1.3";
  if (minVersion > maxVersion) {
    refuse(
      `--tls-min-version=${read.text("tls-min-version")} is above --tls-max-version=${read.text("tls-max-version")}: lower it`,
    );
  }
  const given = read.list("cipher-suites");
  if (given.length > 0 && minVersion === "TLSv1.3") {
    refuse("--cipher-suites cannot be configured when only TLS1.3 is enabled: remove it");
  }
  const names = given.length > 0 ? given : TLS12_DEFAULT;
  const suites = names.filter((name) => !TLS13_SUITES.includes(name)).map(toOpenSsl);
  const weak = names.filter((name) => name.includes("_CBC_") || name.startsWith("TLS_RSA_"));
  if (weak.length > 0) warnings.push(`--cipher-suites: ${weak.join(", ")} is weak`);
  return {
    ciphers: [...TLS13_SUITES, ...suites].join(":"),
    // Without a suite for TLS 1.2 there is none to speak.
    minVersion: suites.length === 0 ? "TLSv1.3" : minVersion,
    maxVersion,
  };
}

function version(read: Reader, flag: string): SecureVersion | null {
  const text = read.text(flag);
  if (text === "") return null;
  return VERSIONS[text] ?? refuse(`--${flag}=${text} must be TLS1.2 or TLS1.3`);
}

function toOpenSsl(name: string): string {
  const found = OPENSSL_NAMES[name];
  if (found === undefined) {
    return refuse(`--cipher-suites: '${name}' is no suite; one is ${TLS12_DEFAULT[0]}`);
  }
  if (getCiphers().includes(found.toLowerCase())) return found;
  return refuse(`--cipher-suites: '${name}' is not offered any more: remove it`);
}
