/**
 * How long entries take to apply, by operation. The clock is read once for a group of entries, not for each: every entry of
 * a group counts with the group's mean, so that sums and counts are exact and a long one still shows.
 */
import { exponentialBounds, HandHistogram } from "../histogram.ts";

const APPLY_SECONDS = exponentialBounds(0.0001, 2, 20);

/** One operation with one outcome. */
export interface ApplyOutcome {
  readonly op: string;
  readonly succeeded: boolean;
  readonly seconds: HandHistogram;
  /** Applied since the clock was read. */
  pending: number;
}

export class ApplyStats {
  readonly #succeeded = new Map<string, ApplyOutcome>();
  readonly #failed = new Map<string, ApplyOutcome>();
  #touched: ApplyOutcome[] = [];
  #count = 0;

  /** Those that happened. */
  *outcomes(): Iterable<ApplyOutcome> {
    yield* this.#succeeded.values();
    yield* this.#failed.values();
  }

  /** An entry was applied. `op` in etcd's words. */
  onApplied(op: string, succeeded: boolean): void {
    const outcomes = succeeded ? this.#succeeded : this.#failed;
    let outcome = outcomes.get(op);
    if (outcome === undefined) {
      outcome = { op, succeeded, seconds: new HandHistogram(APPLY_SECONDS), pending: 0 };
      outcomes.set(op, outcome);
    }
    if (outcome.pending++ === 0) this.#touched.push(outcome);
    this.#count++;
  }

  /** The entries since the last call took so long together. */
  onClock(seconds: number): void {
    if (this.#count === 0) return;
    const mean = seconds / this.#count;
    for (const outcome of this.#touched) {
      outcome.seconds.observeMany(mean, outcome.pending);
      outcome.pending = 0;
    }
    this.#touched.length = 0;
    this.#count = 0;
  }
}
