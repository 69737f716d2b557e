/** Whether a cluster is backed up as its schedules promise. Pure. */
import type { Observation } from "../api/conditions.ts";
import { withScheduleDefaults } from "../api/apply-defaults.ts";
import type { QuorateBackup, QuorateBackupSchedule } from "../api/gen/types.ts";
import { Schedule } from "./cron.ts";
import { SCHEDULE_LABEL } from "./names.ts";

/**
 * Of the cluster that all of `backups` and `schedules` are about. True: every schedule has had its last success when it should,
 * and nothing newer has failed. Unknown: there is neither a schedule nor a backup that has ended.
 */
export function backupHealth(
  backups: readonly QuorateBackup[],
  schedules: readonly QuorateBackupSchedule[],
  now: number,
): Observation<"BackupHealthy"> {
  const overdue = schedules
    .map((schedule) => overdueOf(schedule, backups, now))
    .find((note) => note !== null);
  if (overdue !== undefined && overdue !== null) return health("False", "Overdue", overdue);
  const ended = backups
    .filter(({ status }) => status?.phase === "Complete" || status?.phase === "Failed")
    .toSorted((a, b) => endedAt(a) - endedAt(b));
  const last = ended.at(-1);
  const success = ended.findLast(({ status }) => status?.phase === "Complete");
  if (last === undefined) {
    return schedules.length === 0
      ? health("Unknown", "NoBackup", "there is no backup, and no schedule for one")
      : health("Unknown", "NoBackup", "the first backup is still to come");
  }
  const age =
    success === undefined
      ? "there is none that is complete"
      : `the last that is complete, ${success.metadata.name}, is of ${success.status?.completedAt ?? ""}`;
  if (last !== success)
    return health(
      "False",
      "Failed",
      `the backup ${last.metadata.name} failed: ${last.status?.message ?? ""}; ${age}`,
    );
  return success.status?.verified === true
    ? health("True", "Complete", age)
    : health("True", "Unverified", `${age}; it was not read back`);
}

function health(
  status: "True" | "False" | "Unknown",
  reason: string,
  message: string,
): Observation<"BackupHealthy"> {
  return { type: "BackupHealthy", status, reason, message };
}

function endedAt({ status, metadata }: QuorateBackup): number {
  return Date.parse(status?.completedAt ?? metadata.creationTimestamp ?? "");
}

/** A schedule is overdue once the backup that should have followed its last success cannot come any more. */
function overdueOf(
  schedule: QuorateBackupSchedule,
  backups: readonly QuorateBackup[],
  now: number,
): string | null {
  const spec = withScheduleDefaults(schedule.spec);
  if (spec.suspend) return null;
  const { name, creationTimestamp = "" } = schedule.metadata;
  const own = backups.filter(
    ({ metadata, status }) =>
      metadata.labels?.[SCHEDULE_LABEL] === name && status?.phase === "Complete",
  );
  const lastAt = Math.max(
    Date.parse(creationTimestamp),
    ...own.map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? "")),
  );
  const due = nextOf(spec.schedule, spec.timeZone, lastAt);
  const patience =
    (spec.startingDeadlineSeconds + spec.backupTemplate.spec.activeDeadlineSeconds) * 1000;
  if (due === null || now <= due + patience) return null;
  const since = own.length === 0 ? "it was made" : new Date(lastAt).toISOString();
  return `the schedule ${name} has had no complete backup since ${since}`;
}

/** Null for a schedule that is none: its own status says so. */
function nextOf(expression: string, timeZone: string, after: number): number | null {
  try {
    return new Schedule(expression, timeZone).next(after);
  } catch {
    return null;
  }
}
