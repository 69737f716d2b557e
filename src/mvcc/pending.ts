/** The changes that have not arrived in the backend yet, in order: reads of the history see them here. */
import type { Key } from "../base/bytes.ts";
import type { Change } from "./change.ts";
import { encodeDeleteEvent } from "./record.ts";
import type { Revision } from "./revision.ts";
import type { Version } from "./version.ts";

/** A change as the store made it. */
export class StoredChange implements Change {
  readonly key: Key;
  readonly tombstone: boolean;
  readonly main: Revision;
  readonly sub: number;
  /** The version before, where its record was in memory; null says nothing. */
  readonly previous: Version | null;
  /** The log entry that was applied last when this was made: this one is in once a later entry is. */
  readonly after: number;
  #record: Uint8Array | null;

  constructor(
    at: { readonly key: Key; readonly main: Revision; readonly sub: number },
    record: Uint8Array | null,
    previous: Version | null,
    after: number,
  ) {
    this.key = at.key;
    this.tombstone = record === null;
    this.main = at.main;
    this.sub = at.sub;
    this.previous = previous;
    this.after = after;
    this.#record = record;
  }

  /** A delete is encoded only where somebody watches: one request may delete millions. */
  get record(): Uint8Array {
    this.#record ??= encodeDeleteEvent(this.key, this.main);
    return this.#record;
  }
}

export class PendingChanges {
  #changes: StoredChange[] = [];
  /** Those before it have arrived. */
  #head = 0;

  get count(): number {
    return this.#changes.length - this.#head;
  }

  /** The oldest one's main revision; infinite if none is pending. */
  get firstMain(): number {
    return this.#changes[this.#head]?.main ?? Number.POSITIVE_INFINITY;
  }

  push(change: StoredChange): void {
    this.#changes.push(change);
  }

  /** Everything of the log entries up to `index` has arrived. */
  arrived(index: number): void {
    const changes = this.#changes;
    let head = this.#head;
    while (head < changes.length && (changes[head] as StoredChange).after < index) head++;
    if (head === changes.length) {
      this.#changes = [];
      head = 0;
    } else if (head > 4096 && head > changes.length >> 1) {
      this.#changes = changes.slice(head);
      head = 0;
    }
    this.#head = head;
  }

  /** The record of the put at (main, sub); undefined if it is not pending. */
  record(main: number, sub: number): Uint8Array | undefined {
    const at = this.#search(main, sub);
    const change = this.#changes[at];
    if (change === undefined || change.main !== main || change.sub !== sub) return undefined;
    return change.tombstone ? undefined : change.record;
  }

  /** The pending changes of the main revisions [from, end). */
  slice(from: number, end: number): readonly StoredChange[] {
    return this.#changes.slice(this.#search(from, 0), this.#search(end, 0));
  }

  /** First pending change at or after (main, sub). */
  #search(main: number, sub: number): number {
    const changes = this.#changes;
    let from = this.#head;
    let end = changes.length;
    while (from < end) {
      const middle = (from + end) >>> 1;
      const there = changes[middle] as StoredChange;
      if (there.main < main || (there.main === main && there.sub < sub)) from = middle + 1;
      else end = middle;
    }
    return from;
  }
}
