/** How a QuorateBackup that is being deleted takes its stored file with it. Pure. */
import type { DefaultedBackupSpec } from "../api/gen/types.ts";
import {
  type BackupDecision,
  type BackupFacts,
  type SeenJob,
  identityOf,
  placeOf,
  pulledAs,
  statusOf,
} from "./backup-facts.ts";
import { buildDeleteJob } from "./job.ts";
import { ABANDON_FILE, FILE_FINALIZER } from "./names.ts";
import { judgeJob } from "./outcome.ts";

const LOOK_MS = 5_000;
/** Between two Jobs that try to delete the file. */
const AGAIN_MS = 60_000;

export function planRemoval(facts: BackupFacts, spec: DefaultedBackupSpec): BackupDecision {
  const { backup, job, deleteJob } = facts;
  const { finalizers = [], annotations = {} } = backup.metadata;
  if (!finalizers.includes(FILE_FINALIZER)) return { status: null, action: NONE, afterMs: null };
  const isAbandoned = annotations[ABANDON_FILE] === "true";
  const wasNeverBegun = backup.status?.phase === "Pending" && job === null;
  // A volume that is gone has taken the file along.
  if (isAbandoned || wasNeverBegun || !facts.hasClaim) return release();
  if (job !== null && isUnderWay(job))
    return deleting(facts, "the transfer is being stopped", { kind: "deleteJob", job: job.job });
  const place = placeOf(facts, spec);
  if (place === null)
    // It may be gone with all else in its namespace.
    return deleting(
      facts,
      `the stored file cannot be deleted, since the QuorateBackupStore ${spec.destination.storeRef?.name ?? ""} is gone: make it again, or give the file up with the annotation ${ABANDON_FILE}=true`,
      { kind: "releaseIfEnding" },
    );
  if (deleteJob !== null) return planDeleteJob(facts, deleteJob);
  const image = pulledAs(facts.image, facts.cluster);
  const built = buildDeleteJob({ backup: identityOf(backup), spec, place, image });
  const action = { kind: "createJob", job: built, isRemoval: true } as const;
  return deleting(facts, "the stored file is being deleted", action);
}

function isUnderWay({ job, pods }: SeenJob): boolean {
  return job.metadata.deletionTimestamp !== undefined || judgeJob(job, pods).kind === "running";
}

function planDeleteJob(facts: BackupFacts, { job, pods }: SeenJob): BackupDecision {
  const outcome = judgeJob(job, pods);
  switch (outcome.kind) {
    case "running": {
      const note = outcome.note === "" ? "" : `: ${outcome.note}`;
      return deleting(facts, `the stored file is being deleted${note}`);
    }
    case "failed": {
      const message = `the stored file could not be deleted: ${outcome.message}. It is tried again; to give the file up, set the annotation ${ABANDON_FILE}=true`;
      const failedAt = job.status?.conditions?.find(({ type }) => type === "Failed");
      const since = Date.parse(failedAt?.lastTransitionTime ?? "") || 0;
      return facts.now - since < AGAIN_MS
        ? deleting(facts, message)
        : deleting(facts, message, { kind: "deleteJob", job });
    }
    default:
      return release();
  }
}

const NONE: BackupDecision["action"] = { kind: "none" };

function release(): BackupDecision {
  return { status: null, action: { kind: "finalizer", present: false }, afterMs: null };
}

function deleting(
  facts: BackupFacts,
  message: string,
  action: BackupDecision["action"] = NONE,
): BackupDecision {
  return { status: statusOf(facts, { phase: "Deleting", message }), action, afterMs: LOOK_MS };
}
