/**
 * A change of version, flags or template reaches the pods: one at a time, whoever takes no part first, then followers, the
 * leader last. The next one waits until the one before was seen to take part twice.
 */
import { present } from "../../../src/base/assert.ts";
import { type Action, stalled, wait } from "../action.ts";
import { isBackupReading } from "../facts.ts";
import type { RollOperation } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { begin, finish, proceed } from "../step.ts";
import {
  type Place,
  type View,
  canRest,
  isOutdated,
  placeOf,
  revisionOf,
  updateRevision,
} from "../view.ts";
import { cannotStart, deleteDown, describePod, isDown, isFaulty } from "./describe.ts";
import { ROLL_FAILED, planWithdrawal, provenNow } from "./failed-roll.ts";
import { needsReplacement } from "./repair.ts";
import { isQuotaRaised } from "./space.ts";
import { isWindowOpen } from "./windows.ts";

/** Between the two sightings. */
const SEEN_AGAIN_MS = 3_000;
/** Tries to hand leadership over before its holder is made anew as it is: SIGTERM hands over too. */
const HANDOVERS_MAX = 3;

/** Begins a roll where pods are outdated and nothing is in its way; null where there is nothing to roll. */
export function planRoll(view: View): Action | null {
  // As long as the spec asks for what failed.
  if (view.journal.failed !== null) return null;
  const revision = updateRevision(view);
  const outdated = view.places.filter((place) => isOutdated(view, place));
  if (revision === null)
    return wait("AwaitRevision", "the StatefulSet controller has not seen the template yet");
  if (outdated.length === 0) return null;
  const { update } = view.spec;
  if (update.strategy === "Manual") return null;
  if (!isWindowOpen(update.windows ?? [], update.timeZone, view.facts.now))
    return wait(
      "AwaitWindow",
      `${outdated.length} pods are outdated; the next update window is not open yet`,
      60_000,
    );
  return begin(view, { type: "Roll", step: "ChoosePod", revision, current: null, seenAt: null });
}

/**
 * Whoever is made anew while a change is not through is of the new template, whether or not the roll has come to it: where that
 * cannot begin, or is refused, the roll has failed before its turn.
 */
export function planUnproven(view: View): Action | null {
  const revision = updateRevision(view);
  if (revision === null || view.journal.failed !== null) return null;
  const place = view.places.find(
    (each) =>
      each.pod !== null &&
      revisionOf(each.pod) === revision &&
      (cannotStart(each) || each.boot?.refusal !== undefined) &&
      needsReplacement(view, each) === null,
  );
  if (place === undefined || isEdited(view)) return null;
  const why = `${place.name} was made anew and does not take part: ${describePod(view, place)}`;
  return planWithdrawal(view, place, why);
}

export function planRollOn(view: View, operation: RollOperation): Action {
  const revision = updateRevision(view);
  if (revision === null)
    return wait("AwaitRevision", "the StatefulSet controller has not seen the template yet");
  const broken = view.places.find((place) => needsReplacement(view, place) !== null);
  if (broken !== undefined)
    return finish(view, "Abandoned", `${broken.name} has to be replaced first`);
  if (operation.current !== null) return planCurrent(view, operation, operation.current);
  if (revision !== operation.revision)
    return finish(view, "Abandoned", "the template has changed again");
  const next = choose(view);
  if (next === null)
    return finish(view, "Done", `every pod is of revision ${revision}`, {
      proven: provenNow(view),
    });
  const held = heldBy(view, next);
  if (held !== null) return held;
  const podUid = present(next.pod, "an outdated place has a pod").metadata.uid ?? "";
  return proceed(view, operation, {
    step: "DeletePod",
    current: { member: next.name, podUid },
    seenAt: null,
    attempts: 0,
  });
}

