/**
 * Compaction: what nobody may read any more leaves the store. The logical part happens when the entry is applied and is the
 * same on every member; the physical part follows in slices, each member at its own pace, and resumes after a crash.
 *
 * ```
 * meta "scheduledCompactRev" -> main, 8 bytes big-endian     set at apply, in the batch of the entry
 * meta "finishedCompactRev"  -> main, 8 bytes big-endian     set with the last removals
 * ```
 */
import type { BackendIterator, BackendRow } from "../backend/backend.ts";
import type { BucketReader } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { openRecord } from "../backend/record.ts";
import { deferred, type Deferred } from "../base/deferred.ts";
import { QuorateError } from "../base/errors.ts";
import type { Key } from "../base/bytes.ts";
import type { Core } from "./core.ts";
import { anySlot, HistoryHasher, type HashShelf, recordKeyOf } from "./hash.ts";
import { keyOf } from "./record.ts";
import { readRevisionKey, type Revision, toRevisionKey } from "./revision.ts";
import { OPEN_END } from "./tree-walk.ts";

const SCHEDULED: Uint8Array = Buffer.from("scheduledCompactRev", "latin1");
const FINISHED: Uint8Array = Buffer.from("finishedCompactRev", "latin1");
/** Slots of the index that one slice looks at, and perhaps removes: a few milliseconds. */
const INDEX_SLOTS = 2_048;

export type CompactOutcome =
  | { readonly kind: "scheduled"; readonly done: Promise<void> }
  | { readonly kind: "compacted"; readonly compactRevision: number }
  | { readonly kind: "future"; readonly revision: Revision };

/** How far compactions got, as the store says. */
export interface CompactMarks {
  /** -1 if there was none. */
  readonly scheduled: number;
  readonly finished: number;
}

export interface CompactionPace {
  /** Records that one slice looks at. */
  readonly rowsMax: number;
  /** Between slices. */
  readonly pauseMs: number;
}

interface Job {
  readonly main: number;
  /** Compact revision before. */
  readonly before: number;
  /** The compaction before was finished: then this one sees every revision since, and its hash counts. */
  readonly gapless: boolean;
  readonly done: Deferred<void>;
}

export function readMarks(reader: BucketReader): CompactMarks {
  return { scheduled: readMark(reader, SCHEDULED), finished: readMark(reader, FINISHED) };
}

function readMark(reader: BucketReader, name: Uint8Array): number {
  const payload = reader.getSync(Bucket.meta, name);
  if (payload === undefined) return -1;
  if (payload.length !== 8) throw new QuorateError("corruption", "A compaction mark has 8 bytes");
  return Number(Buffer.from(payload).readBigUInt64BE());
}

export class Compactor {
  readonly #core: Core;
  readonly #shelf: HashShelf;
  readonly #pace: CompactionPace;
  readonly #onFatal: (error: unknown) => void;
  readonly #jobs: Job[] = [];
  #running: Promise<void> = Promise.resolve();
  #finished: number;
  #scheduled: number;

  constructor(
    core: Core,
    shelf: HashShelf,
    marks: CompactMarks,
    options: { readonly pace: CompactionPace; readonly onFatal: (error: unknown) => void },
  ) {
    this.#core = core;
    this.#shelf = shelf;
    this.#scheduled = marks.scheduled;
    this.#finished = marks.finished;
    this.#pace = options.pace;
    this.#onFatal = options.onFatal;
  }

