/** TLS of a cluster: who issues what, and who must show a certificate. */
import { choice, list, object, string } from "./node.ts";
import type { ObjectNode } from "./node.ts";
import { dnsSubdomain, duration, exactlyOne, isDuration, localReference } from "./shared.ts";

/** Implied, not kept: the API server would merge a default with the one that a person puts in later, and refuse the two. */
function issuer(): ObjectNode {
  const issuerRef = object(
    "IssuerReference",
    "The issuer.",
    {
      name: dnsSubdomain("Name of the issuer.", { required: true }),
      kind: string("Kind of the issuer.", {
        value: "Issuer",
        maxLength: 63,
        pattern: {
          regex: "^[A-Z][A-Za-z0-9]*$",
          says: "must be a kind, such as Issuer or ClusterIssuer",
        },
      }),
      group: dnsSubdomain("API group of the issuer.", { value: "cert-manager.io" }),
    },
    { required: true },
  );
  return object(
    "IssuerSpec",
    "Who signs the members' certificates, one of three; absent: operatorCA.",
    {
      operatorCA: object(
        "OperatorCASpec",
        "The authority that the operator keeps for this cluster, in the Secret <name>-ca.",
        {},
      ),
      certManager: object(
        "CertManagerSpec",
        "cert-manager: a Certificate is made for the cluster.",
        { issuerRef },
      ),
      secretRef: localReference(
        "A Secret with tls.crt, tls.key and ca.crt that someone else keeps up; read again when it changes. Its certificate " +
          "names *.<name>-peers.<namespace>.svc.<domain>, and on the client side <name>-client.<namespace>.svc too.",
      ),
    },
    {
      implied: { operatorCA: {} },
      rules: [
        {
          rule: exactlyOne(["operatorCA", "certManager", "secretRef"]),
          message:
            "exactly one of operatorCA, certManager and secretRef must be set: keep one issuer and remove the others",
        },
      ],
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
        pattern: {
          regex: "^(\\*\\.)?[A-Za-z0-9:]([A-Za-z0-9:.-]*[A-Za-z0-9:])?$",
          says: 'must be a DNS name or an IP address, such as "kv.example.com", "*.kv.example.com" or "10.0.0.7"',
        },
      }),
      { maxItems: 32, keys: [] },
    ),
  },
  { value: {} },
);

const peer: ObjectNode = object(
  "PeerTLSSpec",
  "Between members: always mutual.",
  { issuer: issuer() },
  { implied: {} },
);

/** Absent, it is what an empty object says, unless `unsafe.plaintext`. */
export const tls: ObjectNode = object(
  "TLSSpec",
  "TLS; absent: for clients and between members, by the operator's own authority. May be changed while the cluster runs.",
  {
    client,
    peer,
    authorityOverlap: duration(
      "When the operator's authority is replaced: how long both are trusted before members show certificates by the new one, and " +
        "again before the old one is no longer trusted. In it clients must take over the Secret <name>-client-tls: those that " +
        "read their files again by themselves need minutes, others must be restarted in each of the two. At most 720h.",
      {
        value: "24h",
        rules: [
          {
            rule: `!${isDuration("self")} || duration(self) <= duration('720h')`,
            message: "must be at most 720h",
          },
        ],
      },
    ),
  },
);
