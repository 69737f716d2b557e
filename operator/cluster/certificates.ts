/** Which certificates a cluster has, and when each is made anew. Deciding is pure; making them is `issue.ts`. */
import { X509Certificate } from "node:crypto";
import { present } from "../../src/base/assert.ts";
import type { DefaultedClusterSpec, DefaultedIssuerSpec } from "../api/gen/types.ts";
import { type Action, stalled } from "./action.ts";
import type { Facts } from "./facts.ts";
import { clusterNames } from "./names.ts";
import type { Secret } from "./objects.ts";
import type { View } from "./view.ts";

/** What one Secret of a cluster holds. */
export interface Leaf {
  readonly secret: string;
  /** Of the subject; null for none: it stands for nobody. */
  readonly commonName: string | null;
  readonly names: readonly string[];
  /** The Secret that it is taken from; null: the operator's authority signs it. */
  readonly from: string | null;
  readonly isServer: boolean;
}

const RENEW_AT = 2 / 3;

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
  return [
    {
      secret: called.serverTls,
      commonName: null,
      names: [...client, ...extra],
      from: sourceOf(name, "server", spec.tls?.client.issuer),
      isServer: true,
    },
    {
      secret: called.peerTls,
      commonName: null,
      names: members,
      from: sourceOf(name, "peer", spec.tls?.peer.issuer),
      isServer: true,
    },
    {
      secret: called.clientTls,
      commonName: null,
      names: [`${name}.client`],
      from: null,
      isServer: false,
    },
    { secret: called.operatorTls, commonName: "root", names: [], from: null, isServer: false },
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
  const { authority, serverTls, peerTls, clientTls, operatorTls } = called;
  return [authority, serverTls, peerTls, clientTls, operatorTls, ...given];
}

export function textOf(secret: Secret | undefined, key: string): string | null {
  const encoded = secret?.data?.[key];
  return encoded === undefined ? null : Buffer.from(encoded, "base64").toString("utf8");
}

/** What members trust: the operator's authority, the one before or after it, and a given one. */
export function bundleOf(facts: Facts, from: string | null): string | null {
  const authority = facts.secrets.get(clusterNames(facts.cluster.metadata.name).authority);
  const current = textOf(authority, "tls.crt");
  if (current === null) return null;
  const given = from === null ? null : textOf(facts.secrets.get(from), "ca.crt");
  const all = [current, textOf(authority, "next.crt"), textOf(authority, "previous.crt"), given];
  const parts = all.flatMap((part) => (part === null ? [] : splitBundle(part)));
  return [...new Set(parts)].join("");
}

/** Each certificate of a PEM text, normalised. */
export function splitBundle(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block.trim()}\n`);
}

/** The next certificate to make or to take over; null: all are as they shall be. */
export function planCertificates(view: View): Action | null {
  const { facts, journal } = view;
  if (journal.latched.plaintext) return null;
  const called = clusterNames(facts.cluster.metadata.name);
  const authority = facts.secrets.get(called.authority);
  if (textOf(authority, "tls.crt") === null) return { kind: "makeAuthority" };
  for (const leaf of leavesOf(view)) {
    if (leaf.from !== null) {
      const given = facts.secrets.get(leaf.from);
      const isThere = textOf(given, "tls.crt") !== null && textOf(given, "tls.key") !== null;
      // What was taken over before is still good: members go on with it.
      if (!isThere && facts.secrets.has(leaf.secret)) continue;
      if (!isThere)
        return stalled(
          "AwaitCertificate",
          `the Secret ${leaf.from} has no tls.crt and tls.key yet`,
        );
    }
    if (!isRight(facts, leaf, authority)) return { kind: "issue", leaf };
  }
  return null;
}

function isRight(facts: Facts, leaf: Leaf, authority: Secret | undefined): boolean {
  const secret = facts.secrets.get(leaf.secret);
  const certificate = textOf(secret, "tls.crt");
  if (certificate === null || textOf(secret, "ca.crt") !== bundleOf(facts, leaf.from)) return false;
  if (leaf.from !== null) {
    const given = facts.secrets.get(leaf.from);
    return ["tls.crt", "tls.key"].every((key) => textOf(secret, key) === textOf(given, key));
  }
  const issuer = present(textOf(authority, "tls.crt"), "there is an authority");
  return isGood(certificate, issuer, leaf, facts.now);
}

/** Signed by this authority, for these names, and not old. */
function isGood(certificate: string, issuer: string, leaf: Leaf, now: number): boolean {
  const parsed = parse(certificate);
  const signer = parse(issuer);
  if (parsed === null || signer === null || !parsed.verify(signer.publicKey)) return false;
  const names = (parsed.subjectAltName ?? "").split(", ").filter((name) => name !== "");
  const held = new Set(names.map((name) => canonicalName(name.replace(/^[^:]*:/, ""))));
  if (held.size !== new Set(leaf.names).size) return false;
  if (!leaf.names.every((name) => held.has(canonicalName(name)))) return false;
  return now < renewalTime(parsed);
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
  return parse(pem)?.fingerprint256.replaceAll(":", "").toLowerCase() ?? null;
}
