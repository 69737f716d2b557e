/** Memory for many short-lived small things: one allocation for many. A slab lives as long as a view of it. */
export class Slabs {
  readonly #slabBytes: number;
  #slab: Buffer | null = null;
  #used = 0;

  /** What is kept long should be large beside `slabBytes`, or be copied: it keeps a whole slab. */
  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  /** Uninitialised bytes of the caller's own. */
  take(size: number): Buffer {
    const max = this.#slabBytes;
    if (size > max >> 3) return Buffer.allocUnsafeSlow(size);
    if (this.#slab === null || this.#used + size > max) {
      this.#slab = Buffer.allocUnsafeSlow(max);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += size;
    return this.#slab.subarray(from, this.#used);
  }
}
