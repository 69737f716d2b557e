/** A new authority in three steps, each awaited in what all listeners use: trust both, sign with it, trust it alone. Pure. */
import type { BootReport } from "../../../src/api/boot.ts";
import { type Action, wait } from "../action.ts";
import { fingerprint, leavesOf, parse, renewalTime, textOf } from "../certificates.ts";
import type { RotateAuthorityOperation } from "../journal.ts";
import { clusterNames } from "../names.ts";
import { begin, finish } from "../step.ts";
import type { View } from "../view.ts";

/** On the cluster: another value has its authority replaced. */
export const ROTATE_ANNOTATION = "quorate.io/rotate-authority";

export function planRotation(view: View): Action | null {
  const { facts, journal } = view;
  if (journal.latched.plaintext) return null;
  const asked = facts.cluster.metadata.annotations?.[ROTATE_ANNOTATION] ?? null;
  const isAsked = asked !== null && asked !== journal.rotated;
  const current = parse(textOf(authorityOf(view), "tls.crt") ?? "");
  const isDue = current !== null && facts.now >= renewalTime(current);
  if (!isAsked && !isDue) return null;
  return begin(view, { type: "RotateAuthority", step: "TrustBoth" }, { rotated: asked });
}

function authorityOf({ facts }: View): ReturnType<View["facts"]["secrets"]["get"]> {
  return facts.secrets.get(clusterNames(facts.cluster.metadata.name).authority);
}

export function planRotateAuthority(view: View, operation: RotateAuthorityOperation): Action {
  const secret = authorityOf(view);
  const next = textOf(secret, "next.crt");
  const previous = textOf(secret, "previous.crt");
  const current = textOf(secret, "tls.crt");
  if (next !== null) {
    const print = fingerprint(next);
    return (
      awaitTrust(view, "does not trust the new authority yet", (trusted) =>
        trusted.includes(print ?? ""),
      ) ?? {
        kind: "turnAuthority",
        stage: "promote",
      }
    );
  }
  if (previous !== null) return awaitLeaves(view) ?? { kind: "turnAuthority", stage: "retire" };
  const began = Date.parse(operation.startedAt);
  const made = current === null ? 0 : Date.parse(parse(current)?.validFrom ?? "");
  // Authorities are made with an hour's margin; one that is newer than this operation is its outcome.
  if (made + AUTHORITY_MARGIN_MS < began) return { kind: "turnAuthority", stage: "introduce" };
  return (
    awaitTrust(
      view,
      "still trusts the old authority",
      (trusted) => trusted.length <= trustedCount(view),
    ) ?? finish(view, "Done", "every member trusts the new authority alone")
  );
}

/** As `newAuthority` has it. */
const AUTHORITY_MARGIN_MS = 3_600_000;

function trustedCount(view: View): number {
  const sides = leavesOf(view).filter(({ isServer }) => isServer);
  return sides.some(({ from }) => from !== null) ? Number.POSITIVE_INFINITY : 1;
}

function reportsOf(view: View): { readonly name: string; readonly boot: BootReport | null }[] {
  return view.places.filter(({ pod }) => pod !== null).map(({ name, boot }) => ({ name, boot }));
}

/** Every pod says so of both its listeners; else what is waited for. */
function awaitTrust(
  view: View,
  what: string,
  holds: (trusted: readonly string[]) => boolean,
): Action | null {
  for (const { name, boot } of reportsOf(view)) {
    const sides = [boot?.tls.client, boot?.tls.peer];
    const asks = [view.spec.tls?.client.mode !== "Server", true];
    const isSo = sides.every(
      (side, at) => asks[at] === false || (side != null && holds(side.authorities)),
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
