/** CORRUPT: the alarm may name the wrong one, so all members are compared at one revision; the minority is replaced. Pure. */
import { type Action, wait } from "../action.ts";
import { valueOf } from "../facts.ts";
import type { RaisedAlarm } from "../../admin.ts";
import type { RepairCorruptionOperation } from "../journal.ts";
import { begin, finish, proceed } from "../step.ts";
import { type Place, type View, canLose } from "../view.ts";
import { beginReplacement, needsReplacement, planReplacement } from "./repair.ts";

/** After a comparison without a majority: until the members are compared again, if nobody has changed who they are. */
const AGAIN_MS = 600_000;
/** What may have made a majority. */
const CHANGING: ReadonlySet<string> = new Set([
  "AddMember",
  "RemoveMember",
  "ReplaceMember",
  "RecoverQuorum",
  "Restore",
]);

export function corruptAlarms(view: View): readonly RaisedAlarm[] {
  return (valueOf(view.facts.alarms) ?? []).filter(({ alarm }) => alarm === "CORRUPT");
}

export function planCorruption(view: View): Action | null {
  if (corruptAlarms(view).length === 0) return null;
  if (view.spec.repair.mode === "Manual" || view.spec.repair.onDataLoss === "Manual") return null;
  if (planReplacement(view) !== null || isUndecided(view)) return null;
  return begin(view, { type: "RepairCorruption", step: "Compare", revision: null });
}

/** No majority had one history, and the members are who they were: a person has to decide, and tasks are how. */
function isUndecided({ journal: { history }, facts }: View): boolean {
  const at = history.findLastIndex(({ type }) => type === "RepairCorruption");
  const last = history[at];
  if (last?.outcome !== "Failed") return false;
  const later = history.slice(at + 1);
  const isOther = later.some(({ type, outcome }) => outcome === "Done" && CHANGING.has(type));
  return !isOther && facts.now - Date.parse(last.finishedAt) < AGAIN_MS;
}

/** What a person has to do about histories that differ; null: nothing. */
export function corruptionRefusal(view: View): string | null {
  if (corruptAlarms(view).length === 0) return null;
  const last = view.journal.history.findLast(({ type }) => type === "RepairCorruption");
  return last?.outcome === "Failed" ? last.message : null;
}

export function planRepairCorruption(view: View, operation: RepairCorruptionOperation): Action {
  if (!view.facts.alarms.known) return wait("AwaitAlarms", "alarms cannot be read");
  const isSought = view.memberList === null || isMember(view, operation.odd ?? null);
  if (corruptAlarms(view).length === 0 && !isSought)
    return finish(view, "Done", "the members agree");
  if (planReplacement(view) !== null)
    return finish(view, "Abandoned", "a member whose data are lost has to be replaced first");
  // Whose data are lost, and who cannot be replaced yet, has nothing to compare.
  const members = view.places.filter(
    (place) => place.member !== null && needsReplacement(view, place) === null,
  );
  const silent = members.find(({ state }) => state === null);
  if (silent !== undefined || view.memberList === null)
    return wait(
      "AwaitMembers",
      `${silent?.name ?? "a member"} has to answer, so that all can be compared`,
    );
  if (operation.revision === null) {
    const revision = Math.min(...members.map(({ state }) => state?.revision ?? 0));
    return proceed(view, operation, { step: "Compare", revision });
  }
  return judge(view, operation, members);
}

function isMember({ memberList }: View, id: string | null): boolean {
  return id !== null && memberList?.some((member) => member.id === id) === true;
}

function judge(
  view: View,
  operation: RepairCorruptionOperation,
  members: readonly Place[],
): Action {
  const groups = new Map<string, Place[]>();
  const compactions = new Set<number>();
  for (const place of members) {
    const found = view.facts.hashes.get(place.name);
    if (found?.known !== true) {
      const why = found?.known === false ? found.why : "not asked yet";
      // The revision may be compacted by now: another one is chosen.
      return view.facts.now > Date.parse(operation.deadline ?? "")
        ? proceed(view, operation, { step: "Choose", revision: null })
        : wait("AwaitHashes", `the history of ${place.name} cannot be compared yet: ${why}`);
    }
    compactions.add(found.value.compactRevision);
    const key = `${found.value.hash}`;
    groups.set(key, [...(groups.get(key) ?? []), place]);
  }
  if (compactions.size > 1) return proceed(view, operation, { step: "Choose", revision: null });
  const [largest = []] = [...groups.values()].toSorted((a, b) => b.length - a.length);
  if (largest.length * 2 <= (view.memberList?.length ?? 0))
    return finish(
      view,
      "Failed",
      `the members disagree, and no majority has one history: ${[...groups.values()].map((group) => group.map(({ name }) => name).join(" and ")).join(" against ")}. ` +
        "Restore a backup, or name the members to replace in QuorateTasks",
    );
  const odd = members.find((place) => !largest.includes(place));
  if (odd !== undefined) return planOdd(view, operation, odd, largest);
  const [alarm] = corruptAlarms(view);
  return alarm === undefined
    ? finish(view, "Done", "the members agree")
    : { kind: "disarm", alarm };
}

/** Whom an alarm names takes no part: one that names a member of the majority is ended, once the journal has who is meant. */
function planOdd(
  view: View,
  operation: RepairCorruptionOperation,
  odd: Place,
  majority: readonly Place[],
): Action {
  if (canLose(view, odd)) return beginReplacement(view, odd, "Diverged", null);
  const alarm = corruptAlarms(view).find(({ memberId }) =>
    majority.some(({ member }) => member?.id === memberId),
  );
  if (alarm === undefined)
    return wait(
      "AwaitQuorum",
      `${odd.name} differs from the majority; the others have to take part before it is replaced`,
    );
  const id = odd.member?.id ?? null;
  return operation.odd === id
    ? { kind: "disarm", alarm }
    : proceed(view, operation, { step: "Acquit", odd: id });
}
