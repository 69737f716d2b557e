/**
 * When the log passed each index: taken in, durable, committed, applied. One mark a turn or a write, not one a request: a
 * request that turns out to be slow is looked up here by the index of its entry, and one that is not costs nothing.
 */

/** Marks kept of each kind: with the coarseness below, at least eight seconds. */
const MARKS = 4_096;
/** Marks closer together than this are one, with the time of the first. */
const COARSE_MS = 2;

/** A ring of (index, time). Indexes ascend but where a log is cut and grows again. */
export class Marks {
  readonly #indexes = new Float64Array(MARKS);
  readonly #times = new Float64Array(MARKS);
  #count = 0;

  /** Everything up to `index` has passed at `nowMs`. */
  add(index: number, nowMs: number): void {
    const last = (this.#count - 1) % MARKS;
    if (this.#count > 0 && nowMs - (this.#times[last] ?? 0) < COARSE_MS) {
      this.#indexes[last] = index;
      return;
    }
    const at = this.#count++ % MARKS;
    this.#indexes[at] = index;
    this.#times[at] = nowMs;
  }

  /** When `index` passed, within 2 ms; null if it has not, or too long ago to be known. */
  passedAt(index: number): number | null {
    let found: number | null = null;
    let following = Number.POSITIVE_INFINITY;
    const oldest = Math.max(0, this.#count - MARKS);
    for (let mark = this.#count - 1; mark >= oldest; mark--) {
      const at = mark % MARKS;
      const marked = this.#indexes[at] ?? 0;
      // Beyond a cut: the entry of this index there was another one.
      if (marked < index || marked > following) return found;
      following = marked;
      found = this.#times[at] ?? null;
    }
    return this.#count > MARKS ? null : found;
  }
}

export class Timeline {
  /** Taken into the own log, in memory. */
  readonly appended: Marks = new Marks();
  /** Durable here. */
  readonly durable: Marks = new Marks();
  /** Known here to be committed. */
  readonly committed: Marks = new Marks();
  /** Applied, with everything that the same slice applied. */
  readonly applied: Marks = new Marks();
}
