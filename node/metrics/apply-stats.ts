/**
 * How long entries take to apply, by operation. The clock is read once for a group of entries, not for each: every entry of
 * a group counts with the group's mean, so that sums and counts are exact and a long one still shows.
 */
import type { CommandKind } from "../../src/api/gen/command.ts";
import { exponentialBounds, HandHistogram } from "../histogram.ts";

const APPLY_SECONDS = exponentialBounds(0.0001, 2, 20);

/** One operation with one outcome. */
export interface ApplyOutcome {
  /** In etcd's words. */
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

  /** An entry was applied. */
  onApplied(kind: CommandKind["kind"], succeeded: boolean): void {
    const outcomes = succeeded ? this.#succeeded : this.#failed;
    let outcome = outcomes.get(kind);
    if (outcome === undefined) {
      const seconds = new HandHistogram(APPLY_SECONDS);
      outcome = { op: nameOf(kind), succeeded, seconds, pending: 0 };
      outcomes.set(kind, outcome);
    }
    if (outcome.pending++ === 0) this.#touched.push(outcome);
    this.#count++;
  }

  /** Operations since the last call of `onClock`, each once. */
  pendingOps(): string[] {
    return this.#touched.map(({ op }) => op);
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

/** Where etcd's word is not ours with a capital. */
const NAMES: Partial<Record<CommandKind["kind"], string>> = {
  memberAttributes: "ClusterMemberAttrSet",
  clusterVersion: "ClusterVersionSet",
  downgrade: "DowngradeInfoSet",
};

function nameOf(kind: CommandKind["kind"]): string {
  return NAMES[kind] ?? `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`;
}
