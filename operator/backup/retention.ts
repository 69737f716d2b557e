/** Which backups of a schedule have served their time. Pure. */

/** How many to keep; the union of all that is given is kept. */
export interface Retention {
  readonly keepLast?: number | undefined;
  readonly hourly?: number | undefined;
  readonly daily?: number | undefined;
  readonly weekly?: number | undefined;
  readonly monthly?: number | undefined;
}

/** A backup that has ended, one way or the other. */
export interface EndedBackup {
  readonly name: string;
  /** The moment whose state it holds, milliseconds since 1970. */
  readonly at: number;
  readonly outcome: "verified" | "unverified" | "failed";
}

/** Failures that are kept for whoever wants to know, while there is a newer success. */
const FAILED_KEPT = 3;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/**
 * Names of those to delete, oldest first. Nothing at or after the newest verified backup is ever among them, so that without a
 * verified one nothing is. Days, weeks (from Monday) and months are those of `timeZone`.
 */
export function planRetention(
  backups: readonly EndedBackup[],
  retention: Retention,
  timeZone: string,
): string[] {
  const newest = Math.max(
    Number.NEGATIVE_INFINITY,
    ...backups.filter(({ outcome }) => outcome === "verified").map(({ at }) => at),
  );
  const sorted = backups.toSorted((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1));
  const kept = new Set([
    ...keptSuccesses(
      sorted.filter(({ outcome }) => outcome !== "failed"),
      retention,
      timeZone,
    ),
    ...sorted.filter(({ outcome }) => outcome === "failed").slice(0, FAILED_KEPT),
  ]);
  return sorted
    .filter((backup) => backup.at < newest && !kept.has(backup))
    .map(({ name }) => name)
    .toReversed();
}

function keptSuccesses(
  newestFirst: readonly EndedBackup[],
  retention: Retention,
  timeZone: string,
): EndedBackup[] {
  const rules: readonly [number | undefined, (at: number) => string | number][] = [
    [retention.hourly, (at) => Math.floor(at / HOUR_MS)],
    [retention.daily, (at) => dayOf(at, timeZone)],
    [retention.weekly, (at) => Math.floor((dayOf(at, timeZone) + DAYS_FROM_MONDAY) / 7)],
    [retention.monthly, (at) => localDate(at, timeZone).slice(0, "2026-11".length)],
  ];
  const given = [retention.keepLast, ...rules.map(([count]) => count)];
  // A retention that asks for nothing is no order to delete everything.
  if (given.every((count) => count === undefined)) return [...newestFirst];
  return [
    ...newestFirst.slice(0, retention.keepLast ?? 0),
    ...rules.flatMap(([count, slotOf]) => newestOfSlots(newestFirst, count ?? 0, slotOf)),
  ];
}

/** 1 January 1970 was a Thursday. */
const DAYS_FROM_MONDAY = 3;

function newestOfSlots(
  newestFirst: readonly EndedBackup[],
  count: number,
  slotOf: (at: number) => string | number,
): EndedBackup[] {
  const slots = new Map<string | number, EndedBackup>();
  for (const backup of newestFirst) {
    const slot = slotOf(backup.at);
    if (!slots.has(slot) && slots.size < count) slots.set(slot, backup);
  }
  return [...slots.values()];
}

/** Days since 1970, by the calendar of the zone. */
function dayOf(at: number, timeZone: string): number {
  return Date.parse(`${localDate(at, timeZone)}T00:00:00Z`) / DAY_MS;
}

/** `2026-11-29` */
function localDate(at: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat("en", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return ["year", "month", "day"].map((type) => parts.get(type as "year") ?? "").join("-");
}
