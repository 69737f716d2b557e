/** One write of the history: everything that one log entry changes, at one main revision. */
import { assert } from "../base/assert.ts";
import { type Key, successor } from "../base/bytes.ts";
import { Bucket } from "../backend/buckets.ts";
import type { Change } from "./change.ts";
import type { Core } from "./core.ts";
import { SUB_MAX } from "./key-index.ts";
import { StoredChange } from "./pending.ts";
import type { Position } from "./pins.ts";
import {
  type RecordFields,
  recordSize,
  tombstoneSize,
  writeRecord,
  writeTombstone,
} from "./record.ts";
import { writeRevisionKey, REVISION_KEY_BYTES, type Revision } from "./revision.ts";
import type { Version } from "./version.ts";

/** What one slice of a delete removed. */
export interface DeleteSlice {
  /** The versions that were deleted, in key order: keys for the lessor, handles for prev_kvs. */
  readonly deleted: readonly Version[];
  /** Where to go on, with the same `end`; null when all is deleted. */
  readonly next: Key | null;
}

/** The buffer copies keys and payloads: one each serves all. */
const putKey = Buffer.alloc(REVISION_KEY_BYTES);
const tombstoneKey = Buffer.alloc(REVISION_KEY_BYTES + 1);
const tombstonePayload = Buffer.alloc(512);
/** Keys that one slice of a delete removes at most: some 5 ms, and what the garbage collector adds. */
const SLICE_KEYS_MAX = 1_000;

export class WriteTxn {
  /** The revision that this write makes, if it changes anything. */
  readonly main: Revision;
  readonly #core: Core;
  readonly #changes: Change[] = [];
  #ended = false;

  constructor(core: Core) {
    assert(!core.writing, "one write at a time");
    core.writing = true;
    this.#core = core;
    this.main = (core.revision + 1) as Revision;
  }

  /** In order: what the watch side is told when the write ended. */
  get changes(): readonly Change[] {
    return this.#changes;
  }

  /** What a range at this point of the write sees: the changes so far, none after. */
  get position(): Position {
    const { length } = this.#changes;
    if (length === 0) return { main: this.#core.revision, sub: SUB_MAX };
    return { main: this.main, sub: length - 1 };
  }

  /** The revision that a reply to an operation at this point names. */
  get revision(): Revision {
    return this.#changes.length === 0 ? this.#core.revision : this.main;
  }

  /** The live version of `key` at this point of the write. */
  current(key: Key): Version | null {
    return this.#core.index.current(key);
  }

  /** `value` is copied. Answers the version before, null if the key was absent. The lease's side is the caller's. */
  put(key: Key, value: Uint8Array, lease: bigint): Version | null {
    assert(!this.#ended, "a write that ended changes nothing");
    const core = this.#core;
    core.counts.puts++;
    core.counts.putBytes += key.length + value.length;
    const main = this.main;
    const sub = this.#changes.length;
    const previous = core.index.put(key, main, sub);
    const create = previous === null ? main : previous.create;
    const version = previous === null ? 1 : previous.version + 1;
    const fields: RecordFields = { key, create, mod: main, version, lease };
    writeRevisionKey(putKey, main, sub);
    const record = core.buffer.place(Bucket.keys, putKey, recordSize(fields, value));
    writeRecord(record, fields, value);
    core.buffer.placed();
    core.index.cacheLast(record);
    const inMemory = previous === null || previous.record === null ? null : previous;
    this.#changed(new StoredChange({ key, main, sub }, record, inMemory, this.#after()));
    return previous;
  }

  /**
   * Deletes live keys of [key, end) (null end: the one key), `keysMax` of them or fewer. A long delete goes in slices, all in
   * this write, with no other change between: call again from `next`.
   */
  deleteRange(key: Key, end: Key | null, keysMax: number): DeleteSlice {
    assert(!this.#ended, "a write that ended changes nothing");
    const deleted: Version[] = [];
    if (end === null) {
      const version = this.#delete(key);
      if (version !== null) deleted.push(version);
      return { deleted, next: null };
    }
    const keys: Key[] = [];
    const limit = Math.min(keysMax, SLICE_KEYS_MAX);
    const finished = this.#core.index.visit(key, end, (leaf, from, to) => {
      for (let slot = from; slot < to; slot++) {
        if (!leaf.isLive(slot)) continue;
        if (keys.length >= limit) return false;
        keys.push(leaf.keys[slot] as Key);
      }
      return true;
    });
    for (const doomed of keys) {
      const version = this.#delete(doomed);
      assert(version !== null, "a live key has a version to delete");
      deleted.push(version);
    }
    const last = keys[keys.length - 1];
    return { deleted, next: finished || last === undefined ? null : successor(last) };
  }

  /** Ends the write. The revision moves only if something changed; answers the store's revision. */
  end(): Revision {
    assert(!this.#ended, "a write ends once");
    this.#ended = true;
    this.#core.writing = false;
    if (this.#changes.length > 0) this.#core.revision = this.main;
    return this.#core.revision;
  }

  #delete(key: Key): Version | null {
    const core = this.#core;
    const main = this.main;
    const sub = this.#changes.length;
    const previous = core.index.tombstone(key, main, sub);
    if (previous === null) return null;
    const inMemory = previous.record === null ? null : previous;
    this.#changed(new StoredChange({ key, main, sub }, null, inMemory, this.#after()));
    writeRevisionKey(tombstoneKey, main, sub);
    const size = tombstoneSize(key);
    const payload =
      size <= tombstonePayload.length ? tombstonePayload.subarray(0, size) : Buffer.alloc(size);
    writeTombstone(payload, 0, key);
    core.buffer.put(Bucket.keys, tombstoneKey, payload);
    return previous;
  }

  #after(): number {
    return this.#core.buffer.appliedIndex;
  }

  #changed(change: StoredChange): void {
    this.#changes.push(change);
    this.#core.pending.push(change);
    this.#core.headMain = change.main;
    this.#core.headSub = change.sub;
  }
}
