/**
 * Log matching: if two logs hold an entry with the same index and term, they are equal up to it (Raft, section 5.3). Checked by
 * induction: the first log that takes (index, term) fixes its content and the term before it; every later one must agree.
 */
import type { Entry, Index, MemberId, Term } from "../../../src/raft/types.ts";
import type { DurableLog } from "../disk.ts";
import { contentHash } from "../machine.ts";
import { demand } from "./violation.ts";

/** Terms stay below this in any run. */
const TERMS = 0x10_0000;

export class LogJudge {
  /** By index * TERMS + term: content hash * TERMS + term of the entry before. */
  readonly #fixed = new Map<number, number>();
  /** What each member's core holds: the term at each index, durable or not. */
  readonly #terms = new Map<MemberId, number[]>();

  /** The core of `id` wants these in its log. */
  appended(id: MemberId, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const terms = this.#termsOf(id);
    demand(first.index <= terms.length, "a log has no gap", () => {
      return `${id} appends ${first.index} to a log that ends at ${terms.length - 1}`;
    });
    terms.length = first.index;
    for (const entry of entries) {
      const before = terms[terms.length - 1] ?? 0;
      demand(entry.index === terms.length, "appended entries are contiguous", () => {
        return `${id} appends ${entry.index} where ${terms.length} is next`;
      });
      demand(entry.term >= before, "terms never fall within a log", () => {
        return `${id}: term ${entry.term} at ${entry.index} follows term ${before}`;
      });
      this.#match(id, entry, before);
      terms.push(entry.term);
    }
  }

  /** Everything up to `index` came with a snapshot; `termOf` knows the terms of what was committed. */
  adopted(id: MemberId, index: Index, termOf: (index: number) => number): void {
    const terms = this.#termsOf(id);
    terms.length = Math.min(terms.length, index + 1);
    for (let at = 0; at <= index; at++) terms[at] = termOf(at);
  }

  /** The member starts again with what its disk kept. */
  restarted(id: MemberId, log: DurableLog): void {
    const terms = this.#termsOf(id);
    const last = log.lastIndex();
    this.#forget(id, last);
    terms.length = Math.min(terms.length, last + 1);
    for (let index = Math.max(0, log.firstIndex() - 1); index <= last; index++) {
      terms[index] = log.term(index as Index) ?? 0;
    }
  }

  /** The term at `index` in what the core of `id` holds; undefined beyond its end. */
  termAt(id: MemberId, index: number): number | undefined {
    return this.#termsOf(id)[index];
  }

  lastIndex(id: MemberId): number {
    return this.#termsOf(id).length - 1;
  }

  /** What a crash took from the only member that had it never was: a sole voter may lead its term again. */
  #forget(id: MemberId, last: number): void {
    const terms = this.#termsOf(id);
    for (let index = last + 1; index < terms.length; index++) {
      const term = terms[index];
      let shared = false;
      for (const [other, held] of this.#terms) shared ||= other !== id && held[index] === term;
      if (!shared) this.#fixed.delete(index * TERMS + (term ?? 0));
    }
  }

  #match(id: MemberId, entry: Entry, before: number): void {
    const place = entry.index * TERMS + entry.term;
    const content = contentHash(entry) * TERMS + before;
    const fixed = this.#fixed.get(place);
    if (fixed === undefined) {
      this.#fixed.set(place, content);
      return;
    }
    demand(fixed === content, "logs that share an index and a term match", () => {
      return `${id} holds another entry or another past at ${entry.index} of term ${entry.term as Term}`;
    });
  }

  #termsOf(id: MemberId): number[] {
    let terms = this.#terms.get(id);
    if (terms === undefined) this.#terms.set(id, (terms = [0]));
    return terms;
  }
}
