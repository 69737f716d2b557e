/** A bounded queue over an array of a power-of-two size: no shifting, no growth, no allocation per item. */
import { assert } from "./assert.ts";

export class Ring<T> {
  readonly #slots: (T | undefined)[];
  readonly #mask: number;
  /** Counts of items ever taken and ever added. Invariant: 0 <= #added - #taken <= capacity. */
  #taken = 0;
  #added = 0;

  /** `capacity` is a power of two of at most 2^30. */
  constructor(capacity: number) {
    assert(Number.isInteger(capacity), "a ring holds a whole number of items");
    assert(capacity >= 1 && capacity <= 0x4000_0000, "a ring holds between 1 and 2^30 items");
    assert((capacity & (capacity - 1)) === 0, "the capacity of a ring is a power of two");
    this.#mask = capacity - 1;
    this.#slots = Array.from<T | undefined>({ length: capacity }).fill(undefined);
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  get size(): number {
    return this.#added - this.#taken;
  }

  /** Adds at the end. False, and nothing added, when full: the caller refuses work, it does not grow. */
  tryPush(item: T): boolean {
    if (this.#added - this.#taken > this.#mask) return false;
    this.#slots[this.#slotOf(this.#added)] = item;
    this.#added++;
    return true;
  }

  /** Takes the oldest; undefined when empty. The slot forgets it, so that it can be collected. */
  shift(): T | undefined {
    if (this.#added === this.#taken) return undefined;
    const slot = this.#slotOf(this.#taken);
    const item = this.#slots[slot];
    this.#slots[slot] = undefined;
    this.#taken++;
    return item;
  }

  /** The item at `offset` from the oldest, which is 0; undefined beyond the newest. */
  at(offset: number): T | undefined {
    if (offset < 0 || offset >= this.size) return undefined;
    return this.#slots[this.#slotOf(this.#taken + offset)];
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#taken = this.#added;
  }

  /** The counts pass 2^31 in a long life, where `&` alone would see a negative number; `>>> 0` wraps them at 2^32. */
  #slotOf(count: number): number {
    return (count >>> 0) & this.#mask;
  }
}
