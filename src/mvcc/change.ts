/** What a write did to one key, and what the watch side may ask of the history. */
import type { Key } from "../base/bytes.ts";
import type { Revision } from "./revision.ts";

/** One change of one key at (main, sub): a put or a tombstone. */
export interface Change {
  readonly key: Key;
  /**
   * Encoded mvccpb.KeyValue as a watch event shows it: the stored record for a put; key and mod_revision only for a
   * delete. Shared, never changed by anybody.
   */
  readonly record: Uint8Array;
  readonly tombstone: boolean;
  readonly main: Revision;
  /** Counts the changes within `main` from 0. */
  readonly sub: number;
}

export interface ChangeSlice {
  /** In order of (main, sub); a main revision is never split over two slices. */
  readonly changes: readonly Change[];
  /** Where the next slice starts; equal to the asked `end` when there is no more. */
  readonly next: Revision;
}

/** The history as the watch side reads it, to catch up. */
export interface History {
  /** Of the last write that ended. */
  readonly revision: Revision;
  /** Highest compacted revision, -1 before the first compaction. Changes below it may be gone; those at it are there. */
  readonly compactRevision: number;
  /**
   * The changes of the main revisions [from, end), in order, of at most `revisionsMax` main revisions (fewer where the
   * slice gets large). Sees writes that have not reached the backend. `from` must not be below `compactRevision`: the
   * caller checks before, and again after, because a compaction may overtake the read.
   */
  readChanges(from: Revision, end: Revision, revisionsMax: number): Promise<ChangeSlice>;
  /**
   * The encoded KeyValue that `change.key` had at `change.main - 1`: for prev_kv. Undefined where the key did not exist
   * or the version was compacted. Answers at once, without a promise, where the record is in memory.
   */
  previousRecord(change: Change): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}
