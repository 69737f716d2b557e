/**
 * A cluster begins with a snapshot, or goes back to one: a Job puts it on the disk of ordinal 0 while no member runs, the pod of
 * ordinal 0 finds data, and the others join it. Nothing that was there is given up before the Job has succeeded, and members that
 * run stop only once another Job has read the snapshot through.
 */
import type { BootFile } from "../../../src/api/boot.ts";
import { unreachable } from "../../../src/base/assert.ts";
import type { RestoreSource } from "../../api/gen/types.ts";
import { type Action, stalled, wait } from "../action.ts";
import type { Journal, RestoreOperation, RestoreVerdict } from "../journal.ts";
import { claimName, podName } from "../names.ts";
import { isTerminating } from "../objects.ts";
import type { Origin, RestoredCluster } from "../restore-port.ts";
import { type OperationStart, finish, proceed } from "../step.ts";
import { type View, placeOf } from "../view.ts";
import { describePod } from "./describe.ts";

/** For so long a source that may yet come is waited for, while the members run. */
const SOURCE_MS = 600_000;

function seedOf({ facts }: View): string {
  return podName(facts.cluster.metadata.name, 0);
}

/** Of a cluster that has no data yet. `size`: the pods that it shall have. */
export function firstRestore(source: RestoreSource, nonce: string, size: number): OperationStart {
  return {
    type: "Restore",
    step: "MakeDisk",
    source,
    inPlace: false,
    nonce,
    size,
    claimUids: [],
    origin: null,
    verdict: null,
    restored: null,
  };
}

/** In place, and members run that would have to stop: the source is looked at first. */
export function isBeforeStop(
  { size }: Pick<Journal, "size">,
  { inPlace, restored }: RestoreOperation,
): boolean {
  return inPlace && restored === null && size > 0;
}

/** How far it is, for a person. */
export function restoreStage({ journal }: View, operation: RestoreOperation): string {
  if (operation.restored !== null) return "the cluster starts with what was restored";
  return isBeforeStop(journal, operation)
    ? "the snapshot is checked, and the members run on meanwhile"
    : "no member runs, and the snapshot is put in place";
}

export function planRestore(view: View, operation: RestoreOperation): Action {
  if (operation.restored !== null) return planStart(view, operation, operation.restored);
  if (isBeforeStop(view.journal, operation)) return planCheck(view, operation);
  return view.journal.size > 0 ? stop(view, operation) : planJob(view, operation);
}

function stop(view: View, operation: RestoreOperation): Action {
  return proceed(view, operation, { step: "StopMembers" }, { size: 0, asleep: null });
}

/** Nobody stops for a source that is not there, cannot be read, or is not what was stored. */
function planCheck(view: View, operation: RestoreOperation): Action {
  const { check, now } = view.facts;
  if (check === null) return wait("AwaitSource", "the source has not been looked at yet");
  if (operation.verdict !== null)
    return check.kind === "absent"
      ? conclude(view, operation, operation.verdict)
      : { kind: "deleteCheckJob" };
  if (isTakenBack(view, operation)) return judge(view, operation, "its QuorateTask was deleted");
  const isLate = now - Date.parse(operation.startedAt) > SOURCE_MS;
  switch (check.kind) {
    case "absent": {
      const { source } = check;
      if (source.kind === "found") return withOrigin(view, operation, source.origin, "checkJob");
      return source.kind === "refused" || isLate
        ? judge(view, operation, source.message)
        : wait(source.reason, source.message, 5_000);
    }
    case "running": {
      const { note } = check;
      // One that goes on in peace may take as long as a large snapshot takes.
      if (note !== "" && isLate)
        return judge(view, operation, `it could not be checked within ten minutes: ${note}`);
      const more = note === "" ? "" : `: ${note}`;
      return wait("AwaitCheck", `the snapshot is checked before the members stop${more}`);
    }
    case "failed":
      return judge(view, operation, check.message);
    case "sound":
      return judge(view, operation, null);
    default:
      return unreachable(check);
  }
}

/**
 * What was checked is what is restored, and a Job can be made again, to finish what one before it began, though the backup's
 * object be gone: in place, where a source leads is remembered before anything is read from there.
 */
function withOrigin(
  view: View,
  operation: RestoreOperation,
  origin: Origin,
  kind: "checkJob" | "restoreJob",
): Action {
  return !operation.inPlace || operation.origin !== null
    ? { kind, origin: operation.origin ?? origin }
    : proceed(view, operation, { step: operation.step, origin });
}

