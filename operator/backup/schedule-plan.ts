/** What a schedule does next. Pure: all times are milliseconds since 1970 and come from outside. */
import type { Schedule } from "./cron.ts";

export interface ScheduleFacts {
  readonly now: number;
  readonly schedule: Schedule;
  readonly createdAt: number;
  readonly suspend: boolean;
  readonly immediate: boolean;
  readonly concurrencyPolicy: "Forbid" | "Replace";
  readonly startingDeadlineMs: number;
  /** The newest time for which a backup was made, as far as status or backups tell. */
  readonly lastAt: number | null;
  /** Backups of this schedule that have not ended. */
  readonly active: readonly string[];
}

export type ScheduleAction =
  /** Make the backup for the time `at`, after the active ones were given up where there are any. */
  | { readonly kind: "create"; readonly at: number; readonly replace: readonly string[] }
  /** It is time, but the one before is not done; at `until` it is too late for this time. */
  | { readonly kind: "blocked"; readonly at: number; readonly until: number }
  /** Null: there is no further time, or it is suspended. */
  | { readonly kind: "wait"; readonly until: number | null };

export interface ScheduleDecision {
  readonly action: ScheduleAction;
  /** The next time of the schedule; null: never, or suspended. */
  readonly next: number | null;
  /** Times since `lastAt` (or the beginning) that passed without a backup and are too late now. No further than 100. */
  readonly missed: number;
}

export function planSchedule(facts: ScheduleFacts): ScheduleDecision {
  const { now, schedule } = facts;
  const next = facts.suspend ? null : schedule.next(now);
  const wait: ScheduleDecision = {
    action: { kind: "wait", until: next },
    next,
    missed: missedOf(facts, null),
  };
  const at = facts.suspend ? null : dueAt(facts);
  if (at === null) return wait;
  const missed = missedOf(facts, at);
  if (facts.active.length === 0 || facts.concurrencyPolicy === "Replace")
    return { action: { kind: "create", at, replace: facts.active }, next, missed };
  const until = Math.min(at + facts.startingDeadlineMs, next ?? Number.POSITIVE_INFINITY);
  return { action: { kind: "blocked", at, until }, next, missed };
}

/** The time for which a backup is to be made now: the newest that passed, unless it is too late for it. */
function dueAt(facts: ScheduleFacts): number | null {
  const { now, schedule, createdAt, lastAt } = facts;
  // At once means: for the time of the schedule's own creation, whenever that is first seen.
  if (facts.immediate && lastAt === null) return createdAt;
  const at = schedule.last(now);
  if (at === null || at <= (lastAt ?? createdAt)) return null;
  return now - at <= facts.startingDeadlineMs ? at : null;
}

function missedOf({ now, schedule, createdAt, lastAt }: ScheduleFacts, due: number | null): number {
  const passed = schedule.count(lastAt ?? createdAt, now);
  return due !== null && due > (lastAt ?? createdAt) ? Math.max(0, passed - 1) : passed;
}

/** Deterministic: a second attempt for the same time meets the first one's object. At most 253 characters. */
export function backupNameOf(schedule: string, at: number): string {
  const [date = "", time = ""] = new Date(at).toISOString().split("T");
  const suffix = `${date.replaceAll("-", "")}-${time.slice(0, "02:00:00".length).replaceAll(":", "")}`;
  return `${schedule.slice(0, 253 - suffix.length - 1)}-${suffix}`;
}
