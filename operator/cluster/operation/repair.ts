/** What is wrong with a member, and what follows from it: nothing, a new pod, or a new member. Pure. */
import { type Action, stalled } from "../action.ts";
import { containerOf, endOf, isOomKilled, isStranded, saysDamage } from "./describe.ts";
import { isLeftAlone } from "./failed-roll.ts";
import { isTerminating, unreadySince } from "../objects.ts";
import { begin, write } from "../step.ts";
import { durationMs } from "../../api/duration.ts";
import { type Place, type View, canLose, canRest, isOutdated } from "../view.ts";
import type { MemberReplacement } from "./replace-reasons.ts";

/** Restarts that a container has to fail at before its member is replaced for it. */
const FAILURES_MIN = 3;

/** The first member that needs something, or null. One at a time. */
export function planRepair(view: View): Action | null {
  if (view.spec.repair.mode === "Manual") return null;
  return planReplacement(view) ?? planRecreation(view);
}

/** Who has to be replaced and can be. */
export function planReplacement(view: View): Action | null {
  if (view.memberList === null) return null;
  for (const place of view.places) {
    const reason = needsReplacement(view, place);
    if (reason === null) continue;
    if (view.spec.repair.onDataLoss === "Manual")
      return stalled(
        "DataLost",
        `${place.name} has to be replaced (${reason}); spec.repair.onDataLoss is Manual: make a QuorateTask replaceMember`,
      );
    if (place.member?.isLearner !== true && !canLose(view, place)) {
      if (view.voters.length > 1) continue;
      return stalled(
        "DataLost",
        `${place.name} is the only voter and its data are lost (${reason}): restore from a backup`,
      );
    }
    return beginReplacement(view, place, reason, null);
  }
  return null;
}

export function beginReplacement(
  view: View,
  place: Place,
  reason: MemberReplacement,
  task: string | null,
): Action {
  return begin(
    view,
    {
      type: "ReplaceMember",
      step: "Remove",
      member: place.name,
      reason,
      memberId: place.member?.id ?? null,
      claimUid: place.claim?.metadata.uid ?? null,
      podUid: place.pod?.metadata.uid ?? null,
    },
    {},
    task,
  );
}

/** Waiting for it to take part would be for ever: it has to be replaced, which is an operation of its own. */
export function lostMember(view: View): Place | null {
  return view.places.find((place) => needsReplacement(view, place) !== null) ?? null;
}

/** Why this member's data are lost, as far as can be seen; null: they are not, or it is not known. */
export function needsReplacement(view: View, place: Place): MemberReplacement | null {
  const { member, boot, pod, claim } = place;
  if (member === null) return null;
  if (claim !== null && isTerminating(claim)) return "ClaimDeleted";
  const hasTicket = view.journal.boot[place.name]?.ticket != null;
  if (boot !== null && boot.phase === "AwaitingTicket" && boot.memberId === null && !hasTicket)
    return "DiskEmpty";
  if (
    boot !== null &&
    boot.phase === "Fenced" &&
    boot.memberId !== null &&
    boot.memberId !== member.id
  )
    return "DiskOfAnother";
  if (isStranded(view, place)) return "NodeGone";
  if (pod === null || boot !== null) return null;
  const ended = endOf(pod);
  if (ended === null || isOomKilled(pod) || ended.exitCode === 0) return null;
  if (saysDamage(ended)) return "DiskCorrupt";
  const recreates = view.journal.recreates[place.name]?.count ?? 0;
  const failed = (containerOf(pod)?.restartCount ?? 0) >= FAILURES_MIN;
  return failed && recreates >= view.spec.repair.maxRecreates && !isOutdated(view, place)
    ? "KeepsFailing"
    : null;
}

/** A pod that has been unready for long is made anew, a few times; whoever is too slow or too small is only reported. */
function planRecreation(view: View): Action | null {
  const { facts, spec, journal } = view;
  const afterMs = durationMs(spec.repair.notReadyAfter);
  for (const place of view.places) {
    const { pod, member } = place;
    if (pod === null || member === null || isTerminating(pod) || pod.spec?.nodeName === undefined)
      continue;
    const since = unreadySince(pod);
    if (since === null || facts.now - since < afterMs || isOomKilled(pod)) continue;
    if (isLeftAlone(view, place)) continue;
    const done = journal.recreates[place.name]?.count ?? 0;
    if (done >= spec.repair.maxRecreates) continue;
    if (!canRest(view, place) && place.boot !== null) continue;
    const recreates = {
      ...journal.recreates,
      [place.name]: { count: done + 1, since: new Date(facts.now).toISOString() },
    };
    const podUid = pod.metadata.uid ?? "";
    return begin(
      view,
      { type: "RecreatePod", step: "DeletePod", member: place.name, podUid },
      { recreates },
    );
  }
  return null;
}

/** A member that has been well for as long as it was given to become well is not held to what was. */
export function planForgetting(view: View): Action | null {
  const { facts, journal, spec } = view;
  const afterMs = durationMs(spec.repair.notReadyAfter);
  const entries = Object.entries(journal.recreates);
  const kept = entries.filter(([name, { since }]) => {
    const isWell = view.places.some((place) => place.name === name && place.participates);
    return !isWell || facts.now - Date.parse(since) < afterMs;
  });
  return kept.length === entries.length
    ? null
    : write(view, { recreates: Object.fromEntries(kept) });
}
