/**
 * Every member becomes known to its peers by a URL of the other scheme, one after another: the next one once all have been seen
 * to take part twice. All of them listen to both and dial both meanwhile; nobody restarts. Pure.
 */
import { durationMs } from "../../api/duration.ts";
import { type Action, wait } from "../action.ts";
import { isBackupReading } from "../facts.ts";
import type { MovePeersOperation } from "../journal.ts";
import { finish, proceed } from "../step.ts";
import { mayMove, schemeOf } from "../transport.ts";
import { type Place, type View, occupantsOf, placeOf } from "../view.ts";
import { describePod } from "./describe.ts";
import { planRepair } from "./repair.ts";

/** Between the two sightings, at least. */
const SEEN_AGAIN_MS = 3_000;

export function planMovePeers(view: View, operation: MovePeersOperation): Action {
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read now: no quorum answers");
  // The list tells how far it came, whoever goes on with it.
  if (planRepair(view)?.kind === "journal")
    return finish(view, "Abandoned", "a member has to be repaired first");
  const { current, scheme } = operation;
  const place = current === null ? null : placeOf(view, current);
  if (current !== null) {
    if (place?.member == null)
      return proceed(view, operation, { step: "ChooseMember", current: null, seenAt: null });
    return schemeOf(place.peerUrl) === scheme
      ? verify(view, operation, place)
      : move(view, operation, place, place.member.id);
  }
  const next = choose(view, operation);
  // It may be on its way back: what was moved already is seen in the list.
  const { facts, journal } = view;
  if (next !== null && (facts.cluster.metadata.generation ?? 0) > journal.adopted.generation)
    return finish(view, "Abandoned", "the spec has changed between two members");
  if (next === null) return finish(view, "Done", `every member is known by a URL of ${scheme}`);
  return (
    absence(view, next) ??
    heldByBackup(view) ??
    proceed(view, operation, { step: "MoveMember", current: next.name, seenAt: null })
  );
}

function move(view: View, operation: MovePeersOperation, place: Place, id: string): Action {
  const { scheme } = operation;
  const occupants = occupantsOf(view);
  const occupant = occupants.find(({ name }) => name === place.name);
  const { transport } = view.journal.latched;
  if (occupant === undefined || !mayMove(occupant, scheme, transport, occupants))
    return finish(view, "Abandoned", `not every member can reach ${place.name} by ${scheme} now`);
  return (
    heldByBackup(view) ?? {
      kind: "memberMove",
      id,
      peerUrl: place.peerUrl.replace(/^https?:/, `${scheme}:`),
    }
  );
}

/** A member that is not reached any more has no leader after an election timeout, and says so. */
function verify(view: View, operation: MovePeersOperation, place: Place): Action {
  const away = absence(view, null);
  if (away !== null)
    return operation.seenAt === null
      ? away
      : proceed(view, operation, { step: "AwaitParticipating", seenAt: null });
  const { seenAt } = operation;
  if (seenAt === null)
    return proceed(view, operation, {
      step: "SeeAgain",
      seenAt: new Date(view.facts.now).toISOString(),
    });
  const apartMs = Math.max(SEEN_AGAIN_MS, 2 * durationMs(view.spec.server.electionTimeout));
  if (view.facts.now - Date.parse(seenAt) < apartMs)
    return wait(
      "SeeAgain",
      `all members take part with the new URL of ${place.name}; they are looked at once more`,
      apartMs,
    );
  return proceed(view, operation, { step: "ChooseMember", current: null, seenAt: null });
}

/** Whoever takes no part, for whom it may be the cure, then followers from the top, the leader last. */
function choose(view: View, { scheme }: MovePeersOperation): Place | null {
  const others = view.places.filter(
    ({ member, peerUrl }) => member !== null && schemeOf(peerUrl) !== scheme,
  );
  const rank = ({ participates, name }: Place): number =>
    !participates ? 0 : name === view.leader?.name ? 2 : 1;
  const sorted = others.toSorted((a, b) => rank(a) - rank(b) || b.ordinal - a.ordinal);
  return sorted[0] ?? null;
}

/** Who does not take part, but for `next`; null: all do. */
function absence(view: View, next: Place | null): Action | null {
  const away = view.places.find(
    ({ member, participates, name }) => member !== null && !participates && name !== next?.name,
  );
  return away === undefined
    ? null
    : wait("AwaitParticipating", `${away.name} does not take part: ${describePod(view, away)}`);
}

function heldByBackup({ facts }: View): Action | null {
  return isBackupReading(facts)
    ? wait("AwaitBackup", "a backup reads from a member, at the URL that it has")
    : null;
}
