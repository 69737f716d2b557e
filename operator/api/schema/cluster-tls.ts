/** TLS of a cluster: who issues what, and who must show a certificate. */
import { choice, list, object, string } from "./node.ts";
import type { ObjectNode } from "./node.ts";
import { dnsSubdomain, localReference } from "./shared.ts";

function issuer(): ObjectNode {
  return object(
    "IssuerSpec",
    "Who signs the members' certificates: exactly one.",
    {
      operatorCA: object(
        "OperatorCASpec",
        "The authority that the operator keeps for this cluster in the Secret <name>-ca.",
        {},
      ),
      certManager: object(
        "CertManagerSpec",
        "cert-manager: a Certificate is made for the cluster.",
        {
          issuerRef: object(
            "IssuerReference",
            "The issuer.",
            {
              name: dnsSubdomain("Name of the issuer.", { required: true }),
              kind: string("Kind of the issuer.", { value: "Issuer", minLength: 1, maxLength: 63 }),
              group: dnsSubdomain("API group of the issuer.", { value: "cert-manager.io" }),
            },
            { required: true },
          ),
        },
      ),
      secretRef: localReference(
        "A Secret with tls.crt, tls.key and ca.crt, kept up by someone else; read again when it changes.",
      ),
    },
    {
      value: { operatorCA: {} },
    },
  );
}

const client: ObjectNode = object(
  "ClientTLSSpec",
  "Between clients and members.",
  {
    mode: choice(
      "Mutual: clients must show a certificate. Server: only members do.",
      ["Mutual", "Server"],
      { value: "Mutual" },
    ),
    issuer: issuer(),
    extraNames: list(
      "Further DNS names and IP addresses by which clients reach the members.",
      string("A DNS name, which may begin with *., or an IP address.", {
        minLength: 1,
        maxLength: 253,
        pattern: "^(\\*\\.)?[A-Za-z0-9:]([A-Za-z0-9:.-]*[A-Za-z0-9:])?$",
      }),
      { maxItems: 32, keys: [] },
    ),
  },
  { value: {} },
);

const peer: ObjectNode = object(
  "PeerTLSSpec",
  "Between members: always mutual.",
  {
    issuer: issuer(),
  },
  { value: {} },
);

/** Absent, it is what an empty object says, unless `unsafe.plaintext`. */
export const tls: ObjectNode = object(
  "TLSSpec",
  "TLS; absent: both kinds by the operator's own authority. May be changed while the cluster runs.",
  { client, peer },
);
