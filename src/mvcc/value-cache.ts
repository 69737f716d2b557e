/**
 * The newest values at hand, bounded by bytes. Second chance: an entry used since the hand last passed is spared once. The
 * entry hangs on its key's slot in the index, so a hit costs no lookup of its own.
 */
import { assert } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";

/** What an entry takes beyond its record: itself, the buffer's object and its backing store. */
const OVERHEAD_BYTES = 256;

/** The newest record of a live key. */
export class CachedRecord {
  readonly key: Key;
  /** Encoded KeyValue; replaced when the key is written again. */
  record: Uint8Array;
  /** Read since the hand last passed. */
  used = false;
  /** Where in the ring. */
  place: number;

  constructor(key: Key, record: Uint8Array, place: number) {
    this.key = key;
    this.record = record;
    this.place = place;
  }
}

export class ValueCache {
  readonly #bytesMax: number;
  /** Takes an evicted entry off its slot. */
  readonly #evicted: (entry: CachedRecord) => void;
  readonly #ring: CachedRecord[] = [];
  #hand = 0;
  #bytes = 0;

  constructor(bytesMax: number, evicted: (entry: CachedRecord) => void) {
    assert(bytesMax >= 0, "a cache has room for nothing at least");
    this.#bytesMax = bytesMax;
    this.#evicted = evicted;
  }

  /** Invariant: at most `bytesMax` after every call, overhead included. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#ring.length;
  }

  /** A new entry, unless it is too large to keep: at most an eighth of the room for one value. The caller hangs it up. */
  add(key: Key, record: Uint8Array): CachedRecord | null {
    const size = record.length + OVERHEAD_BYTES;
    if (size > this.#bytesMax / 8) return null;
    this.#makeRoom(size);
    const entry = new CachedRecord(key, record, this.#ring.length);
    this.#ring.push(entry);
    this.#bytes += size;
    return entry;
  }

  /** The key was written again. False where the new record is too large: the entry is gone then, off its slot too. */
  replace(entry: CachedRecord, record: Uint8Array): boolean {
    const size = record.length + OVERHEAD_BYTES;
    if (size > this.#bytesMax / 8) {
      this.remove(entry);
      this.#evicted(entry);
      return false;
    }
    this.#bytes += record.length - entry.record.length;
    entry.record = record;
    entry.used = true;
    if (this.#bytes > this.#bytesMax) this.#makeRoom(0);
    return true;
  }

  /** Forgets an entry that the caller took off its slot. */
  remove(entry: CachedRecord): void {
    const last = this.#ring.pop();
    assert(last !== undefined, "an entry on a slot is in the ring");
    if (last !== entry) {
      this.#ring[entry.place] = last;
      last.place = entry.place;
    }
    this.#bytes -= entry.record.length + OVERHEAD_BYTES;
  }

  #makeRoom(size: number): void {
    while (this.#bytes + size > this.#bytesMax) {
      if (this.#hand >= this.#ring.length) this.#hand = 0;
      const entry = this.#ring[this.#hand];
      assert(entry !== undefined, "an empty cache has room");
      if (entry.used) {
        entry.used = false;
        this.#hand++;
        continue;
      }
      this.remove(entry);
      this.#evicted(entry);
    }
  }
}
