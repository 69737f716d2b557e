/** NOSPACE: history is given up, then files shrink, followers first, and only with room again is the alarm ended. Pure. */
import { type Action, wait } from "../action.ts";
import type { DefragmentOperation, RepairSpaceOperation } from "../journal.ts";
import { revised } from "../journal.ts";
import { begin, finish } from "../step.ts";
import { quotaBackendBytes } from "../../api/apply-defaults.ts";
import { type Facts, isBackupReading, valueOf } from "../facts.ts";
import type { MemberState, RaisedAlarm } from "../../admin.ts";
import { type Place, type View } from "../view.ts";
import { describePod } from "./describe.ts";
import { corruptAlarms } from "./corruption.ts";
import { lostMember } from "./repair.ts";

/** Of the quota: beyond it the alarm would be raised again at once. */
const FULL = 0.9;
/** Of the quota: beyond it the alarm may be raised at any time. */
const NEARLY_FULL = 0.8;
/** After a repair that failed: where compactions have made room since, and where none is seen. */
const ROOM_MS = 600_000;
const AGAIN_MS = 3_600_000;
/** The server's, where it says none. */
const DEFAULT_QUOTA = 2 * 2 ** 30;

export function spaceAlarms(view: View): readonly RaisedAlarm[] {
  return (valueOf(view.facts.alarms) ?? []).filter(({ alarm }) => alarm === "NOSPACE");
}

export function planSpace(view: View): Action | null {
  if (spaceAlarms(view).length === 0 || view.spec.repair.mode === "Manual") return null;
  // Under CORRUPT nothing is compacted.
  if (corruptAlarms(view).length > 0 || lostMember(view) !== null || isInVain(view)) return null;
  return begin(view, { type: "RepairSpace", step: "Compact", defragmented: [] });
}

/** It was tried with this spec, and failed. Whoever was told to delete keys may have done so by now, and history hides it. */
function isInVain(view: View): boolean {
  const { journal, facts } = view;
  const last = journal.history.findLast(({ type }) => type === "RepairSpace");
  if (last?.outcome !== "Failed" || !last.id.startsWith(`${journal.adopted.generation}-`))
    return false;
  if (fullest(view) < FULL) return false;
  const againMs = fullest(view, ({ dbSizeInUse }) => dbSizeInUse) < FULL ? ROOM_MS : AGAIN_MS;
  return facts.now - Date.parse(last.finishedAt) < againMs;
}

export function planRepairSpace(view: View, operation: RepairSpaceOperation): Action {
  const [alarm] = spaceAlarms(view);
  if (alarm === undefined)
    return view.facts.alarms.known
      ? finish(view, "Done", "there is room again")
      : wait("AwaitAlarms", `alarms cannot be read: ${view.facts.alarms.why}`);
  const lost = lostMember(view);
  if (lost !== null) return finish(view, "Abandoned", `${lost.name} has to be replaced first`);
  if (corruptAlarms(view).length > 0)
    return finish(view, "Abandoned", "the members have to be compared first: CORRUPT is raised");
  if (operation.step === "Compact") {
    const revision = view.leader?.state?.revision ?? null;
    if (revision === null) return wait("AwaitLeader", "the members have no leader now");
    const next = { ...operation, step: "Defragment" };
    return { kind: "compact", revision, afterwards: revised(view.journal, { operation: next }) };
  }
  const next = nextToDefragment(view, operation.defragmented, null);
  if (next.kind !== "none") {
    if (next.kind === "wait") return next.wait;
    const defragmented = [...operation.defragmented, next.place.name];
    const afterwards = revised(view.journal, { operation: { ...operation, defragmented } });
    return { kind: "defragment", member: next.place.name, afterwards };
  }
  if (fullest(view) < FULL) return { kind: "disarm", alarm };
  return finish(
    view,
    "Failed",
    "the database is full of what is in use: delete keys, or raise spec.storage.size or spec.server.quotaBackend",
  );
}

export function planDefragment(view: View, operation: DefragmentOperation): Action {
  const lost = lostMember(view);
  if (lost !== null) return finish(view, "Abandoned", `${lost.name} has to be replaced first`);
  const next = nextToDefragment(view, operation.done, operation.members);
  if (next.kind === "wait") return next.wait;
  if (next.kind === "none")
    return finish(view, "Done", `${operation.done.length} members are defragmented`);
  const done = [...operation.done, next.place.name];
  const afterwards = revised(view.journal, { operation: { ...operation, done } });
  return { kind: "defragment", member: next.place.name, afterwards };
}

type Next =
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly wait: Action }
  | { readonly kind: "member"; readonly place: Place };

/** One at a time, since it stops serving meanwhile: the others have to take part. The leader comes last. */
function nextToDefragment(
  view: View,
  done: readonly string[],
  wanted: readonly string[] | null,
): Next {
  if (view.memberList === null)
    return { kind: "wait", wait: wait("AwaitMemberList", "the members' list cannot be read now") };
  const left = view.places.filter(
    ({ member, name }) =>
      member !== null && !done.includes(name) && (wanted === null || wanted.includes(name)),
  );
  const place = left.find(({ name }) => name !== view.leader?.name) ?? left[0];
  if (place === undefined) return { kind: "none" };
  if (isBackupReading(view.facts))
    return { kind: "wait", wait: wait("AwaitBackup", "a backup reads from a member") };
  const absent = view.places.find(({ member, participates }) => member !== null && !participates);
  if (absent !== undefined) {
    const why = `${absent.name} does not take part: ${describePod(view, absent)}`;
    return { kind: "wait", wait: wait("AwaitMembers", why) };
  }
  return { kind: "member", place };
}

/** Of all members, how much of its quota the fullest has: of the file, unless said otherwise. */
function fullest(
  { places }: View,
  bytesOf: (state: MemberState) => number = ({ dbSize }) => dbSize,
): number {
  const shares = places.flatMap(({ state }) =>
    state === null ? [] : [shareOf(state, bytesOf(state))],
  );
  return Math.max(0, ...shares);
}

function shareOf({ dbSizeQuota }: MemberState, bytes: number): number {
  return bytes / (dbSizeQuota > 0 ? dbSizeQuota : DEFAULT_QUOTA);
}

/** A member may refuse writes soon, which it tells nobody but who asks. */
export function isNearlyFull({ members }: Pick<Facts, "members">): boolean {
  return [...members.values()].some(
    ({ state }) => state.known && shareOf(state.value, state.value.dbSize) >= NEARLY_FULL,
  );
}

/** A roll may go on under NOSPACE where it is what brings a larger quota. One that was taken back brings nothing. */
export function isQuotaRaised({ facts, places, spec, journal }: View): boolean {
  if (journal.failed !== null) return false;
  if ((valueOf(facts.alarms) ?? []).some(({ alarm }) => alarm !== "NOSPACE")) return false;
  const wanted = quotaBackendBytes(spec);
  return places.some(
    ({ state }) => state !== null && state.dbSizeQuota > 0 && state.dbSizeQuota < wanted,
  );
}

/** What a person has to do about space; null: nothing. */
export function spaceRefusal(view: View): string | null {
  if (spaceAlarms(view).length === 0 || view.journal.operation?.type === "RepairSpace") return null;
  const last = view.journal.history.findLast(({ type }) => type === "RepairSpace");
  return last?.outcome === "Failed" ? last.message : null;
}
