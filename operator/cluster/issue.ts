/** The Secrets that the operator fills: authorities, certificates, passwords. */
import type { X509Certificate } from "node:crypto";
import { present, unreachable } from "../../src/base/assert.ts";
import { Authority } from "../../src/x509/authority.ts";
import { SECRET } from "../api/resources.ts";
import type { QuorateCluster } from "../api/gen/types.ts";
import type { AppliedObject } from "./action.ts";
import { type Leaf, type Pair, bundleOf, lostAuthority, pairOf, textOf } from "./certificates.ts";
import { owned } from "./component/owned.ts";
import type { Facts } from "./facts.ts";
import { clusterNames } from "./names.ts";
import { PASSWORDS_KEY } from "./operation/auth.ts";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const LEAF_DAYS = 365;
/** Clocks of nodes differ. */
const EARLIER_MS = 3_600_000;

function secretOf(
  cluster: QuorateCluster,
  name: string,
  type: string,
  texts: Readonly<Record<string, string>>,
): AppliedObject {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return owned(cluster, SECRET, name, { type, data });
}

/** When something was signed that is valid from then on. */
export function signedAt({ validFrom }: X509Certificate): number {
  return Date.parse(validFrom) + EARLIER_MS;
}

/** A new root for this cluster. */
function newAuthority({ metadata }: QuorateCluster, now: number): Authority {
  return Authority.create(`quorate ${metadata.namespace ?? ""}/${metadata.name}`, {
    notBefore: new Date(now - EARLIER_MS),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
  });
}

/**
 * The authority's Secret where there is none. If it was lost, what it signed is in use: the one after it is trusted beside it
 * before it signs, as when one is replaced.
 */
export function madeAuthority(facts: Facts): AppliedObject {
  const { certificate, key } = newAuthority(facts.cluster, facts.now);
  const lost = lostAuthority(facts);
  return authoritySecret(
    facts.cluster,
    lost === null
      ? { "tls.crt": certificate, "tls.key": key }
      : { "tls.crt": lost, "next.crt": certificate, "next.key": key },
  );
}

function authoritySecret(
  cluster: QuorateCluster,
  texts: Readonly<Record<string, string>>,
): AppliedObject {
  return secretOf(cluster, clusterNames(cluster.metadata.name).authority, "Opaque", texts);
}

/** What root's password may be. */
export function passwordSecret(
  cluster: QuorateCluster,
  passwords: readonly string[],
): AppliedObject {
  const texts = { [PASSWORDS_KEY]: JSON.stringify(passwords) };
  return secretOf(cluster, clusterNames(cluster.metadata.name).operatorAuth, "Opaque", texts);
}

/** The leaf, made, taken over or as it is, with what is trusted beside it. */
export function leafSecret(facts: Facts, leaf: Leaf): AppliedObject {
  const { cluster } = facts;
  const bundle = present(bundleOf(facts, leaf), "there is an authority");
  const pair = pairOf(facts, leaf) ?? sign(facts, leaf);
  const texts = { "tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": bundle };
  return secretOf(cluster, leaf.secret, "kubernetes.io/tls", texts);
}

function sign({ cluster, secrets, now }: Facts, leaf: Leaf): Pair {
  const held = secrets.get(clusterNames(cluster.metadata.name).authority);
  const current = textOf(held, "tls.key") === null ? "next" : "tls";
  const authority = new Authority(
    present(textOf(held, `${current}.crt`), "the authority has a certificate"),
    present(textOf(held, `${current}.key`), "the authority has a key"),
  );
  return authority.issue({
    commonName: leaf.commonName,
    organizations: ["quorate"],
    names: leaf.names,
    uses: leaf.isServer ? ["server", "client"] : ["client"],
    notBefore: new Date(now - EARLIER_MS),
    notAfter: new Date(now + LEAF_DAYS * DAY_MS),
  });
}

/** The authority's Secret one stage further: trust another too, sign with it, trust it alone. */
export function turnedAuthority(
  { cluster, secrets, now }: Facts,
  stage: "introduce" | "promote" | "retire",
): AppliedObject {
  const held = secrets.get(clusterNames(cluster.metadata.name).authority);
  const text = (key: string): string => present(textOf(held, key), `the authority has ${key}`);
  const key = textOf(held, "tls.key");
  const own = { "tls.crt": text("tls.crt"), ...(key === null ? {} : { "tls.key": key }) };
  switch (stage) {
    case "introduce": {
      const next = newAuthority(cluster, now);
      return authoritySecret(cluster, {
        ...own,
        "next.crt": next.certificate,
        "next.key": next.key,
      });
    }
    case "promote":
      return authoritySecret(cluster, {
        "tls.crt": text("next.crt"),
        "tls.key": text("next.key"),
        "previous.crt": own["tls.crt"],
      });
    case "retire":
      return authoritySecret(cluster, own);
    default:
      return unreachable(stage);
  }
}
