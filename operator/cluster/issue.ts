/** Makes authorities and certificates, and writes them into Secrets. */
import { present, unreachable } from "../../src/base/assert.ts";
import { Authority } from "../../src/x509/authority.ts";
import { SECRET } from "../api/resources.ts";
import type { QuorateCluster } from "../api/gen/types.ts";
import type { AppliedObject } from "./action.ts";
import { type Leaf, bundleOf, textOf } from "./certificates.ts";
import { owned } from "./component/owned.ts";
import type { Facts } from "./facts.ts";
import { clusterNames } from "./names.ts";

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

/** A new root for this cluster. */
export function newAuthority({ metadata }: QuorateCluster, now: number): Authority {
  return Authority.create(`quorate ${metadata.namespace ?? ""}/${metadata.name}`, {
    notBefore: new Date(now - EARLIER_MS),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
  });
}

export function authoritySecret(
  cluster: QuorateCluster,
  texts: Readonly<Record<string, string>>,
): AppliedObject {
  return secretOf(cluster, clusterNames(cluster.metadata.name).authority, "Opaque", texts);
}

/** The leaf, made or taken over, with what is trusted beside it. */
export function leafSecret(facts: Facts, leaf: Leaf): AppliedObject {
  const { cluster, secrets } = facts;
  const bundle = present(bundleOf(facts, leaf.from), "there is an authority");
  const pair = leaf.from === null ? sign(facts, leaf) : take(secrets, leaf.from);
  const texts = { "tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": bundle };
  return secretOf(cluster, leaf.secret, "kubernetes.io/tls", texts);
}

function take(
  secrets: Facts["secrets"],
  from: string,
): { readonly certificate: string; readonly key: string } {
  const secret = secrets.get(from);
  return {
    certificate: present(textOf(secret, "tls.crt"), "the given certificate is there"),
    key: present(textOf(secret, "tls.key"), "the given key is there"),
  };
}

function sign(
  { cluster, secrets, now }: Facts,
  leaf: Leaf,
): { readonly certificate: string; readonly key: string } {
  const held = secrets.get(clusterNames(cluster.metadata.name).authority);
  const authority = new Authority(
    present(textOf(held, "tls.crt"), "the authority has a certificate"),
    present(textOf(held, "tls.key"), "the authority has a key"),
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
  const own = { "tls.crt": text("tls.crt"), "tls.key": text("tls.key") };
  switch (stage) {
    case "introduce": {
      const { certificate, key } = newAuthority(cluster, now);
      return authoritySecret(cluster, { ...own, "next.crt": certificate, "next.key": key });
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
