/**
 * Writes on their way to the store. Apply writes here, synchronously; batches leave one at a time while the next fills;
 * reads see through to what has not arrived yet. Everything that one log entry changes, with the index of that entry, is in
 * one batch (I1 to I5 in DESIGN.md).
 */
import { crc32 } from "node:zlib";

import { assert, present, verify } from "../base/assert.ts";
import { Slabs } from "../base/slabs.ts";
import type { Backend, BackendView, BucketReader, BucketWriter } from "./backend.ts";
import { latin1, type Overlaid, PendingBatch } from "./batch.ts";
import { Bucket } from "./buckets.ts";
import { FlushPolicy } from "./flush-policy.ts";
import {
  CRC_BYTES,
  crcOf,
  hashRecordKey,
  openRecord,
  toRecordKey,
  toRecordValue,
  type BucketTotals,
} from "./record.ts";
import { SealQueue } from "./seal-queue.ts";
import { encodeState, readState, STATE_KEY, type StoreState, totalsOf } from "./state.ts";

/** A point in time of the store at the end of a log entry. `view` must be closed. */
export interface SealedView extends StoreState {
  readonly view: BackendView;
}

/** Records on their way are cut from slabs of this size. */
const SLAB_BYTES = 256 * 1024;

/** Runs a callback within a few milliseconds: how long a small batch waits for company. */
export type Later = (callback: () => void) => void;

export class BackendBuffer implements BucketWriter, BucketReader {
  readonly #backend: Backend;
  readonly #totals: BucketTotals[];
  readonly #slabs = new Slabs(SLAB_BYTES);
  /** Closed batches, oldest first; the first is in flight if `#committing`. */
  readonly #closed: PendingBatch[] = [];
  #filling = new PendingBatch();
  /** A record whose payload is still to be written. */
  #placed: { readonly record: Buffer; readonly keyBytes: number } | null = null;
  /** Whether `#filling` holds a change after the last seal. */
  #unsealed = false;
  #committing = false;
  /** Counts seals; #committedSeal <= #sealed, equal when the store has everything. */
  #sealed = 0;
  #committedSeal = 0;
  readonly #later: Later;
  #launchScheduled = false;
  #fatal: unknown = null;
  /** Bytes not yet in the store. */
  #pendingBytes = 0;
  #landedBytes = 0;
  #recordsPut = 0;
  /** The last sealed log entry, and its term. */
  #appliedIndex: number;
  #term: number;
  /** #durableIndex <= #committedIndex <= #appliedIndex. */
  #committedIndex: number;
  #durableIndex: number;
  readonly #policy = new FlushPolicy();
  /** The flush under way. */
  #flushing: Promise<void> | null = null;
  readonly #committedListeners: ((index: number) => void)[] = [];
  readonly #fatalListeners: ((error: unknown) => void)[] = [];
  readonly #drains = new SealQueue<void>();
  readonly #viewers = new SealQueue<SealedView>();

  /**
   * Over a store nobody else writes to. Reads how far it is.
   * Throws QuorateError "corruption" where that record is damaged.
   */
  static open(backend: Backend, later: Later = queueMicrotask): BackendBuffer {
    return new BackendBuffer(backend, readState(backend), later);
  }

