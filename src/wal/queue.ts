/** What waits for the disk: appends in order, taken off in groups that make one batch each. */
import type { Entry, HardState, Index } from "../raft/types.ts";
import { ENTRY_OVERHEAD_MAX } from "./format.ts";
import type { Base } from "./segment.ts";

/** One append, or a part of a large one. */
export interface Waiting {
  readonly entries: readonly Entry[];
  /** Null if unchanged. */
  readonly hardState: HardState | null;
  /** The log restarts empty after this entry. Then there are no entries. */
  readonly reset: Base | null;
  /** At most what the entries take in a batch. */
  readonly size: number;
  /** Null for all but the last part. */
  readonly onDurable: (() => void) | null;
}

/** Entries of one batch take no more than this, unless there is but one. */
export const GROUP_BYTES_MAX: number = 4 * 1024 * 1024;

export class AppendQueue {
  #waiting: Waiting[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /** Cuts what is too large for one batch. Only the last part announces durability. */
  push(entries: readonly Entry[], hardState: HardState | null, onDurable: () => void): void {
    let size = 0;
    let from = 0;
    for (let i = 0; i < entries.length; i++) {
      const own = ENTRY_OVERHEAD_MAX + (entries[i]?.data.length ?? 0);
      if (i > from && size + own > GROUP_BYTES_MAX) {
        const part = entries.slice(from, i);
        this.#waiting.push({ entries: part, hardState, reset: null, size, onDurable: null });
        from = i;
        size = 0;
      }
      size += own;
    }
    const rest = from === 0 ? entries : entries.slice(from);
    this.#waiting.push({ entries: rest, hardState, reset: null, size, onDurable });
  }

  pushReset(reset: Base, hardState: HardState, onDurable: () => void): void {
    this.#waiting.push({ entries: [], hardState, reset, size: 0, onDurable });
  }

  /** How many from the front make one batch: contiguous, within the limit; a reset stands alone. */
  group(): { readonly count: number; readonly size: number } {
    let size = 0;
    let next: Index | null = null;
    let count = 0;
    for (const one of this.#waiting) {
      const first = one.entries[0]?.index ?? null;
      if (count > 0) {
        if (one.reset !== null || size + one.size > GROUP_BYTES_MAX) break;
        if (next !== null && first !== null && first !== next) break;
      }
      count += 1;
      size += one.size;
      if (one.reset !== null) break;
      if (first !== null) next = (first + one.entries.length) as Index;
    }
    return { count, size };
  }

  take(count: number): readonly Waiting[] {
    if (count === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, count);
  }
}

/** The hard state that a group leaves behind, its commit not beyond the group's last entry. */
export function hardStateAfter(
  group: readonly Waiting[],
  before: HardState,
  last: Index,
): HardState {
  let state = before;
  for (const { hardState } of group) if (hardState !== null) state = hardState;
  if (state.commit <= last) return state;
  return { term: state.term, vote: state.vote, commit: last };
}

/** The entry after which a group begins. */
export function baseOf(group: readonly Waiting[], last: Index): Index {
  for (const { entries, reset } of group) {
    if (reset !== null) return reset.index;
    const first = entries[0];
    if (first !== undefined) return (first.index - 1) as Index;
  }
  return last;
}
