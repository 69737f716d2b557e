/** A sliding window over things sent and not yet acknowledged: each is known by its last index and its size in bytes. */
import { assert } from "../base/assert.ts";
import type { Index } from "./types.ts";

export class Inflights {
  readonly #countMax: number;
  readonly #bytesMax: number;
  /** Two rings of one size, a power of two: last index and bytes of each. Grow on demand. */
  #indexes: number[] = [0];
  #sizes: number[] = [0];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    assert(countMax > 0, "a window holds at least one message");
    assert(bytesMax > 0, "a window holds at least one byte");
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** No more may be sent. One message may overshoot the byte limit, or a message larger than the limit could never leave. */
  get full(): boolean {
    return this.#count === this.#countMax || this.#bytes >= this.#bytesMax;
  }

  /** Counts a message whose last entry is `last`. Callers ask `full` first; `last` never falls. */
  add(last: Index, bytes: number): void {
    assert(!this.full, "nothing is sent beyond the window");
    if (this.#count === this.#indexes.length) this.#grow();
    const at = (this.#start + this.#count) & (this.#indexes.length - 1);
    this.#indexes[at] = last;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Forgets the messages whose last index is at or below `index`. */
  release(index: Index): void {
    const mask = this.#indexes.length - 1;
    while (this.#count > 0 && (this.#indexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#start] ?? 0;
      this.#start = (this.#start + 1) & mask;
      this.#count--;
    }
    assert(this.#bytes >= 0, "a window never holds less than nothing");
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const old = this.#indexes.length;
    const indexes: number[] = [];
    const sizes: number[] = [];
    for (let at = 0; at < old * 2; at++) {
      const from = (this.#start + at) & (old - 1);
      indexes.push(at < old ? (this.#indexes[from] ?? 0) : 0);
      sizes.push(at < old ? (this.#sizes[from] ?? 0) : 0);
    }
    this.#indexes = indexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}
