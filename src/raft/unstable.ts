/**
 * The end of the log, in memory: everything that is not yet durable, and before it as much of what is durable as the budget
 * allows, so that followers are served without reading the log's files.
 */
import { assert, present } from "../base/assert.ts";
import { EntryKind, makeEntry, NO_INDEX, NO_TERM, plus } from "./types.ts";
import type { Entry, Index } from "./types.ts";

/** What an entry costs in memory beside its data: the record, its slot, the view over its bytes. */
const ENTRY_COST_BYTES = 160;

/** Stands in the slots of evicted entries, so that their bytes can be collected before the slots are. */
const EVICTED: Entry = makeEntry(NO_TERM, NO_INDEX, EntryKind.normal, new Uint8Array(0));

/** Slots of evicted entries are cut away once there are this many and they are half of all: amortised O(1) an entry. */
const SLOTS_CUT_MIN = 1024;

export class Tail {
  /** Slot of index i: i - #offset + #head. Invariant: entries are contiguous, #offset .. end - 1. */
  #entries: Entry[] = [];
  #head = 0;
  #offset: Index;
  #bytes = 0;

  constructor(offset: Index) {
    this.#offset = offset;
  }

  /** Index of the first entry held; `end` if none is. */
  get offset(): Index {
    return this.#offset;
  }

  /** One past the last entry held. */
  get end(): Index {
    return plus(this.#offset, this.#entries.length - this.#head);
  }

  /** Memory held, by estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entry at `index`, offset <= index < end. */
  at(index: Index): Entry {
    return present(this.#entries[index - this.#offset + this.#head], "the tail holds the entry");
  }

  push(entry: Entry): void {
    assert(entry.index === this.end, "the log has no holes");
    this.#entries.push(entry);
    this.#bytes += entry.data.length + ENTRY_COST_BYTES;
  }

  /** Drops what is at or beyond `from`, offset <= from <= end. */
  truncate(from: Index): void {
    assert(from >= this.#offset, "a truncation starts within the tail");
    const keep = from - this.#offset + this.#head;
    for (let at = keep; at < this.#entries.length; at++) {
      this.#bytes -= (this.#entries[at] ?? EVICTED).data.length + ENTRY_COST_BYTES;
    }
    this.#entries.length = Math.min(keep, this.#entries.length);
  }

  /** Empties the tail; the next entry will have index `offset`. */
  reset(offset: Index): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#offset = offset;
  }

  /** A fresh array of the entries of [from, end): at least one, then as many as fit in `bytesMax` of data. */
  slice(from: Index, end: Index, bytesMax: number): Entry[] {
    const start = from - this.#offset + this.#head;
    let stop = end - this.#offset + this.#head;
    if (this.#bytes > bytesMax) {
      let sum = 0;
      for (let at = start; at < stop; at++) {
        sum += (this.#entries[at] ?? EVICTED).data.length;
        if (sum > bytesMax && at > start) stop = at;
      }
    }
    return this.#entries.slice(start, stop);
  }

  /** Drops entries from the front, none beyond `through`, until at most `bytesMax` are held. */
  evict(through: Index, bytesMax: number): void {
    while (this.#bytes > bytesMax && this.#offset <= through) {
      const entry = this.#entries[this.#head];
      if (entry === undefined) return;
      this.#bytes -= entry.data.length + ENTRY_COST_BYTES;
      this.#entries[this.#head] = EVICTED;
      this.#head++;
      this.#offset = plus(this.#offset, 1);
    }
    if (this.#head >= SLOTS_CUT_MIN && this.#head * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
