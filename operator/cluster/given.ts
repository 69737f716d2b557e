/** The next certificate to make or to take over, and what is wrong with one that somebody else keeps up. Pure. */
import { type X509Certificate, createPrivateKey } from "node:crypto";
import { CERTIFICATE } from "../api/resources.ts";
import { type Action, stalled } from "./action.ts";
import {
  type Leaf,
  type Side,
  isRight,
  isSignedBy,
  leavesOf,
  parse,
  splitBundle,
  textOf,
} from "./certificates.ts";
import type { Facts } from "./facts.ts";
import { clusterNames, podHost, podName } from "./names.ts";
import { type View, isWithTls } from "./view.ts";

/** Certificates between a member's and the authority that it is trusted by, at most. */
const CHAIN_MAX = 8;

/** Null: all are as they shall be, or as they can be. */
export function planCertificates(view: View): Action | null {
  const { facts, journal } = view;
  if (!isWithTls(view)) return null;
  const authority = facts.secrets.get(clusterNames(facts.cluster.metadata.name).authority);
  if (textOf(authority, "tls.crt") === null) return { kind: "makeAuthority" };
  if (textOf(authority, "tls.key") === null && textOf(authority, "next.key") === null)
    return { kind: "turnAuthority", stage: "introduce" };
  for (const leaf of leavesOf(view)) {
    const wrong = complaint(view, leaf);
    // What was taken over before is still good: members go on with it.
    if (wrong !== null && facts.secrets.has(leaf.secret)) continue;
    // Nobody has TLS yet: what is missing for it keeps nothing else waiting.
    if (wrong !== null && journal.latched.transport === "Plaintext") continue;
    if (wrong !== null) return stalled("AwaitCertificate", wrong);
    if (!isRight(facts, leaf)) return { kind: "issue", leaf };
  }
  return null;
}

/** Why something that is given is not taken over; null: nothing is given, or all of it is right. */
export function refusedCertificate(view: View): string | null {
  if (!isWithTls(view)) return null;
  for (const leaf of leavesOf(view)) {
    const wrong = complaint(view, leaf);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** What has to be there before the first member serves TLS, and is not; null: all is. */
export function missingCertificate(view: View): string | null {
  const refused = refusedCertificate(view);
  if (refused !== null) return refused;
  const missing = leavesOf(view).find(({ secret }) => !view.facts.secrets.has(secret));
  return missing === undefined ? null : `the Secret ${missing.secret} is not there yet`;
}

/** By the facts of a pass, and there by the Secret that takes a given one over: the plan asks, and then the status does. */
const judged = new WeakMap<Facts, Map<string, string | null>>();

function complaint(view: View, leaf: Leaf): string | null {
  const known = judged.get(view.facts) ?? new Map<string, string | null>();
  judged.set(view.facts, known);
  const before = known.get(leaf.secret);
  if (before !== undefined) return before;
  const found = judge(view, leaf);
  known.set(leaf.secret, found);
  return found;
}

/** Taken over, it would part members from each other, from clients, or from the operator. */
function judge(view: View, { from, side }: Leaf): string | null {
  if (from === null) return null;
  const given = view.facts.secrets.get(from);
  const [chain, key, bundle] = ["tls.crt", "tls.key", "ca.crt"].map((name) => textOf(given, name));
  if (chain == null || key == null || bundle == null) return missing(view, from);
  const certificate = parse(chain);
  if (certificate === null) return `tls.crt of the Secret ${from} is no certificate`;
  const what = wrongWith(certificate, key, view);
  if (what !== null) return `the certificate in the Secret ${from} ${what}`;
  const unnamed = hostsOf(view, side).find((host) => certificate.checkHost(host) === undefined);
  if (unnamed !== undefined)
    return `the certificate in the Secret ${from} does not name ${unnamed}, by which members are reached`;
  return leadsTo(certificate, splitBundle(chain), splitBundle(bundle))
    ? null
    : `the certificate in the Secret ${from} was not signed by an authority in its ca.crt`;
}

function missing({ facts, spec }: View, secret: string): string {
  const what = `the Secret ${secret} does not have tls.crt, tls.key and ca.crt yet`;
  const issuers = [spec.tls?.client.issuer, spec.tls?.peer.issuer];
  const isAsked = issuers.some((issuer) => issuer?.certManager !== undefined);
  return isAsked && !facts.served.has(CERTIFICATE.kind)
    ? `${what}, and cert-manager, which shall make it, is not installed`
    : what;
}

function wrongWith(certificate: X509Certificate, key: string, { facts }: View): string | null {
  if (facts.now >= Date.parse(certificate.validTo)) return `ended at ${certificate.validTo}`;
  if (facts.now < Date.parse(certificate.validFrom)) return `begins at ${certificate.validFrom}`;
  try {
    return certificate.checkPrivateKey(createPrivateKey(key)) ? null : "is not that of its tls.key";
  } catch {
    return "has a tls.key that cannot be read";
  }
}

/** By which clients and the operator, or other members, know a member. */
function hostsOf({ facts, journal }: View, side: Side): string[] {
  const { name, namespace = "" } = facts.cluster.metadata;
  const { clusterDomain } = journal.latched;
  const own = podHost({ name, namespace }, podName(name, 0), clusterDomain);
  return side === "peer" ? [own] : [own, `${clusterNames(name).clientService}.${namespace}.svc`];
}

/** From a certificate by way of others to one that is trusted. */
function leadsTo(
  certificate: X509Certificate,
  between: readonly string[],
  trusted: readonly string[],
): boolean {
  let current = certificate;
  for (let step = 0; step < CHAIN_MAX; step++) {
    const link = current;
    if (trusted.some((pem) => isSignedBy(link, pem))) return true;
    const next = parse(between.find((pem) => isSignedBy(link, pem)) ?? "");
    if (next === null || next.fingerprint256 === link.fingerprint256) return false;
    current = next;
  }
  return false;
}