/** Nothing was done yet, and whoever asked for it has thought better of it. */
function isTakenBack({ facts }: View, { task }: RestoreOperation): boolean {
  return task !== null && !facts.tasks.some(({ metadata }) => metadata.uid === task);
}

/** Remembered before the Job goes that it comes from. */
function judge(view: View, operation: RestoreOperation, refusal: string | null): Action {
  return proceed(view, operation, { step: "CheckSource", verdict: { refusal } });
}

function conclude(view: View, operation: RestoreOperation, { refusal }: RestoreVerdict): Action {
  return refusal === null
    ? stop(view, operation)
    : finish(
        view,
        "Failed",
        `the snapshot was looked at before any member was stopped, and cannot be restored: ${refusal}. Nothing was changed`,
      );
}

function planJob(view: View, operation: RestoreOperation): Action {
  const { facts } = view;
  if (facts.pods.size > 0)
    return wait("AwaitPodsGone", `${facts.pods.size} pods have not stopped yet`);
  const claim = facts.claims.get(claimName(facts.cluster.metadata.name, 0));
  if (claim === undefined) return { kind: "createClaim", ordinal: 0 };
  if (isTerminating(claim))
    return wait("AwaitDiskGone", "the old claim of ordinal 0 has not gone yet");
  const { restore } = facts;
  if (restore === null) return wait("AwaitJob", "the restore has not been looked at yet");
  switch (restore.kind) {
    case "absent": {
      const { source } = restore;
      if (source.kind === "found") return withOrigin(view, operation, source.origin, "restoreJob");
      return source.kind === "refused"
        ? fail(view, operation, source.reason, source.message)
        : stalled(source.reason, source.message);
    }
    case "lost":
      return { kind: "deleteRestoreJob" };
    case "running": {
      const note = restore.note === "" ? "" : `: ${restore.note}`;
      return wait("AwaitJob", `the snapshot is being restored${note}`);
    }
    case "failed":
      // Made again, it finishes what it may have begun, or finds a store that answers by now.
      return (operation.inPlace ? restore.harmless : restore.lasting)
        ? fail(view, operation, restore.reason, restore.message)
        : { kind: "deleteRestoreJob" };
    case "succeeded":
      return takeOver(view, operation, restore.result);
    default:
      return unreachable(restore);
  }
}

/** In place the members start again with what they had; a new cluster has nothing to start with. */
function fail(view: View, operation: RestoreOperation, reason: string, message: string): Action {
  if (operation.inPlace)
    return finish(view, "Failed", `${message}. The members start again with what they had`, {
      size: operation.size,
    });
  return stalled(reason, `${message}. Delete the cluster, and make it again with another source`);
}

/** From here on what was before is the past: fences keep it out. */
function takeOver(view: View, operation: RestoreOperation, result: RestoredCluster): Action {
  const { clusterId, memberId, revision } = result;
  const incarnation = incarnationOf(view.journal, operation);
  const boot: Record<string, BootFile> = {};
  for (const { name } of view.places)
    boot[name] = { ticket: null, fence: { incarnation, clusterId, memberId: null } };
  boot[seedOf(view)] = { ticket: null, fence: { incarnation, clusterId, memberId } };
  const restored = { clusterId, memberId, revision };
  return proceed(
    view,
    operation,
    { step: "StartSeed", restored },
    { incarnation, clusterId, boot, rootPassword: null },
  );
}

/** That the restored member belongs to. */
export function incarnationOf(journal: Journal, { inPlace }: RestoreOperation): number {
  return inPlace ? journal.incarnation + 1 : journal.incarnation;
}

function planStart(
  view: View,
  operation: RestoreOperation,
  restored: NonNullable<RestoreOperation["restored"]>,
): Action {
  for (const { claim } of view.places) {
    if (claim === null || !operation.claimUids.includes(claim.metadata.uid ?? "")) continue;
    if (isTerminating(claim))
      return wait("AwaitDiskGone", `the claim ${claim.metadata.name} has not gone yet`);
    const { name, uid = "" } = claim.metadata;
    return { kind: "deleteClaim", name, uid, vacated: null };
  }
  if (view.journal.size < operation.size)
    return proceed(view, operation, { step: "StartSeed" }, { size: operation.size });
  const seed = placeOf(view, seedOf(view));
  if (seed === null || !seed.participates) {
    const why = seed === null ? "it has no pod" : describePod(view, seed);
    return wait("AwaitSeed", `${seedOf(view)} does not serve what was restored yet: ${why}`);
  }
  return finish(
    view,
    "Done",
    `restored cluster ${restored.clusterId} at revision ${restored.revision}`,
  );
}
