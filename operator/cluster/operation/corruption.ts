/** CORRUPT: the alarm may name the wrong one, so all members are compared at one revision; the minority is replaced. Pure. */
import { type Action, stalled, wait } from "../action.ts";
import { valueOf } from "../facts.ts";
import type { RaisedAlarm } from "../../admin.ts";
import type { RepairCorruptionOperation } from "../journal.ts";
import { begin, finish, proceed } from "../step.ts";
import { type Place, type View, canLose } from "../view.ts";
import { beginReplacement } from "./repair.ts";

function corruptAlarms(view: View): readonly RaisedAlarm[] {
  return (valueOf(view.facts.alarms) ?? []).filter(({ alarm }) => alarm === "CORRUPT");
}

export function planCorruption(view: View): Action | null {
  if (corruptAlarms(view).length === 0) return null;
  if (view.spec.repair.mode === "Manual" || view.spec.repair.onDataLoss === "Manual") return null;
  return begin(view, { type: "RepairCorruption", step: "Compare", revision: null });
}

export function planRepairCorruption(view: View, operation: RepairCorruptionOperation): Action {
  if (!view.facts.alarms.known) return wait("AwaitAlarms", "alarms cannot be read");
  const [alarm] = corruptAlarms(view);
  if (alarm === undefined) return finish(view, "Done", "the members agree");
  const members = view.places.filter(({ member }) => member !== null);
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
  return judge(view, operation, members, alarm);
}

function judge(
  view: View,
  operation: RepairCorruptionOperation,
  members: readonly Place[],
  alarm: RaisedAlarm,
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
  if (largest.length * 2 <= members.length)
    return stalled(
      "NoMajority",
      `the members disagree, and no majority has one history: ${[...groups.values()].map((group) => group.map(({ name }) => name).join(" and ")).join(" against ")}. ` +
        "Restore a backup, or name the members to replace in QuorateTasks",
    );
  const odd = members.find((place) => !largest.includes(place));
  if (odd === undefined) return { kind: "disarm", alarm };
  if (!canLose(view, odd))
    return wait(
      "AwaitQuorum",
      `${odd.name} differs from the majority; the others have to take part before it is replaced`,
    );
  return beginReplacement(view, odd, "Diverged", null);
}
