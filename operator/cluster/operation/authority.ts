/**
 * A new authority in three operations: trust it too, sign with it, trust it alone. Each ends once all listeners do so, and
 * between them is time for clients to follow, in which the cluster goes on as ever. Pure.
 */
import type { BootReport } from "../../../src/api/boot.ts";
import { unreachable } from "../../../src/base/assert.ts";
import { durationMs } from "../../api/duration.ts";
import { type Action, wait } from "../action.ts";
import {
  type Leaf,
  bundleOf,
  fingerprint,
  leavesOf,
  parse,
  renewalTime,
  splitBundle,
  textOf,
} from "../certificates.ts";
import { signedAt } from "../issue.ts";
import type { AuthorityTurn, RotateAuthorityOperation } from "../journal.ts";
import { clusterNames } from "../names.ts";
import type { Secret } from "../objects.ts";
import { begin, finish, write } from "../step.ts";
import { hasCertificates } from "../transport.ts";
import { type View, isWithTls } from "../view.ts";

/** On the cluster: another value has its authority replaced. */
export const ROTATE_ANNOTATION = "quorate.io/rotate-authority";

export function planRotation(view: View): Action | null {
  const { facts, journal } = view;
  const asked = facts.cluster.metadata.annotations?.[ROTATE_ANNOTATION] ?? null;
  const isAsked = asked !== null && asked !== journal.rotated;
  // Without TLS there is none to replace.
  if (!isWithTls(view)) return isAsked ? write(view, { rotated: asked }) : null;
  // Whoever has no certificates would be waited for in vain.
  if (!view.places.every(({ transport }) => transport === null || hasCertificates(transport)))
    return null;
  if (!hasCertificates(journal.latched.transport)) return null;
  const turn = nextTurn(view);
  if (turn !== null) {
    if (facts.now < turn.at) return null;
    return begin(view, { type: "RotateAuthority", step: turn.step });
  }
  const current = parse(textOf(authorityOf(view), "tls.crt") ?? "");
  const isDue = current !== null && facts.now >= renewalTime(current);
  if (!isAsked && !isDue) return null;
  return begin(view, { type: "RotateAuthority", step: "TrustBoth" }, { rotated: asked });
}

/** What a replacement that has begun goes on with, and when; null: there is none. */
export function nextTurn(view: View): { readonly step: AuthorityTurn; readonly at: number } | null {
  const { facts, spec } = view;
  const secret = authorityOf(view);
  const overlap = durationMs(spec.tls?.authorityOverlap ?? "0s");
  const after = (pem: string | null): number => {
    const certificate = parse(pem ?? "");
    return certificate === null ? 0 : signedAt(certificate) + overlap;
  };
  const next = textOf(secret, "next.crt");
  if (next !== null) return { step: "SignWithNew", at: after(next) };
  if (textOf(secret, "previous.crt") === null) return null;
  // It was signed when the new authority began to.
  const { clientTls } = clusterNames(facts.cluster.metadata.name);
  return { step: "TrustNewAlone", at: after(textOf(facts.secrets.get(clientTls), "tls.crt")) };
}

function authorityOf({ facts }: View): Secret | undefined {
  return facts.secrets.get(clusterNames(facts.cluster.metadata.name).authority);
}

export function planRotateAuthority(view: View, operation: RotateAuthorityOperation): Action {
  const secret = authorityOf(view);
  const next = textOf(secret, "next.crt");
  const hasPrevious = textOf(secret, "previous.crt") !== null;
  switch (operation.step) {
    case "TrustBoth":
      if (next === null && !hasPrevious) return { kind: "turnAuthority", stage: "introduce" };
      return (
        awaitTrustIn(view, next) ?? finish(view, "Done", "every member trusts both authorities")
      );
    case "SignWithNew":
      if (next !== null)
        return awaitTrustIn(view, next) ?? { kind: "turnAuthority", stage: "promote" };
      return (
        awaitLeaves(view) ??
        finish(view, "Done", "every member shows a certificate by the new authority")
      );
    case "TrustNewAlone":
      if (hasPrevious) return { kind: "turnAuthority", stage: "retire" };
      return (
        awaitTrust(view, "still trusts the old authority", isNoMoreThan(view)) ??
        finish(view, "Done", "every member trusts the new authority alone")
      );
    default:
      return unreachable(operation.step);
  }
}

type Judge = (trusted: readonly string[], leaf: Leaf) => boolean;

function isNoMoreThan(view: View): Judge {
  return (trusted, leaf) => trusted.length <= splitBundle(bundleOf(view.facts, leaf) ?? "").length;
}

function awaitTrustIn(view: View, authority: string | null): Action | null {
  const print = fingerprint(authority ?? "") ?? "";
  return authority === null
    ? null
    : awaitTrust(view, "does not trust the new authority yet", (trusted) =>
        trusted.includes(print),
      );
}

function reportsOf(view: View): { readonly name: string; readonly boot: BootReport | null }[] {
  return view.places.filter(({ pod }) => pod !== null).map(({ name, boot }) => ({ name, boot }));
}

/** Every pod says so of both its listeners; else what is waited for. */
function awaitTrust(view: View, what: string, holds: Judge): Action | null {
  const [server, peer] = leavesOf(view);
  for (const { name, boot } of reportsOf(view)) {
    const sides = [
      { leaf: server, used: boot?.tls.client, asks: view.spec.tls?.client.mode !== "Server" },
      { leaf: peer, used: boot?.tls.peer, asks: true },
    ];
    const isSo = sides.every(
      ({ leaf, used, asks }) =>
        !asks || (used != null && leaf !== undefined && holds(used.authorities, leaf)),
    );
    if (!isSo) return wait("AwaitTrust", `${name} ${what}`, 5_000);
  }
  return null;
}

function awaitLeaves(view: View): Action | null {
  const [server, peer] = leavesOf(view).map(({ secret }) => {
    const certificate = textOf(view.facts.secrets.get(secret), "tls.crt");
    return certificate === null ? null : fingerprint(certificate);
  });
  for (const { name, boot } of reportsOf(view)) {
    const isSo = boot?.tls.client?.certificate === server && boot?.tls.peer?.certificate === peer;
    if (!isSo)
      return wait("AwaitCertificates", `${name} does not show its new certificates yet`, 5_000);
  }
  return null;
}
