/** One file of the log, and where its batches begin. */
import type { Index, Term } from "../raft/types.ts";
import { segmentName } from "./format.ts";

/** The entry before a position: what a consistency check at that position asks for. */
export interface Base {
  readonly index: Index;
  readonly term: Term;
}

export class Segment {
  readonly generation: number;
  readonly name: string;
  readonly size: number;
  /** The entry before the first one that is held here. Lowered when a conflicting tail is replaced. */
  base: Base;
  /** First indexes of the batches with live entries, strictly ascending. A batch ends where the next one begins. */
  readonly #firsts: number[] = [];
  /** Where these batches begin in the file. */
  readonly #offsets: number[] = [];

  constructor(generation: number, size: number, base: Base) {
    this.generation = generation;
    this.name = segmentName(generation);
    this.size = size;
    this.base = base;
  }

  get batches(): number {
    return this.#firsts.length;
  }

  add(first: Index, offset: number): void {
    this.#firsts.push(first);
    this.#offsets.push(offset);
  }

  /** Forgets batches from `first` on; the one before may keep a superseded tail, which lookups never reach. */
  truncate(first: Index, previousTerm: Term): void {
    while ((this.#firsts.at(-1) ?? -1) >= first) {
      this.#firsts.pop();
      this.#offsets.pop();
    }
    if (this.base.index >= first) this.base = { index: (first - 1) as Index, term: previousTerm };
  }

  /** Position among the batches of the one that holds `index`; -1 if it lies before all of them. */
  positionOf(index: Index): number {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  firstAt(position: number): Index | null {
    const first = this.#firsts[position];
    return first === undefined ? null : (first as Index);
  }

  offsetAt(position: number): number | null {
    return this.#offsets[position] ?? null;
  }
}
