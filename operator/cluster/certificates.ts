/** Which certificates a cluster has, whom they trust, and when each is made anew. Pure; making them is `issue.ts`. */
import { X509Certificate } from "node:crypto";
import type { TlsInUse } from "../../src/api/boot.ts";
import type { DefaultedClusterSpec, DefaultedIssuerSpec } from "../api/gen/types.ts";
import type { Facts } from "./facts.ts";
import { clusterNames } from "./names.ts";
import { type Secret, isTerminating, unreadySince } from "./objects.ts";
import type { View } from "./view.ts";

/** A listener of each member's. */
export type Side = "client" | "peer";

/** What one Secret of a cluster holds. */
export interface Leaf {
  readonly secret: string;
  /** Of the subject; null for none: it stands for nobody. */
  readonly commonName: string | null;
  readonly names: readonly string[];
  /** The Secret that it is taken from; null: the operator's authority signs it. */
  readonly from: string | null;
  /** The Secret whose authority is trusted beside the operator's: of those whom the holder meets. */
  readonly trusts: string | null;
  /** Where the holder meets members. */
  readonly side: Side;
  readonly isServer: boolean;
}

const RENEW_AT = 2 / 3;
/** Kubelets show a changed Secret within a minute or two. */
const SILENT_MS = 300_000;