  /** Goes on with what was applied and not finished in an earlier life: once, before anything is applied. */
  resume(): void {
    if (this.#scheduled <= this.#finished) return;
    void this.#enqueue(this.#scheduled, this.#finished, false); // its failure is told by onFatal
  }

  /** Removals of compactions that were applied are still going on. */
  get isRunning(): boolean {
    return this.#jobs.length > 0;
  }

  /** The logical part, while an entry is applied. `done` settles once nothing of it is left in the store. */
  compact(main: number): CompactOutcome {
    const core = this.#core;
    const before = core.compactRevision;
    if (main <= before) return { kind: "compacted", compactRevision: before };
    if (main > core.revision) return { kind: "future", revision: core.revision };
    core.compactRevision = main;
    core.buffer.put(Bucket.meta, SCHEDULED, mark(main));
    const gapless = this.#scheduled === this.#finished;
    this.#scheduled = main;
    return { kind: "scheduled", done: this.#enqueue(main, before, gapless) };
  }

  /** Resolves when no slice is under way any more; the core must be marked closed before. */
  async stop(): Promise<void> {
    this.#core.pins.letPass();
    await this.#running;
  }

  #enqueue(main: number, before: number, gapless: boolean): Promise<void> {
    const done = deferred<void>();
    done.promise.catch(() => {});
    this.#jobs.push({ main, before, gapless, done });
    if (this.#jobs.length === 1) this.#running = this.#run();
    return done.promise;
  }

  async #run(): Promise<void> {
    await this.#core.pace.turn(); // the entry that scheduled it ends first
    for (;;) {
      const job = this.#jobs[0];
      if (job === undefined) return;
      try {
        if (!(await this.#remove(job))) return;
        this.#jobs.shift();
        job.done.resolve();
      } catch (error) {
        for (const { done } of this.#jobs.splice(0)) done.reject(error);
        this.#onFatal(error);
        return;
      }
    }
  }

  /** False if the store was closed before it was done. */
  async #remove(job: Job): Promise<boolean> {
    const core = this.#core;
    const { main } = job;
    await core.pins.clearBelow(main);
    await core.buffer.drain();
    if (core.closed) return false;
    const keeps = (payload: Uint8Array, of: number, sub: number) =>
      core.index.isRetained(keyOf(payload), main, of, sub);
    const any = await anySlot(core, (leaf, slot) => leaf.isRetainedAt(slot, main));
    if (core.closed) return false;
    const hasher = new HistoryHasher(job.before, main, any ? keeps : null);
    const view = core.backend.view();
    const rows = view.iterate(recordKeyOf(0), recordKeyOf(main + 1));
    try {
      if (!(await this.#removeRows(rows, main, hasher))) return false;
    } finally {
      await rows.close();
      await view.close();
    }
    await this.#notWriting();
    if (core.closed) return false;
    core.buffer.put(Bucket.meta, FINISHED, mark(main));
    this.#seal();
    this.#finished = main;
    await this.#compactIndex(main);
    if (job.gapless) this.#shelf.add(hasher.finish());
    return true;
  }

  async #removeRows(rows: BackendIterator, main: number, hasher: HistoryHasher): Promise<boolean> {
    const core = this.#core;
    for (;;) {
      const batch = await rows.next(this.#pace.rowsMax);
      await this.#notWriting();
      if (core.closed) return false;
      if (batch.length === 0) return true;
      for (const row of batch) this.#removeRow(row, main, hasher);
      this.#seal();
      await core.pace.sleep(this.#pace.pauseMs);
    }
  }

  #removeRow([recordKey, value]: BackendRow, main: number, hasher: HistoryHasher): void {
    const core = this.#core;
    const payload = openRecord(recordKey, value);
    const revisionKey = recordKey.subarray(1);
    hasher.add(revisionKey, payload);
    const at = readRevisionKey(revisionKey);
    if (core.index.isRetained(keyOf(payload), main, at.main, at.sub)) return;
    core.buffer.delete(Bucket.keys, revisionKey, payload);
    core.counts.compactedRecords++;
  }

  /** The index forgets after the store did: what it still knows decides what a slice removes. */
  async #compactIndex(main: number): Promise<void> {
    const core = this.#core;
    let from: Key | null = OPEN_END;
    while (from !== null && !core.closed) {
      await this.#notWriting();
      from = core.index.compactSlice(from, main, INDEX_SLOTS);
      await core.pace.turn();
    }
  }

  /** Between entries: a seal in the midst of a long write would tear it. */
  async #notWriting(): Promise<void> {
    while (this.#core.writing && !this.#core.closed) await this.#core.pace.turn();
  }

  #seal(): void {
    const { buffer } = this.#core;
    buffer.seal(buffer.appliedIndex, buffer.term);
  }
}

function mark(main: number): Uint8Array {
  return toRevisionKey(main as Revision, 0, false).subarray(0, 8);
}
