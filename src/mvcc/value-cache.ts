/**
 * The newest values at hand, bounded by bytes. They lie one behind the other in a ring of memory of the cache's own, so that a
 * value costs no buffer and leaves no hole when it goes. What is in the way of the next one goes, oldest first, or, if it was
 * used since it was put there, moves up once: second chance. The entry hangs on its key's slot in the index, so a hit costs no
 * lookup of its own.
 */
import { assert, present } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";
import { Slabs } from "../base/slabs.ts";

/** What an entry takes beyond its record. */
const OVERHEAD_BYTES = 96;
/** What is handed out is cut from slabs of this size. */
const COPY_SLAB_BYTES = 128 * 1024;

/** The newest record of a live key. */
export class CachedRecord {
  readonly key: Key;
  readonly #cache: ValueCache;
  /** Where in the ring. */
  at = 0;
  /** Bytes of the record. */
  readonly size: number;
  /** Read since it was put where it lies. */
  used: boolean;
  /** False: only its bytes are still there. */
  live = true;
  /** The one that was put there next. */
  next: CachedRecord | null = null;

  constructor(cache: ValueCache, key: Key, size: number, used: boolean) {
    this.#cache = cache;
    this.key = key;
    this.size = size;
    this.used = used;
  }

  /** Encoded KeyValue: a copy, the caller's own, but a view of a slab: not to be kept for long. */
  get record(): Uint8Array {
    assert(this.live, "an entry on a slot is in the ring");
    return this.#cache.copy(this);
  }

  /** The same without a copy: holds until the cache changes. */
  get view(): Uint8Array {
    assert(this.live, "an entry on a slot is in the ring");
    return this.#cache.view(this);
  }
}

export class ValueCache {
  readonly #bytesMax: number;
  /** Takes an evicted entry off its slot. */
  readonly #evicted: (entry: CachedRecord) => void;
  /** Made at the first record. The rest of `bytesMax` is for the entries: small records are fewer than the ring has room for. */
  #ring: Buffer | null = null;
  readonly #ringBytes: number;
  readonly #entriesMax: number;
  /** The next record goes here; up to `#gapEnd` nothing lies that is still needed. */
  #head = 0;
  #gapEnd: number;
  /** In the order in which they lie, dead ones included: from `#gapEnd` on, around the ring's end, to `#head`. */
  #oldest: CachedRecord | null = null;
  #newest: CachedRecord | null = null;
  readonly #slabs = new Slabs(COPY_SLAB_BYTES);
  #bytes = 0;
  /** Dead ones included. */
  #entries = 0;
  #count = 0;

  constructor(bytesMax: number, evicted: (entry: CachedRecord) => void) {
    assert(bytesMax >= 0, "a cache has room for nothing at least");
    this.#bytesMax = bytesMax;
    this.#evicted = evicted;
    this.#ringBytes = bytesMax - Math.ceil(bytesMax / 4);
    this.#entriesMax = Math.floor(bytesMax / 4 / OVERHEAD_BYTES);
    this.#gapEnd = this.#ringBytes;
  }

  /** Of all entries, the dead ones included. Invariant: at most `bytesMax` after every call. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of live entries. */
  get count(): number {
    return this.#count;
  }

  /** A new entry, unless it is too large to keep: at most an eighth of the room for one value. The caller hangs it up. */
  add(key: Key, record: Uint8Array): CachedRecord | null {
    return this.#append(key, record, false);
  }

  /** The key was written again: its entry dies. Answers what to hang up instead, null where the new record is too large. */
  replace(entry: CachedRecord, record: Uint8Array): CachedRecord | null {
    this.remove(entry);
    return this.#append(entry.key, record, true);
  }

  /** Forgets an entry that the caller took off its slot, or is about to. */
  remove(entry: CachedRecord): void {
    assert(entry.live, "an entry dies once");
    entry.live = false;
    this.#count--;
  }

  copy({ at, size }: CachedRecord): Buffer {
    const bytes = this.#slabs.take(size);
    this.#ring?.copy(bytes, 0, at, at + size);
    return bytes;
  }

  view({ at, size }: CachedRecord): Uint8Array {
    return present(this.#ring, "the ring is there once a record was put").subarray(at, at + size);
  }

  #append(key: Key, record: Uint8Array, used: boolean): CachedRecord | null {
    const { length } = record;
    if (length === 0 || length + OVERHEAD_BYTES > this.#bytesMax / 8) return null;
    this.#ring ??= Buffer.allocUnsafeSlow(this.#ringBytes);
    this.#makeRoom(length);
    const entry = new CachedRecord(this, key, length, used);
    this.#ring.set(record, this.#head);
    this.#put(entry);
    this.#count++;
    return entry;
  }

  /** Makes the entry, whose bytes are at `#head`, the newest. */
  #put(entry: CachedRecord): void {
    entry.at = this.#head;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#head += entry.size;
    this.#bytes += entry.size + OVERHEAD_BYTES;
    this.#entries++;
  }

  /** Until `size` bytes fit at `#head`, and the entry among the others. */
  #makeRoom(size: number): void {
    while (this.#entries >= this.#entriesMax) this.#passOldest();
    while (this.#gapEnd - this.#head < size) {
      if (this.#gapEnd < this.#ringBytes) this.#passOldest();
      else this.#turnAround();
    }
  }

  /** The gap reaches the ring's end and is too small there: goes on at the beginning, up to the oldest. */
  #turnAround(): void {
    this.#head = 0;
    this.#gapEnd = this.#oldest === null ? this.#ringBytes : this.#oldest.at;
  }

  /** The oldest entry goes or, used, moves to the gap's beginning. Lies it at the gap's end, the gap grows over it. */
  #passOldest(): void {
    const entry = this.#oldest;
    assert(entry !== null, "an empty cache has room");
    const { at, size, next } = entry;
    const moves = entry.live && entry.used;
    if (moves && at < this.#head && this.#ringBytes - this.#head < size) this.#turnAround();
    // Otherwise the gap is behind the newest and ends with the ring.
    if (at >= this.#gapEnd)
      this.#gapEnd = next === null || next.at < at ? this.#ringBytes : next.at;
    this.#oldest = next;
    if (next === null) this.#newest = null;
    entry.next = null;
    this.#bytes -= size + OVERHEAD_BYTES;
    this.#entries--;
    if (moves) {
      entry.used = false;
      this.#ring?.copyWithin(this.#head, at, at + size);
      this.#put(entry);
    } else if (entry.live) {
      this.remove(entry);
      this.#evicted(entry);
    }
  }
}