export function leavesOf(view: Pick<View, "spec" | "journal" | "facts">): readonly Leaf[] {
  const { facts, spec, journal } = view;
  const { name, namespace = "" } = facts.cluster.metadata;
  const called = clusterNames(name);
  const domain = journal.latched.clusterDomain;
  const services = [called.clientService, called.peerService];
  const members = services
    .flatMap((service) => [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.${domain}`])
    .flatMap((host) => (host.startsWith(called.peerService) ? [host, `*.${host}`] : [host]));
  const short = [called.clientService, `${called.clientService}.${namespace}`];
  const client = [...members, ...short, "localhost", "127.0.0.1", "::1"];
  const extra = spec.tls?.client.extraNames ?? [];
  const server = sourceOf(name, "server", spec.tls?.client.issuer);
  const peer = sourceOf(name, "peer", spec.tls?.peer.issuer);
  const user = { from: null, trusts: server, side: "client", isServer: false } as const;
  return [
    {
      secret: called.serverTls,
      commonName: null,
      names: [...client, ...extra],
      from: server,
      trusts: server,
      side: "client",
      isServer: true,
    },
    {
      secret: called.peerTls,
      commonName: null,
      names: members,
      from: peer,
      trusts: peer,
      side: "peer",
      isServer: true,
    },
    { secret: called.clientTls, commonName: null, names: [`${name}.client`], ...user },
    { secret: called.operatorTls, commonName: "root", names: [], ...user },
  ];
}

/** The Secret that somebody else keeps up; null: the operator does. */
export function sourceOf(
  cluster: string,
  side: "server" | "peer",
  issuer: DefaultedIssuerSpec | undefined,
): string | null {
  if (issuer?.secretRef !== undefined) return issuer.secretRef.name;
  return issuer?.certManager === undefined ? null : `${cluster}-${side}-issued`;
}

/** The Secrets that a pass reads. */
export function secretNames(cluster: string, spec: DefaultedClusterSpec): readonly string[] {
  const called = clusterNames(cluster);
  const given = [
    sourceOf(cluster, "server", spec.tls?.client.issuer),
    sourceOf(cluster, "peer", spec.tls?.peer.issuer),
    spec.auth?.rootSecretRef.name ?? null,
  ].filter((name) => name !== null);
  const { authority, serverTls, peerTls, clientTls, operatorTls, operatorAuth } = called;
  return [authority, serverTls, peerTls, clientTls, operatorTls, operatorAuth, ...given];
}

export function textOf(secret: Secret | undefined, key: string): string | null {
  const encoded = secret?.data?.[key];
  return encoded === undefined ? null : Buffer.from(encoded, "base64").toString("utf8");
}

/**
 * What the leaf's holder trusts: the operator's authority, the one before or after it, and a given one; and, until all members
 * show what they shall, whatever it trusted before.
 */
export function bundleOf(facts: Facts, leaf: Leaf): string | null {
  const { secrets } = facts;
  const own = ownAuthorities(facts);
  if (own.length === 0) return null;
  const given = leaf.trusts === null ? null : textOf(secrets.get(leaf.trusts), "ca.crt");
  const before = isShown(facts, leaf) ? null : textOf(secrets.get(leaf.secret), "ca.crt");
  const others = [given, before].flatMap((part) => splitBundle(part ?? ""));
  return [...new Set([...own, ...others])].join("");
}

/** The operator's, the one that signs first; none where it has not been made. */
function ownAuthorities({ cluster, secrets }: Facts): string[] {
  const authority = secrets.get(clusterNames(cluster.metadata.name).authority);
  const keys = ["tls.crt", "next.crt", "previous.crt"];
  return keys.flatMap((key) => splitBundle(textOf(authority, key) ?? ""));
}

/** What the listeners of members that answer use. */
function inUse({ members }: Facts, side: Side): TlsInUse[] {
  return [...members.values()].flatMap(({ boot }) =>
    boot.known ? (boot.value.tls[side] ?? []) : [],
  );
}

/**
 * A member may be there that does not say what it uses: cut off, or about to start with what was mounted. One that has been
 * unready for long mounts everything anew before it serves again, or its kubelet has followed long since.
 */
function isAnySilent({ pods, members, now }: Facts): boolean {
  return [...pods.values()].some((pod) => {
    if (isTerminating(pod) || members.get(pod.metadata.name)?.boot.known === true) return false;
    const since = unreadySince(pod);
    return since === null || now - since < SILENT_MS;
  });
}

/** On this side all members show what is meant for them, and so need not be known by anything older. */
function isShown(facts: Facts, { side, trusts }: Leaf): boolean {
  const { serverTls, peerTls } = clusterNames(facts.cluster.metadata.name);
  const held = side === "client" ? serverTls : peerTls;
  const meant = parse(textOf(facts.secrets.get(trusts ?? held), "tls.crt") ?? "");
  if (meant === null) return false;
  // One that was given, and shall not be any more, is about to be replaced.
  if (trusts === null && !ownAuthorities(facts).some((pem) => isSignedBy(meant, pem))) return false;
  if (isAnySilent(facts)) return false;
  return inUse(facts, side).every(({ certificate }) => certificate === printOf(meant));
}

/** Each certificate of a PEM text, normalised. */
export function splitBundle(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block.trim()}\n`);
}

/** It holds what it shall, with the bundle that it shall have. */
export function isRight(facts: Facts, leaf: Leaf): boolean {
  const secret = facts.secrets.get(leaf.secret);
  if (textOf(secret, "ca.crt") !== bundleOf(facts, leaf)) return false;
  const pair = pairOf(facts, leaf);
  return textOf(secret, "tls.crt") === pair?.certificate && textOf(secret, "tls.key") === pair.key;
}

export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** What the leaf's Secret shall hold, of what there is; null: it has to be signed. */
export function pairOf(facts: Facts, leaf: Leaf): Pair | null {
  const held = readPair(facts.secrets.get(leaf.secret));
  if (leaf.from === null) return isGood(facts, leaf) ? held : null;
  const given = facts.secrets.get(leaf.from);
  const isKnown = knows(facts, leaf.side, textOf(given, "ca.crt"));
  return held !== null && !isKnown ? held : readPair(given);
}

function readPair(secret: Secret | undefined): Pair | null {
  const [certificate, key] = [textOf(secret, "tls.crt"), textOf(secret, "tls.key")];
  return certificate === null || key === null ? null : { certificate, key };
}

/** Every member that asks for certificates trusts these authorities. */
function knows(facts: Facts, side: Side, authorities: string | null): boolean {
  if (isAnySilent(facts)) return false;
  const prints = splitBundle(authorities ?? "").map(fingerprint);
  return inUse(facts, side).every(
    ({ authorities: trusted }) =>
      trusted.length === 0 || prints.every((print) => trusted.includes(print ?? "")),
  );
}

/**
 * The leaf that there is has its names, is not old, and was signed by the operator's authority: or, as long as that is not known
 * to every member or has lost its key, by any that is trusted beside the leaf.
 */
function isGood(facts: Facts, leaf: Leaf): boolean {
  const { cluster, secrets, now } = facts;
  const secret = secrets.get(leaf.secret);
  const parsed = parse(textOf(secret, "tls.crt") ?? "");
  if (parsed === null || textOf(secret, "tls.key") === null) return false;
  const authority = secrets.get(clusterNames(cluster.metadata.name).authority);
  const current = textOf(authority, "tls.crt");
  const signs = textOf(authority, "tls.key") !== null && knows(facts, leaf.side, current);
  const others = signs ? null : textOf(secret, "ca.crt");
  const signers = [current, others].flatMap((part) => splitBundle(part ?? ""));
  if (!signers.some((pem) => isSignedBy(parsed, pem))) return false;
  const names = (parsed.subjectAltName ?? "").split(", ").filter((name) => name !== "");
  const held = new Set(names.map((name) => canonicalName(name.replace(/^[^:]*:/, ""))));
  if (held.size !== new Set(leaf.names).size) return false;
  if (!leaf.names.every((name) => held.has(canonicalName(name)))) return false;
  return now < renewalTime(parsed);
}

/** By the key of that certificate; false where it is none. */
export function isSignedBy(certificate: X509Certificate, pem: string | null): boolean {
  const signer = parse(pem ?? "");
  return signer !== null && certificate.verify(signer.publicKey);
}

/**
 * The certificate of an authority whose Secret is gone while leaves that it signed are in use: it is in the bundles beside them.
 * Null: nothing was signed yet.
 */
export function lostAuthority({ cluster, secrets }: Facts): string | null {
  const { clientTls, operatorTls, serverTls, peerTls } = clusterNames(cluster.metadata.name);
  for (const name of [operatorTls, clientTls, serverTls, peerTls]) {
    const secret = secrets.get(name);
    const leaf = parse(textOf(secret, "tls.crt") ?? "");
    const bundle = splitBundle(textOf(secret, "ca.crt") ?? "");
    const signer = bundle.find((pem) => leaf !== null && isSignedBy(leaf, pem));
    if (signer !== undefined) return signer;
  }
  return null;
}

/** IPv6 addresses are printed at length. */
function canonicalName(name: string): string {
  return name.includes(":") ? new URL(`http://[${name}]`).hostname : name;
}

export function renewalTime(certificate: X509Certificate): number {
  const from = Date.parse(certificate.validFrom);
  const end = Date.parse(certificate.validTo);
  return from + (end - from) * RENEW_AT;
}

export function parse(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

/** SHA-256 of the DER, lowercase hexadecimal, as boot reports have it. */
export function fingerprint(pem: string): string | null {
  const parsed = parse(pem);
  return parsed === null ? null : printOf(parsed);
}

function printOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(":", "").toLowerCase();
}
