/** One pass over one QuorateBackupSchedule: makes the backup that is due, or deletes one that has served its time. */
import { withScheduleDefaults } from "../api/apply-defaults.ts";
import { type Observation, setConditions } from "../api/conditions.ts";
import { QUORATE_BACKUP, QUORATE_BACKUP_SCHEDULE, apiVersion } from "../api/resources.ts";
import type {
  DefaultedBackupScheduleSpec,
  QuorateBackup,
  QuorateBackupSchedule,
  QuorateBackupScheduleStatus,
} from "../api/gen/types.ts";
import { CLUSTER_LABEL } from "../cluster/names.ts";
import type { ScheduleBackups } from "../context.ts";
import { KubeError, type ObjectRef } from "../kube/api.ts";
import { timeText } from "./backup-facts.ts";
import { type BackupHost, NOTHING_MORE, type Outcome, refOf, tellStatus } from "./controller.ts";
import { Schedule } from "./cron.ts";
import { SCHEDULED_AT, SCHEDULE_LABEL } from "./names.ts";
import { type EndedBackup, planRetention } from "./retention.ts";
import { type ScheduleDecision, backupNameOf, planSchedule } from "./schedule-plan.ts";

/** Timers are not trusted for longer. */
const LOOK_MS_MAX = 600_000;

export async function reconcileSchedule(host: BackupHost, ref: ObjectRef): Promise<Outcome> {
  const { kube } = host;
  const schedule = await kube.get<QuorateBackupSchedule>(QUORATE_BACKUP_SCHEDULE, ref);
  if (schedule === null || schedule.metadata.deletionTimestamp !== undefined) {
    host.gauges.schedule(ref, null);
    return NOTHING_MORE;
  }
  const { items } = await kube.list<QuorateBackup>(QUORATE_BACKUP, {
    namespace: ref.namespace,
    labelSelector: `${SCHEDULE_LABEL}=${ref.name}`,
  });
  const spec = withScheduleDefaults(schedule.spec);
  const now = host.wall();
  let times: Schedule;
  try {
    times = new Schedule(spec.schedule, spec.timeZone);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    host.gauges.schedule(ref, null);
    await tellStatus(kube, QUORATE_BACKUP_SCHEDULE, schedule, unusable(schedule, reason, now));
    return NOTHING_MORE;
  }
  const decision = decide(schedule, spec, times, items, now);
  const status = statusOf(schedule, spec, items, decision, now);
  host.gauges.schedule(ref, gaugesOf(spec, times, decision, status));
  await tellStatus(kube, QUORATE_BACKUP_SCHEDULE, schedule, status);
  const { action } = decision;
  switch (action.kind) {
    case "create": {
      const [replaced] = action.replace;
      if (replaced !== undefined) await remove(host, schedule, items, replaced, "Replaced");
      else await create(host, schedule, spec, action.at);
      return { afterMs: 0 };
    }
    default: {
      const [expired] = expiredOf(spec, items);
      if (expired !== undefined) {
        await remove(host, schedule, items, expired, "Expired");
        return { afterMs: 0 };
      }
      const until = action.until ?? Number.POSITIVE_INFINITY;
      return { afterMs: Math.min(LOOK_MS_MAX, Math.max(0, until - now)) };
    }
  }
}

function decide(
  schedule: QuorateBackupSchedule,
  spec: DefaultedBackupScheduleSpec,
  times: Schedule,
  backups: readonly QuorateBackup[],
  now: number,
): ScheduleDecision {
  const made = backups.map(scheduledAt);
  const told = Date.parse(schedule.status?.lastScheduleTime ?? "");
  const lastAt = Math.max(...made, Number.isNaN(told) ? Number.NEGATIVE_INFINITY : told);
  return planSchedule({
    now,
    schedule: times,
    createdAt: Date.parse(schedule.metadata.creationTimestamp ?? ""),
    suspend: spec.suspend,
    immediate: spec.immediate,
    concurrencyPolicy: spec.concurrencyPolicy,
    startingDeadlineMs: spec.startingDeadlineSeconds * 1000,
    lastAt: Number.isFinite(lastAt) ? lastAt : null,
    active: backups.filter(isActive).map(({ metadata }) => metadata.name),
  });
}

/** The time that it was made for; of one that a person has labelled, when it was made. */
function scheduledAt({ metadata }: QuorateBackup): number {
  return Date.parse(metadata.annotations?.[SCHEDULED_AT] ?? metadata.creationTimestamp ?? "");
}

function isActive({ metadata, status }: QuorateBackup): boolean {
  const hasEnded = status?.phase === "Complete" || status?.phase === "Failed";
  return !hasEnded && metadata.deletionTimestamp === undefined;
}

function expiredOf(
  { retention, timeZone }: DefaultedBackupScheduleSpec,
  backups: readonly QuorateBackup[],
): string[] {
  if (retention === undefined) return [];
  const ended = backups
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((backup): EndedBackup[] => {
      const { phase, verified } = backup.status ?? {};
      if (phase !== "Complete" && phase !== "Failed") return [];
      const outcome = phase === "Failed" ? "failed" : verified === true ? "verified" : "unverified";
      return [{ name: backup.metadata.name, at: scheduledAt(backup), outcome }];
    });
  return planRetention(ended, retention, timeZone);
}