function planCurrent(
  view: View,
  operation: RollOperation,
  current: NonNullable<RollOperation["current"]>,
): Action {
  const place = placeOf(view, current.member);
  const pod = place?.pod ?? null;
  if (place === null) return wait("AwaitPod", `${current.member} has no place any more`);
  if (pod === null) {
    const why = `${place.name} has no pod yet`;
    return (
      (isInTime(view, operation) ? null : planFailure(view, place, why)) ?? wait("AwaitPod", why)
    );
  }
  if (pod.metadata.uid === current.podUid) {
    if (isTerminating(pod)) return wait("AwaitPodGone", `the old pod of ${place.name} is stopping`);
    if (!isOutdated(view, place))
      return proceed(view, operation, { step: "ChoosePod", current: null });
    if (isDown(place)) return deleteDown(pod);
    return heldBy(view, place) ?? replacePod(view, operation, place, current.podUid);
  }
  // It was made of the template of before, a moment too early: it is no pod to wait for.
  if (isOutdated(view, place))
    return proceed(view, operation, { step: "ChoosePod", current: null, seenAt: null });
  // Without the list nobody knows that it is none.
  const isMember = view.memberList === null || place.member !== null;
  if (isMember && !place.participates) {
    if (operation.seenAt !== null)
      return proceed(view, operation, { step: "AwaitParticipating", seenAt: null });
    const why = `${place.name} was made anew and does not take part: ${describePod(view, place)}`;
    if (isInTime(view, operation) && !isFaulty(place)) return wait("AwaitParticipating", why);
    return (
      planFailure(view, place, why) ??
      stalled(ROLL_FAILED, `${why}. The other members stay as they are`)
    );
  }
  const now = new Date(view.facts.now).toISOString();
  if (isMember && operation.seenAt === null)
    return proceed(view, operation, { step: "SeeAgain", seenAt: now });
  if (isMember && view.facts.now - Date.parse(operation.seenAt ?? now) < SEEN_AGAIN_MS)
    return wait("SeeAgain", `${place.name} takes part; it is looked at once more`, SEEN_AGAIN_MS);
  return proceed(view, operation, { step: "ChoosePod", current: null, seenAt: null });
}

function isInTime({ facts }: View, { deadline }: RollOperation): boolean {
  return deadline === null || facts.now <= Date.parse(deadline);
}

/**
 * The first that fails ends the roll: a newer spec may mend it, and is adopted between operations; without one what it brought
 * is withdrawn. Null: no majority would run in what was before.
 */
function planFailure(view: View, place: Place, why: string): Action | null {
  return isEdited(view) ? finish(view, "Failed", why) : planWithdrawal(view, place, why);
}

function isEdited({ facts, journal }: View): boolean {
  return (facts.cluster.metadata.generation ?? 0) > journal.adopted.generation;
}

function replacePod(view: View, operation: RollOperation, place: Place, uid: string): Action {
  const deletion: Action = { kind: "deletePod", name: place.name, uid };
  if (view.leader?.name !== place.name || view.voters.length < 2) return deletion;
  if (operation.attempts >= HANDOVERS_MAX) return deletion;
  const heir = view.places.find(
    (other) => other.participates && other.name !== place.name && !isOutdated(view, other),
  );
  const targetId = heir?.member?.id;
  if (targetId === undefined) return deletion;
  return operation.step === "MoveLeader"
    ? { kind: "moveLeader", from: place.name, targetId }
    : proceed(view, operation, { step: "MoveLeader" });
}

/** Whoever takes no part, then followers from the top, the leader last. */
function choose(view: View): Place | null {
  const outdated = view.places.filter(
    (place) => isOutdated(view, place) && place.pod !== null && !isTerminating(place.pod),
  );
  const rank = (place: Place): number => {
    if (place.member === null || isDown(place)) return 0;
    if (!place.participates) return 1;
    return place.name === view.leader?.name ? 3 : 2;
  };
  const sorted = outdated.toSorted((a, b) => rank(a) - rank(b) || b.ordinal - a.ordinal);
  return sorted[0] ?? null;
}

/** What keeps this pod from being taken down now; null: nothing. A pod that is down takes nothing down with it. */
function heldBy(view: View, next: Place): Action | null {
  const { facts, spec } = view;
  if (isDown(next)) return null;
  // Without the list, who is in no list may be the leader.
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read now");
  if (next.member === null) return null;
  const lagging = view.places.find(
    ({ member, participates, name }) => member !== null && !participates && name !== next.name,
  );
  if (lagging !== undefined)
    return wait(
      "AwaitParticipating",
      `${lagging.name} does not take part: ${describePod(view, lagging)}`,
    );
  if (view.learners.length > 0) return wait("AwaitLearner", "a learner has to be promoted first");
  const isClear = facts.alarms.known && (facts.alarms.value.length === 0 || isQuotaRaised(view));
  if (!isClear) return wait("AwaitAlarms", "an alarm is raised, or alarms cannot be read");
  if (isBackupReading(facts)) return wait("AwaitBackup", "a backup reads from a member");
  if (!isWindowOpen(spec.update.windows ?? [], spec.update.timeZone, facts.now))
    return wait(
      "AwaitWindow",
      "the update window has closed; the roll goes on in the next one",
      60_000,
    );
  if (!canRest(view, next))
    return wait("AwaitQuorum", `without ${next.name} there would be no quorum`);
  return null;
}
