/** The times of a schedule: five fields of cron, or `@daily` and its like, in a time zone, across changes of the clock. */
import { Cron } from "croner";

/** Times between which a schedule is asked about are at most so many apart: what is beyond is only counted as "many". */
const COUNT_MAX = 100;

/** All times are milliseconds since 1970. */
export class Schedule {
  readonly #cron: Cron;

  /** Throws an Error whose message says what is wrong with the expression or the zone. */
  constructor(expression: string, timeZone: string) {
    const form = expression.startsWith("@") ? {} : { mode: "5-part" as const };
    this.#cron = new Cron(expression, { timezone: timeZone, paused: true, ...form });
    this.next(0);
  }

  /** The first time after `from`; null where there is none (31 February). */
  next(from: number): number | null {
    return this.#cron.nextRun(new Date(from))?.getTime() ?? null;
  }

  /** The last time that is not after `end`; null where there is none. */
  last(end: number): number | null {
    return this.#cron.previousRuns(1, new Date(end + 1))[0]?.getTime() ?? null;
  }

  /** How many times lie after `from` and not after `end`; no further than 100. */
  count(from: number, end: number): number {
    let count = 0;
    for (
      let at = this.next(from);
      at !== null && at <= end && count < COUNT_MAX;
      at = this.next(at)
    )
      count++;
    return count;
  }
}
