/** A set of half-open key intervals that only grows and answers whether it covers a key. */
import type { Key } from "../base/bytes.ts";

/** Invariant: sorted, and each ends before the next begins. */
interface Run {
  readonly from: Key[];
  readonly end: Key[];
}

/**
 * Runs of falling size, each at least twice the next (Bentley and Saxe's logarithmic method): n intervals, added one by one
 * or set by set in any order, cost O(n log n), where one sorted array would cost a client's choice of O(n^2).
 */
export class Intervals {
  readonly #runs: Run[] = [];

  get empty(): boolean {
    return this.#runs.length === 0;
  }

  /** Adds [from, end). One that ends before it begins covers nothing. */
  add(from: Key, end: Key): void {
    if (from < end) this.#push({ from: [from], end: [end] });
  }

  /** Adds all of another set, which must not be used afterwards. */
  addAll(other: Intervals): void {
    for (const run of other.#runs) this.#push(run);
  }

  covers(key: Key): boolean {
    for (const run of this.#runs) {
      // The last interval that begins at or before the key.
      let low = 0;
      let high = run.from.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((run.from[middle] as Key) <= key) low = middle + 1;
        else high = middle;
      }
      if (low > 0 && key < (run.end[low - 1] as Key)) return true;
    }
    return false;
  }

  #push(added: Run): void {
    let run = added;
    for (;;) {
      const last = this.#runs.at(-1);
      if (last === undefined || last.from.length >= 2 * run.from.length) break;
      this.#runs.pop();
      run = mergeRuns(last, run);
    }
    this.#runs.push(run);
  }
}

function mergeRuns(a: Run, b: Run): Run {
  const from: Key[] = [];
  const end: Key[] = [];
  let atA = 0;
  let atB = 0;
  while (atA < a.from.length || atB < b.from.length) {
    const takeA =
      atB === b.from.length ||
      (atA < a.from.length && (a.from[atA] as Key) <= (b.from[atB] as Key));
    const nextFrom = (takeA ? a.from[atA] : b.from[atB]) as Key;
    const nextEnd = (takeA ? a.end[atA++] : b.end[atB++]) as Key;
    const last = end.at(-1);
    if (last === undefined || nextFrom > last) {
      from.push(nextFrom);
      end.push(nextEnd);
    } else if (nextEnd > last) end[end.length - 1] = nextEnd;
  }
  return { from, end };
}
