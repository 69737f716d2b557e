/** The ordered byte store under the replicated state. `level.ts` and `memory.ts` answer it, under one contract suite. */

import type { Bucket } from "./buckets.ts";

/** Called for each record. Both are borrowed until it returns. */
export type RecordVisitor = (key: Uint8Array, value: Uint8Array) => void;

/** One change of one record. */
export type BackendOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** A record as stored. */
export type BackendRow = readonly [key: Uint8Array, value: Uint8Array];

export interface Backend {
  /** Synchronous and on the loop: for apply alone, and for rare keys. Undefined if absent. */
  getSync(key: Uint8Array): Uint8Array | undefined;
  /** One trip for many; undefined where absent. Order of the answer is that of `keys`. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** A point in time of everything committed so far. Must be closed. */
  view(): BackendView;
  /**
   * All or nothing, not synced: after a crash a prefix of the batches is there, in their order. One at a time: the caller
   * waits for the promise before the next. A rejected commit is fatal to the caller.
   */
  commit(operations: readonly BackendOperation[]): Promise<void>;
  /** Makes everything committed so far survive power loss. */
  flush(): Promise<void>;
  /** Gives the space of deleted and overwritten records of [from, end) back; never stops service. Null end: no end. */
  compact(from: Uint8Array, end: Uint8Array | null): Promise<void>;
  /**
   * Visits every record of `bucket`, from the record key `from` on, in the order of keys. For start-up: nothing may be written
   * until it resolves. Rejects with "corruption" where the files do not read as they should, and with what `visit` throws.
   */
  scan(bucket: Bucket, visit: RecordVisitor, from?: Uint8Array): Promise<void>;
  /**
   * Reads the store's files once more, while they are in use, and compares every checksum in them. Yields the bytes of each part
   * after it was checked; the caller decides when the next one is read. `pause` resolves when what is being written by now
   * certainly was. Throws "corruption", naming the file.
   */
  verify(pause: () => Promise<void>): AsyncGenerator<number, void>;
  /** Bytes of the store's files now. */
  fileBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface BackendView {
  /** Rows of [from, end) in key order (or reverse). Null end: no end. Must be closed, also when it ran out. */
  iterate(
    from: Uint8Array,
    end: Uint8Array | null,
    options?: { readonly reverse?: boolean },
  ): BackendIterator;
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  close(): Promise<void>;
}

export interface BackendIterator {
  /** Up to `rowsMax` further rows and roughly `bytesMax` bytes; empty at the end. One call at a time. */
  next(rowsMax: number, bytesMax?: number): Promise<readonly BackendRow[]>;
  close(): Promise<void>;
}

/** What a part of the state machine (mvcc, lease, auth, members) may do to the store while an entry is applied. */
export interface BucketWriter {
  /**
   * Both are copied; the CRC is added here. In the bucket `keys` the record must be absent: revisions are only added.
   * Elsewhere it replaces what is there.
   */
  put(bucket: Bucket, key: Uint8Array, payload: Uint8Array): void;
  /**
   * Absent keys may be deleted. Compaction must pass the `payload` of a record that is there: it saves a synchronous read.
   */
  delete(bucket: Bucket, key: Uint8Array, payload?: Uint8Array): void;
}

export interface BucketReader {
  /** Payload, CRC checked, buffered writes included; undefined if absent. Throws QuorateError "corruption". */
  getSync(bucket: Bucket, key: Uint8Array): Uint8Array | undefined;
  /** As `getSync` for many, as of now, in one trip off the loop; rejects with "corruption". */
  getMany(
    bucket: Bucket,
    keys: readonly Uint8Array[],
  ): Promise<readonly (Uint8Array | undefined)[]>;
}
