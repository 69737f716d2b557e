/**
 * Where every durable entry lies and which term it has: one number pair a batch, one a change of term. Grows by the same
 * calls at run time and in recovery, so that both arrive at the same log.
 */
import { assert, present } from "../base/assert.ts";
import type { Index, Term } from "../raft/types.ts";
import type { BatchFacts } from "./format.ts";
import { Segment } from "./segment.ts";

/** A batch that holds live entries [from, end). */
export interface BatchSpan {
  readonly segment: Segment;
  readonly offset: number;
  /** Index from which a later batch stands for it. */
  readonly end: Index;
}

export class LogMap {
  /** Oldest first. Invariant: generations are consecutive, base indexes never fall. */
  readonly #segments: Segment[] = [];
  /** Run i covers [runFirsts[i], runFirsts[i + 1]). Invariant: both strictly ascending. */
  #runFirsts: number[] = [];
  #runTerms: number[] = [];
  #last = 0 as Index;

  /** Index of the first entry held; last + 1 if there is none. */
  get first(): Index {
    const oldest = this.#segments[0];
    return (oldest === undefined ? 1 : oldest.base.index + 1) as Index;
  }

  get last(): Index {
    return this.#last;
  }

  get lastTerm(): Term {
    return present(this.term(this.#last), "the last entry, or the one before the log, has a term");
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Takes in a durable batch at this place; opens the segment if it is new. */
  add(generation: number, size: number, offset: number, facts: BatchFacts): void {
    const { first, previousTerm } = facts;
    const base = { index: (first - 1) as Index, term: previousTerm };
    if (this.#segments.length === 0) this.#last = base.index;
    if (facts.reset) this.#restart(first, previousTerm);
    if (first <= this.#last) this.#truncate(first, previousTerm);
    assert(first === this.#last + 1, "a batch continues the log or replaces its tail");
    let segment = this.#segments.at(-1);
    if (segment?.generation !== generation) {
      segment = new Segment(generation, size, base);
      this.#segments.push(segment);
    }
    if (facts.count === 0) return;
    segment.add(first, offset);
    this.#last = (first + facts.count - 1) as Index;
    const { runs } = facts;
    if (runs[0]?.first !== first) this.#run(first, previousTerm);
    for (const run of runs) this.#run(run.first, run.term);
  }

  #run(first: Index, term: Term): void {
    if (this.#runTerms.at(-1) === term) return;
    this.#runFirsts.push(first);
    this.#runTerms.push(term);
  }

  #restart(first: Index, previousTerm: Term): void {
    const base = { index: (first - 1) as Index, term: previousTerm };
    for (const segment of this.#segments) {
      segment.truncate(0 as Index, previousTerm);
      segment.base = base;
    }
    this.#runFirsts = [];
    this.#runTerms = [];
    this.#last = base.index;
  }

  #truncate(first: Index, previousTerm: Term): void {
    while ((this.#runFirsts.at(-1) ?? -1) >= first) {
      this.#runFirsts.pop();
      this.#runTerms.pop();
    }
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = present(this.#segments[i], "within the segments");
      segment.truncate(first, previousTerm);
      if (segment.base.index < first - 1) break;
    }
    this.#last = (first - 1) as Index;
  }

  /** Term of the entry, or of the one before the log; null outside. */
  term(index: Index): Term | null {
    const base = this.#segments[0]?.base ?? { index: 0 as Index, term: 0 as Term };
    if (index === base.index) return base.term;
    if (index < base.index || index > this.#last) return null;
    let low = 0;
    let high = this.#runFirsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runFirsts[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return present(this.#runTerms[low - 1], "a run covers every entry") as Term;
  }

  /** The batch that holds the entry; null outside the log. */
  find(index: Index): BatchSpan | null {
    if (index < this.first || index > this.#last) return null;
    let at = this.#segments.length - 1;
    // Few segments: from the newest back, since entries are mostly asked for near the end.
    while (at > 0 && present(this.#segments[at], "within the segments").base.index >= index)
      at -= 1;
    const segment = present(this.#segments[at], "an index within the log lies in a segment");
    const position = segment.positionOf(index);
    const offset = present(segment.offsetAt(position), "a batch holds every index of its segment");
    const segmentLast = this.#segments[at + 1]?.base.index ?? this.#last;
    const end = segment.firstAt(position + 1) ?? ((segmentLast + 1) as Index);
    return { segment, offset, end };
  }

  /** The oldest segment, taken off, if a later one exists and all entries it held lie below `index`. */
  shift(index: Index): Segment | null {
    const next = this.#segments[1];
    if (next === undefined || next.base.index >= index) return null;
    const released = present(this.#segments.shift(), "there are two");
    while ((this.#runFirsts[1] ?? Infinity) <= next.base.index + 1) {
      this.#runFirsts.shift();
      this.#runTerms.shift();
    }
    return released;
  }
}