/** A pass that is killed after it leaves an object that the next one finds: the name says the time. */
async function create(
  { kube, recorder }: BackupHost,
  schedule: QuorateBackupSchedule,
  { backupTemplate }: DefaultedBackupScheduleSpec,
  at: number,
): Promise<void> {
  const { name: own, namespace = "" } = schedule.metadata;
  const { metadata = {}, spec } = backupTemplate;
  const name = backupNameOf(own, at);
  const backup: QuorateBackup = {
    apiVersion: apiVersion(QUORATE_BACKUP),
    kind: QUORATE_BACKUP.kind,
    metadata: {
      name,
      namespace,
      labels: {
        ...metadata.labels,
        [SCHEDULE_LABEL]: own,
        [CLUSTER_LABEL]: spec.clusterRef.name,
      },
      annotations: { ...metadata.annotations, [SCHEDULED_AT]: timeText(at) },
    },
    spec,
  };
  try {
    await kube.create(QUORATE_BACKUP, backup);
    recorder.event(schedule, "Normal", "BackupCreated", `made ${name}`);
  } catch (thrown) {
    if (!(thrown instanceof KubeError) || thrown.code !== "alreadyExists") throw thrown;
  }
}

async function remove(
  { kube, recorder }: BackupHost,
  schedule: QuorateBackupSchedule,
  backups: readonly QuorateBackup[],
  name: string,
  reason: "Replaced" | "Expired",
): Promise<void> {
  const backup = backups.find(({ metadata }) => metadata.name === name);
  if (backup === undefined) return;
  const { uid, resourceVersion } = backup.metadata;
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  await kube.delete(QUORATE_BACKUP, refOf(backup), { preconditions });
  recorder.event(schedule, "Normal", `Backup${reason}`, `deleted ${name}`);
}

function statusOf(
  schedule: QuorateBackupSchedule,
  spec: DefaultedBackupScheduleSpec,
  backups: readonly QuorateBackup[],
  { action, next, missed }: ScheduleDecision,
  now: number,
): QuorateBackupScheduleStatus {
  const { metadata, status: before = {} } = schedule;
  const generation = metadata.generation ?? 1;
  const newestFirst = backups.toSorted((a, b) => scheduledAt(b) - scheduledAt(a));
  const [newest] = newestFirst;
  const success = newestFirst.find(({ status }) => status?.phase === "Complete");
  const failure = newest?.status?.phase === "Failed" ? newest : null;
  const message = messageOf(spec, action, failure);
  const told = (type: string, holds: boolean, reason: string): Observation => ({
    type,
    status: holds ? "True" : "False",
    reason,
    message,
  });
  const reason = spec.suspend ? "Suspended" : failure === null ? "Scheduled" : "LastBackupFailed";
  const observations = [
    told("Ready", failure === null, reason),
    told("Reconciling", false, reason),
    told("Stalled", false, reason),
  ];
  const lastAt = Math.max(
    ...backups.map(scheduledAt),
    Date.parse(before.lastScheduleTime ?? "") || 0,
  );
  const lastSuccessTime = success?.status?.completedAt ?? before.lastSuccessTime;
  const lastRevision = success?.status?.revision ?? before.lastRevision;
  const lastBackup = newest?.metadata.name ?? before.lastBackup;
  return {
    observedGeneration: generation,
    ...(lastAt > 0 ? { lastScheduleTime: timeText(lastAt) } : {}),
    ...(next === null ? {} : { nextScheduleTime: timeText(next) }),
    ...(lastSuccessTime === undefined ? {} : { lastSuccessTime }),
    ...(lastBackup === undefined ? {} : { lastBackup }),
    ...(lastRevision === undefined ? {} : { lastRevision }),
    active: backups
      .filter(isActive)
      .map((backup) => backup.metadata.name)
      .toSorted()
      .slice(0, 16),
    kept: backups.filter(({ status }) => status?.phase === "Complete").length,
    missed,
    message,
    conditions: setConditions(before.conditions, observations, generation, timeText(now)),
  };
}

function gaugesOf(
  { backupTemplate }: DefaultedBackupScheduleSpec,
  times: Schedule,
  { next }: ScheduleDecision,
  { lastSuccessTime }: QuorateBackupScheduleStatus,
): ScheduleBackups {
  const after = next === null ? null : times.next(next);
  return {
    cluster: backupTemplate.spec.clusterRef.name,
    lastSuccessSeconds: lastSuccessTime === undefined ? null : Date.parse(lastSuccessTime) / 1000,
    intervalSeconds: next === null || after === null ? null : (after - next) / 1000,
  };
}

function messageOf(
  spec: DefaultedBackupScheduleSpec,
  action: ScheduleDecision["action"],
  failure: QuorateBackup | null,
): string {
  if (spec.suspend) return "spec.suspend is true: no backups are made";
  if (action.kind === "blocked")
    return `the backup for ${timeText(action.at)} waits for the one before`;
  if (failure === null) return "";
  return `the backup ${failure.metadata.name} failed: ${failure.status?.message ?? ""}`;
}

function unusable(
  { metadata, status: before = {} }: QuorateBackupSchedule,
  reason: string,
  now: number,
): QuorateBackupScheduleStatus {
  const generation = metadata.generation ?? 1;
  const message = `spec.schedule or spec.timeZone cannot be used: ${reason}`;
  const told = (type: string, holds: boolean): Observation => ({
    type,
    status: holds ? "True" : "False",
    reason: "InvalidSchedule",
    message,
  });
  const observations = [told("Ready", false), told("Reconciling", false), told("Stalled", true)];
  const { nextScheduleTime: _, ...kept } = before;
  return {
    ...kept,
    observedGeneration: generation,
    message,
    conditions: setConditions(before.conditions, observations, generation, timeText(now)),
  };
}
