/**
 * The replicated history of all keys: writes make revisions, reads see any revision that is not compacted. In memory: the
 * index, the newest values, and what has not reached the backend; everything else is read from there.
 */
import type { Backend } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import type { BackendBuffer } from "../backend/buffer.ts";
import { assert } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";
import { type CheckpointMark, type CheckpointSink, writeCheckpoint } from "./checkpoint.ts";
import type { Change, ChangeSlice, History } from "./change.ts";
import { type CompactOutcome, Compactor, readMarks } from "./compaction.ts";
import { Core, type StoreCounts } from "./core.ts";
import { hashHistory, type HashOutcome, HashShelf, type HistoryHash } from "./hash.ts";
import { previousRecord, readChanges } from "./history.ts";
import { SUB_MAX } from "./key-index.ts";
import { slotVersionAt } from "./leaf-slot.ts";
import type { Pace } from "./pace.ts";
import type { Pin, Position } from "./pins.ts";
import type { RangeOutcome, RangeQuery, RangeRefusal, RangeRows, RangeSummary } from "./range.ts";
import { Reader, type RangeSink } from "./reader.ts";
import { type Rebuilt, rebuildIndex } from "./rebuild.ts";
import { type CheckpointSource, restoreIndex } from "./restore.ts";
import { FIRST_REVISION, type Revision } from "./revision.ts";
import { TreeIndex } from "./tree-index.ts";
import type { LeafVisitor } from "./tree-walk.ts";
import type { Version } from "./version.ts";
import { WriteTxn } from "./write-txn.ts";

/** Newest values at hand. */
export const CACHE_BYTES_MAX: number = 32 * 1024 * 1024;

export interface StoreOptions {
  readonly backend: Backend;
  /** Of the same backend, just opened. */
  readonly buffer: BackendBuffer;
  readonly pace: Pace;
  readonly cacheBytesMax?: number;
  /** Records that one slice of a compaction looks at; 1000 by default. */
  readonly compactionRowsMax?: number;
  /** Between two slices; 10 by default. */
  readonly compactionPauseMs?: number;
  /** What `writeCheckpoint` left of this store; null (the default): every record is read. */
  readonly checkpoint?: CheckpointSource | null;
  /** Background work failed: the store is damaged or the backend refuses. The process must end. */
  readonly onFatal: (error: unknown) => void;
}

export class Store implements History {
  readonly #core: Core;
  readonly #reader: Reader;
  readonly #shelf = new HashShelf();
  /** Of the checkpoint that the index came from: records up to it were not looked at. Null if all were. */
  readonly restored: CheckpointMark | null;
  readonly #compactor: Compactor;
  #leases: Map<Key, bigint>;

  /**
   * Reads every record once and checks it, or where there is a checkpoint those written since. A compaction that was cut short
   * waits for `resumeCompaction`. Throws QuorateError "corruption".
   */
  static async open(options: StoreOptions): Promise<Store> {
    const { backend, buffer, pace, checkpoint = null } = options;
    const marks = readMarks(buffer);
    const newIndex = (): TreeIndex => new TreeIndex(options.cacheBytesMax ?? CACHE_BYTES_MAX);
    let index = newIndex();
    let found: (Rebuilt & { readonly mark: CheckpointMark | null }) | null =
      checkpoint === null
        ? null
        : await restoreIndex(checkpoint, { backend, buffer, index }, marks);
    const restored = found === null ? null : found.mark;
    if (found === null) {
      index = newIndex();
      const rebuilt = await rebuildIndex(backend, index, buffer.totals(Bucket.keys));
      found = { ...rebuilt, mark: null };
    }
    const core = new Core(backend, buffer, pace, index, options.onFatal);
    // A compaction may have removed the newest record: the marks know then how far the revision was.
    const main = Math.max(FIRST_REVISION, found.main, marks.scheduled, marks.finished);
    core.revision = main as Revision;
    core.headMain = main;
    core.headSub = found.main === main ? found.sub : SUB_MAX;
    core.compactRevision = Math.max(marks.scheduled, marks.finished);
    return new Store(core, marks, { leases: found.leases, restored }, options);
  }