  private constructor(backend: Backend, state: StoreState, later: Later) {
    this.#backend = backend;
    this.#later = later;
    this.#appliedIndex = state.appliedIndex;
    this.#term = state.term;
    this.#committedIndex = state.appliedIndex;
    this.#durableIndex = state.appliedIndex;
    this.#totals = state.totals.map((of) => of.copy());
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get term(): number {
    return this.#term;
  }

  /** The last log entry whose changes the store has; a crash may still lose them. */
  get committedIndex(): number {
    return this.#committedIndex;
  }

  /** The last log entry whose changes survive power loss: the log may be released up to it, never beyond. */
  get durableIndex(): number {
    return this.#durableIndex;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes of all record keys and values that the store has taken since it was opened; never less than before. */
  get landedBytes(): number {
    return this.#landedBytes;
  }

  /** Records put since the store was opened. */
  get recordsPut(): number {
    return this.#recordsPut;
  }

  /** What `bucket` holds now, buffered writes included. Live: copy to keep. */
  totals(bucket: Bucket): BucketTotals {
    return totalsOf(this.#totals, bucket);
  }

  /** Bytes of all live records: etcd's dbSizeInUse. */
  get liveBytes(): number {
    return this.#totals.reduce((sum, of) => sum + of.bytes, 0);
  }

  /** Calls back each time a batch landed, with the log index up to which the store now has everything. */
  onCommitted(listener: (committedIndex: number) => void): void {
    this.#committedListeners.push(listener);
  }

  /** Calls back once when the store refused a batch or a flush: fatal, the process must end. */
  onFatal(listener: (error: unknown) => void): void {
    this.#fatalListeners.push(listener);
  }

  put(bucket: Bucket, key: Uint8Array, payload: Uint8Array): void {
    this.place(bucket, key, payload.length).set(payload);
    this.placed();
  }

  /**
   * `put` in two steps, for a payload that the caller writes where it will lie: the answer has room for `payloadBytes`, all of
   * which are written before `placed` is called, and no other write comes between. A view of a slab, not to be changed later
   * or kept for long.
   */
  place(bucket: Bucket, key: Uint8Array, payloadBytes: number): Buffer {
    assert(this.#placed === null, "one record is placed at a time");
    const keyBytes = 1 + key.length;
    const record = this.#slabs.take(keyBytes + payloadBytes + CRC_BYTES);
    record[0] = bucket;
    record.set(key, 1);
    this.#placed = { record, keyBytes };
    return record.subarray(keyBytes, keyBytes + payloadBytes);
  }

  /** The payload is written: the record is put. */
  placed(): void {
    const { record, keyBytes } = present(this.#placed, "a record was placed");
    this.#placed = null;
    const bucket = record[0] as Bucket;
    const size = record.length;
    const crc = crc32(record.subarray(0, size - CRC_BYTES));
    record.writeUInt32LE(crc, size - CRC_BYTES);
    const recordKey = record.subarray(0, keyBytes);
    const keyHash = hashRecordKey(recordKey);
    const totals = totalsOf(this.#totals, bucket);
    verify(
      () => bucket !== Bucket.keys || (this.#stored(recordKey) ?? null) === null,
      "a revision is put once",
    );
    if (bucket !== Bucket.keys) this.#uncount(totals, recordKey, keyHash, this.#stored(recordKey));
    totals.apply(1, keyHash, crc, size);
    this.#filling.put(recordKey, record.subarray(keyBytes));
    this.#pendingBytes += size;
    this.#recordsPut++;
    this.#unsealed = true;
  }

  delete(bucket: Bucket, key: Uint8Array, payload?: Uint8Array): void {
    const recordKey = toRecordKey(bucket, key);
    const keyHash = hashRecordKey(recordKey);
    const totals = totalsOf(this.#totals, bucket);
    if (payload === undefined) {
      const stored = this.#stored(recordKey);
      if (stored === undefined || stored === null) return;
      this.#uncount(totals, recordKey, keyHash, stored);
    } else {
      const crc = crc32(payload, crc32(recordKey));
      totals.apply(-1, keyHash, crc, recordKey.length + payload.length + CRC_BYTES);
    }
    this.#filling.delete(recordKey);
    this.#pendingBytes += recordKey.length;
    this.#unsealed = true;
  }

  getSync(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    const recordKey = toRecordKey(bucket, key);
    const stored = this.#stored(recordKey);
    return stored === undefined || stored === null ? undefined : openRecord(recordKey, stored);
  }

  async getMany(
    bucket: Bucket,
    keys: readonly Uint8Array[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const payloads = Array.from<Uint8Array | undefined>({ length: keys.length });
    const missing: Uint8Array[] = [];
    const places: number[] = [];
    for (const [place, key] of keys.entries()) {
      const recordKey = toRecordKey(bucket, key);
      const overlaid = this.#overlaid(recordKey);
      if (overlaid === undefined) {
        missing.push(recordKey);
        places.push(place);
      } else if (overlaid !== null) {
        payloads[place] = openRecord(recordKey, overlaid);
      }
    }
    if (missing.length === 0) return payloads;
    const found = await this.#backend.getMany(missing);
    for (const [at, recordKey] of missing.entries()) {
      const stored = found[at];
      if (stored !== undefined) payloads[places[at] ?? 0] = openRecord(recordKey, stored);
    }
    return payloads;
  }

  /**
   * Everything since the last seal belongs to log entries up to `appliedIndex`: from here on it may leave. The same index
   * again is for work between entries (compaction), never within one.
   */
  seal(appliedIndex: number, term: number): void {
    assert(appliedIndex >= this.#appliedIndex, "the applied index never goes back");
    assert(term >= this.#term, "the applied term never goes back");
    if (!this.#unsealed && appliedIndex === this.#appliedIndex) return;
    this.#appliedIndex = appliedIndex;
    this.#term = term;
    this.#unsealed = false;
    this.#filling.complete(appliedIndex, term, ++this.#sealed);
    if (this.#filling.isFull) this.#close();
    this.#schedule();
  }

  /** Resolves once everything sealed so far is in the store; rejects if the store failed. */
  async drain(): Promise<void> {
    if (this.#fatal !== null) throw this.#fatal;
    if (this.#committedSeal === this.#sealed) return;
    queueMicrotask(this.#launchDue);
    await this.#drains.wait(this.#sealed);
  }

  /** Makes everything that the store has by now survive power loss, and moves `durableIndex`. One at a time. */
  async flush(): Promise<void> {
    assert(this.#flushing === null, "one flush at a time");
    this.#flushing = this.#flush();
    try {
      await this.#flushing;
    } finally {
      this.#flushing = null;
    }
  }

  /** Whether a flush is due at `nowMs` (monotonic). */
  flushDue(nowMs: number): boolean {
    const idle = this.#flushing !== null || this.#committedIndex === this.#durableIndex;
    return this.#policy.due(nowMs) && !idle;
  }

  /** The store at the end of a log entry, at least at everything sealed so far. */
  async sealedView(): Promise<SealedView> {
    if (this.#fatal !== null) throw this.#fatal;
    if (this.#committedSeal === this.#sealed) return this.#takeView();
    queueMicrotask(this.#launchDue);
    return await this.#viewers.wait(this.#sealed);
  }

  /** Waits for what is sealed, flushes, and closes the store. */
  async close(): Promise<void> {
    await this.drain();
    await this.#flushing;
    if (this.#committedIndex > this.#durableIndex) await this.flush();
    await this.#backend.close();
  }

  async #flush(): Promise<void> {
    const index = this.#committedIndex;
    this.#policy.started();
    try {
      await this.#backend.flush();
      this.#durableIndex = index;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #uncount(totals: BucketTotals, recordKey: Uint8Array, keyHash: number, stored: Overlaid): void {
    if (stored === undefined || stored === null) return;
    totals.apply(-1, keyHash, crcOf(stored), recordKey.length + stored.length);
  }

  /** The stored value as reads must see it now. */
  #stored(recordKey: Uint8Array): Overlaid {
    const overlaid = this.#overlaid(recordKey);
    return overlaid === undefined ? this.#backend.getSync(recordKey) : overlaid;
  }

  #overlaid(recordKey: Uint8Array): Overlaid {
    const name = latin1(recordKey);
    let found = this.#filling.find(name);
    for (let at = this.#closed.length - 1; found === undefined && at >= 0; at--) {
      found = this.#closed[at]?.find(name);
    }
    return found;
  }

  /** Ends the filling batch with the state that belongs to it. Only at a seal. */
  #close(): void {
    assert(!this.#unsealed, "a batch ends at the end of a log entry");
    const batch = this.#filling;
    const state = encodeState(batch.appliedIndex, batch.term, this.#totals);
    const recordKey = toRecordKey(Bucket.meta, STATE_KEY);
    const before = batch.bytes;
    batch.put(recordKey, toRecordValue(recordKey, state));
    this.#pendingBytes += batch.bytes - before;
    this.#closed.push(batch);
    this.#filling = new PendingBatch();
  }

  /**
   * A batch leaves a little later, so that what is applied meanwhile goes with it: each costs a thread's wake-up and
   * LevelDB's fixed work. A large one leaves after the current turn, as does one that somebody waits for.
   */
  #schedule(): void {
    if (this.#launchScheduled || this.#committing) return;
    this.#launchScheduled = true;
    const isLarge = this.#filling.isLarge || this.#closed.length > 0;
    const awaited = !this.#drains.isEmpty || !this.#viewers.isEmpty;
    if (isLarge || awaited) queueMicrotask(this.#launchDue);
    else this.#later(this.#launchDue);
  }

  readonly #launchDue = (): void => {
    this.#launchScheduled = false;
    this.#launch();
  };

  #launch(): void {
    if (this.#committing || this.#fatal !== null) return;
    if (this.#closed.length === 0) {
      if (this.#committedSeal === this.#sealed || this.#unsealed) return;
      this.#close();
    }
    this.#committing = true;
    const batch = present(this.#closed[0], "there is a batch to commit");
    this.#backend.commit(batch.operations).then(
      () => this.#landed(batch),
      (error: unknown) => this.#fail(error),
    );
  }

  #landed(batch: PendingBatch): void {
    assert(this.#closed[0] === batch, "batches land in their order");
    this.#closed.shift();
    this.#committing = false;
    this.#pendingBytes -= batch.bytes;
    this.#landedBytes += batch.bytes;
    this.#policy.bytes += batch.bytes;
    this.#policy.operations += batch.operations.length;
    this.#committedIndex = batch.appliedIndex;
    this.#committedSeal = batch.seal;
    for (const listener of this.#committedListeners) listener(batch.appliedIndex);
    this.#drains.landed(batch.seal, () => {});
    // Now, before the next batch starts: a view taken while one is in flight could hold it or not.
    this.#viewers.landed(batch.seal, () => this.#takeView());
    this.#schedule();
  }

  /** Only while no batch is in flight. */
  #takeView(): SealedView {
    assert(!this.#committing, "a view is taken between batches");
    return { view: this.#backend.view(), ...readState(this.#backend) };
  }

  #fail(error: unknown): void {
    if (this.#fatal !== null) return;
    this.#fatal = error;
    this.#drains.fail(error);
    this.#viewers.fail(error);
    for (const listener of this.#fatalListeners) listener(error);
  }
}
