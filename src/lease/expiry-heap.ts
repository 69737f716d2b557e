/** Who is due next: a binary heap whose entries know their place, so that moving one costs no search. */
import { assert } from "../base/assert.ts";

/** One thing with a time. Belongs to at most one heap at a time. */
export interface HeapEntry<T> {
  readonly item: T;
  /** Monotonic milliseconds, Infinity outside. Changed by the heap alone. */
  at: number;
  /** Index in the heap, -1 outside. Changed by the heap alone. */
  place: number;
}

export function heapEntry<T>(item: T): HeapEntry<T> {
  return { item, at: Infinity, place: -1 };
}

export class ExpiryHeap<T> {
  #entries: HeapEntry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The entry with the least time. */
  peek(): HeapEntry<T> | undefined {
    return this.#entries[0];
  }

  /** Puts the entry in, or moves it. */
  set(entry: HeapEntry<T>, at: number): void {
    assert(!Number.isNaN(at), "a time is a number");
    if (entry.place === -1) {
      entry.place = this.#entries.length;
      this.#entries.push(entry);
      entry.at = at;
      this.#up(entry);
      return;
    }
    assert(this.#entries[entry.place] === entry, "an entry is in one heap");
    const later = at > entry.at;
    entry.at = at;
    if (later) this.#down(entry);
    else this.#up(entry);
  }

  /** Takes the entry out, if it is in. */
  remove(entry: HeapEntry<T>): void {
    const { place } = entry;
    if (place === -1) return;
    assert(this.#entries[place] === entry, "an entry is in one heap");
    const last = this.#entries.pop();
    entry.place = -1;
    entry.at = Infinity;
    if (last === undefined || last === entry) return;
    this.#settle(last, place);
    this.#up(last);
    this.#down(last);
  }

  clear(): void {
    for (const entry of this.#entries) {
      entry.place = -1;
      entry.at = Infinity;
    }
    this.#entries = [];
  }

  #settle(entry: HeapEntry<T>, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }

  #up(entry: HeapEntry<T>): void {
    while (entry.place > 0) {
      const parent = this.#entries[(entry.place - 1) >> 1];
      if (parent === undefined || parent.at <= entry.at) return;
      const { place } = parent;
      this.#settle(parent, entry.place);
      this.#settle(entry, place);
    }
  }

  #down(entry: HeapEntry<T>): void {
    for (;;) {
      const left = this.#entries[2 * entry.place + 1];
      const right = this.#entries[2 * entry.place + 2];
      if (left === undefined) return;
      const child = right !== undefined && right.at < left.at ? right : left;
      if (child.at >= entry.at) return;
      const { place } = child;
      this.#settle(child, entry.place);
      this.#settle(entry, place);
    }
  }
}