  private constructor(
    core: Core,
    marks: { readonly scheduled: number; readonly finished: number },
    found: { readonly leases: Map<Key, bigint>; readonly restored: CheckpointMark | null },
    options: StoreOptions,
  ) {
    this.#core = core;
    this.#leases = found.leases;
    this.restored = found.restored;
    this.#reader = new Reader(core);
    this.#compactor = new Compactor(core, this.#shelf, marks, {
      pace: {
        rowsMax: options.compactionRowsMax ?? 1000,
        pauseMs: options.compactionPauseMs ?? 10,
      },
      onFatal: options.onFatal,
    });
  }

  /** Of the last write that ended. 1 in an empty store. */
  get revision(): Revision {
    return this.#core.revision;
  }

  /** -1 before the first compaction. Never above `revision`. */
  get compactRevision(): number {
    return this.#core.compactRevision;
  }

  /** Live keys. */
  get keyCount(): number {
    return this.#core.index.liveCount;
  }

  /** Bytes that the cache of newest values takes. */
  get cacheBytes(): number {
    return this.#core.index.cache.bytes;
  }

  /** For metrics, and for whoever runs operations to count them. */
  get counts(): StoreCounts {
    return this.#core.counts;
  }

  /** Revisions that somebody is reading and that no compaction may remove. */
  get pinCount(): number {
    return this.#core.pins.count;
  }

  /** Revisions are still being removed in the background. */
  get isCompacting(): boolean {
    return this.#compactor.isRunning;
  }

  /** What recovery found attached: for the lessor, once. */
  takeLeases(): Map<Key, bigint> {
    const leases = this.#leases;
    this.#leases = new Map();
    return leases;
  }

  /** Begins the write of one log entry. One at a time; it must be ended. */
  beginWrite(): WriteTxn {
    return new WriteTxn(this.#core);
  }

  /** The live version of `key` now. In a write, that is what the write has done so far. For apply. */
  current(key: Key): Version | null {
    return this.#core.index.current(key);
  }

  /** Visits the live versions of [key, end) now, in key order, until the visitor answers false. For apply. */
  forEachCurrent(key: Key, end: Key, visitor: (version: Version) => boolean): void {
    const { headMain, headSub } = this.#core;
    const visit: LeafVisitor = (leaf, from, to) => {
      for (let slot = from; slot < to; slot++) {
        const version = slotVersionAt(leaf, slot, headMain, headSub);
        if (version !== null && !visitor(version)) return false;
      }
      return true;
    };
    this.#core.index.visit(key, end, visit);
  }

  /** The encoded KeyValue of a version. Synchronous, on the loop where it is not in memory: for apply alone. */
  recordSync(version: Version): Uint8Array {
    return version.record ?? this.#core.values.loadSync(version.main, version.sub);
  }

  /** The encoded KeyValues of versions whose revisions are pinned or not compacted. Rejects with "corruption". */
  async records(versions: readonly Version[]): Promise<readonly Uint8Array[]> {
    return await this.#reader.records(versions);
  }

  /** Keeps `position` readable until the pin is released, whatever is compacted meanwhile. */
  pin(position: Position): Pin {
    const floor = position.sub === SUB_MAX ? position.main : position.main - 1;
    assert(
      floor >= this.#core.compactRevision || position.main >= this.#core.revision,
      "only what is still there is pinned",
    );
    return this.#core.pins.pin(position.main, position.sub);
  }

  /** Why `revision` cannot be read now; null if it can. 0 and below is the newest. */
  refusal(revision: number): RangeRefusal | null {
    return this.#reader.refusal(revision);
  }

  /** Live keys of [key, end) now: cheap, whatever the size. Null end: the one key. */
  count(key: Key, end: Key | null): number {
    if (end === null) return this.#core.index.current(key) === null ? 0 : 1;
    return this.#core.index.countLive(key, end);
  }

  /** Answers at once where all is in memory and the range is short; else a promise, which may reject with "corruption". */
  range(query: RangeQuery): RangeOutcome | Promise<RangeOutcome> {
    return this.#reader.range(query);
  }

  /** As `range`, at a position that the caller has pinned or just taken. `query.revision` does not count. */
  rangeAt(query: RangeQuery, position: Position): RangeRows | Promise<RangeRows> {
    return this.#reader.rangeAt(query, position);
  }

  /**
   * A range of any size, in slices, as encoded bytes. Null position: as the query says. Rejects with the signal's reason.
   */
  async rangeInto(
    query: RangeQuery,
    position: Position | null,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<RangeSummary | RangeRefusal> {
    return await this.#reader.rangeInto(query, position, sink, signal);
  }

  readChanges(from: Revision, end: Revision, revisionsMax: number): Promise<ChangeSlice> {
    return readChanges(this.#core, from, end, revisionsMax);
  }

  previousRecord(change: Change): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return previousRecord(this.#core, change);
  }

  /**
   * Goes on with a compaction that an earlier life did not finish. Not before everything was read that is compared with what the
   * store counts: it changes both, one after the other.
   */
  resumeCompaction(): void {
    this.#compactor.resume();
  }

  /** The logical part of a compaction, while its entry is applied; the removal follows in the background. */
  compact(at: number): CompactOutcome {
    return this.#compactor.compact(at);
  }

  /** HashKV at `revision`; 0 and below: the newest. In slices. */
  async hash(revision: number, signal: AbortSignal): Promise<HashOutcome> {
    try {
      return await hashHistory(this.#core, this.#shelf, revision, signal);
    } catch (error) {
      this.#core.onDamage(error);
      throw error;
    }
  }

  /** Hashes that the last compactions took, by revision. */
  get compactHashes(): readonly HistoryHash[] {
    return this.#shelf.all;
  }

  /**
   * Copies the index, as of now, to where the next start can read it; between entries. `leaseOf` answers the lease that a
   * key hangs on, 0 for none. Null if a compaction came in between: the copy is then worth nothing.
   */
  async writeCheckpoint(
    leaseOf: (key: Key) => bigint,
    sink: CheckpointSink,
  ): Promise<CheckpointMark | null> {
    return await writeCheckpoint(this.#core, leaseOf, sink);
  }

  /** Ends background work. The backend stays open: it is the caller's. */
  async close(): Promise<void> {
    this.#core.closed = true;
    await this.#compactor.stop();
  }
}
