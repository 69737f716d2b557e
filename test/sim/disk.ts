/**
 * The disk under a member's log. Kept are two images: what is durable, which the judges look at and a crash leaves, and what
 * the member was told of, which its core reads. A batch is atomic (its checksum covers it whole): a crash in the middle of
 * the one write in flight leaves all of it or nothing. Batches become durable in order.
 *
 * `log-twin.ts` carries out what a run did to this model on `src/wal`, and compares.
 */
import { assert, present } from "../../src/base/assert.ts";
import type { RaftStorage } from "../../src/raft/storage.ts";
import type { LogOperation } from "./log-twin.ts";
import {
  NO_INDEX,
  NO_MEMBER,
  NO_TERM,
  type Entry,
  type HardState,
  type Index,
  type Membership,
  type SnapshotMark,
  type Term,
} from "../../src/raft/types.ts";

/** One write: first the log becomes empty after `reset`, then it continues with `append`. */
export interface LogBatch {
  readonly reset: SnapshotMark | null;
  /** Contiguous; replaces what the log holds from append[0].index on. */
  readonly append: readonly Entry[];
  readonly hardState: HardState | null;
}

/** What judges may ask of the bytes on the platter. */
export interface DurableLog {
  readonly hardState: HardState;
  firstIndex(): Index;
  lastIndex(): Index;
  /** Null where the log has no such entry: compacted away below firstIndex() - 1, or beyond the last. */
  term(index: Index): Term | null;
}

/** All that a member asks of its log. */
export interface MemberLog extends RaftStorage {
  /** The present content of the disk. */
  readonly durable: DurableLog;
  /** Starts the one write in flight; `done` is called once it is durable, and never after a crash. */
  write(batch: LogBatch, done: () => void): void;
  /** Tells the core's side that the write reported last is in the log now. */
  settle(batch: LogBatch): void;
  /** The core's side is empty after `mark`; a batch with this `reset` follows. */
  reset(mark: SnapshotMark): void;
  /** Forgets entries up to and including `index`, which the store holds durably. */
  compact(index: Index): void;
  /** Power is gone: the write in flight is durable or not; what was not begun is lost. */
  crash(): void;
  /**
   * After a crash, with the mark of the durable store: mends what the crash tore apart between the two. True if there was
   * something to mend.
   */
  recover(mark: SnapshotMark): boolean;
}

/** A log held in memory: a prefix that is gone and the entries after it. */
export class LogImage implements DurableLog {
  #prefixIndex: Index = NO_INDEX;
  #prefixTerm: Term = NO_TERM;
  #entries: Entry[] = [];
  hardState: HardState = { term: NO_TERM, vote: NO_MEMBER, commit: NO_INDEX };

  firstIndex(): Index {
    return (this.#prefixIndex + 1) as Index;
  }

  lastIndex(): Index {
    return (this.#prefixIndex + this.#entries.length) as Index;
  }

  term(index: Index): Term | null {
    if (index === this.#prefixIndex) return this.#prefixTerm;
    return this.#entries[index - this.#prefixIndex - 1]?.term ?? null;
  }

  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    if (from <= this.#prefixIndex) return null;
    assert(end <= this.lastIndex() + 1, "nobody asks for entries beyond the last");
    const some: Entry[] = [];
    let bytes = 0;
    for (let index: number = from; index < end; index++) {
      const entry = present(this.#entries[index - this.#prefixIndex - 1], "entries are contiguous");
      bytes += entry.data.length;
      if (some.length > 0 && bytes > bytesMax) break;
      some.push(entry);
    }
    return some;
  }

  reset(mark: SnapshotMark): void {
    this.#prefixIndex = mark.index;
    this.#prefixTerm = mark.term;
    this.#entries = [];
  }

  apply(batch: LogBatch): void {
    if (batch.reset !== null) this.reset(batch.reset);
    this.#append(batch.append);
    if (batch.hardState !== null) this.hardState = batch.hardState;
  }

  compact(index: Index): void {
    if (index <= this.#prefixIndex) return;
    const term = present(this.term(index), "only what the log holds is compacted");
    this.#entries.splice(0, index - this.#prefixIndex);
    this.#prefixIndex = index;
    this.#prefixTerm = term;
  }

  copyFrom(other: LogImage): void {
    this.#prefixIndex = other.#prefixIndex;
    this.#prefixTerm = other.#prefixTerm;
    this.#entries = other.#entries.slice();
    this.hardState = other.hardState;
  }

  /** Drops the last `count` entries: what a broken log would do. Only mutants call it. */
  forgetTail(count: number): void {
    this.#entries.length = Math.max(0, this.#entries.length - count);
  }

  #append(append: readonly Entry[]): void {
    const first = append[0];
    if (first === undefined) return;
    // Appended again after a compaction: what the prefix covers is applied already and stays as it is.
    let skipped = 0;
    while (skipped < append.length && (append[skipped]?.index ?? 0) <= this.#prefixIndex) skipped++;
    const from = (append[skipped]?.index ?? this.lastIndex() + 1) - this.#prefixIndex - 1;
    assert(from <= this.#entries.length, "a log has no gap");
    if (skipped === append.length) return;
    this.#entries.length = from;
    for (let at = skipped; at < append.length; at++) {
      const entry = present(append[at], "append is dense");
      assert(entry.index === this.lastIndex() + 1, "appended entries are contiguous");
      this.#entries.push(entry);
    }
  }
}

/** What the machine side of a member tells its log at the core's request. */
export interface StoreSide {
  /** Who takes part according to the store as of now, and up to where it is applied. */
  mark(): SnapshotMark;
  /** A state for a follower; null if none can be had now. */
  offer(): SnapshotMark | null;
}

/** Delays and accidents of one disk, decided elsewhere. */
export interface DiskLuck {
  /** Milliseconds that the next write takes. */
  writeDelay(): number;
  /** Whether a write in flight at a crash became durable. */
  survives(): boolean;
}

export class ModelLog implements MemberLog {
  readonly durable: LogImage = new LogImage();
  readonly #view = new LogImage();
  readonly #store: StoreSide;
  readonly #luck: DiskLuck;
  readonly #after: (delay: number, act: () => void) => void;
  readonly #tell: (operation: LogOperation) => void;
  #inFlight: LogBatch | null = null;
  /** Counts crashes: a completion of an earlier life is nobody's. */
  #life = 0;

  /** `tell` hears of everything that happens to the disk. */
  constructor(
    store: StoreSide,
    luck: DiskLuck,
    after: (delay: number, act: () => void) => void,
    tell: (operation: LogOperation) => void,
  ) {
    this.#tell = tell;
    this.#store = store;
    this.#luck = luck;
    this.#after = after;
  }

  initial(): { readonly hardState: HardState; readonly membership: Membership } {
    const mark = this.#store.mark();
    const { term, vote, commit } = this.#view.hardState;
    // The store may be ahead of the commit on disk, which is written lazily: what is applied is committed.
    const known = Math.max(commit, mark.index) as Index;
    return { hardState: { term, vote, commit: known }, membership: mark.membership };
  }

  firstIndex(): Index {
    return this.#view.firstIndex();
  }
  lastIndex(): Index {
    return this.#view.lastIndex();
  }
  term(index: Index): Term | null {
    return this.#view.term(index);
  }
  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    return this.#view.entries(from, end, bytesMax);
  }
  snapshot(): SnapshotMark | null {
    return this.#store.offer();
  }

  write(batch: LogBatch, done: () => void): void {
    assert(this.#inFlight === null, "one write is in flight");
    this.#inFlight = batch;
    const life = this.#life;
    this.#after(this.#luck.writeDelay(), () => {
      if (life !== this.#life) return;
      this.durable.apply(batch);
      this.#tell({ kind: "write", batch });
      this.#inFlight = null;
      done();
    });
  }

  settle(batch: LogBatch): void {
    this.#view.apply(batch);
  }

  reset(mark: SnapshotMark): void {
    this.#view.reset(mark);
  }

  compact(index: Index): void {
    this.#view.compact(index);
    // The disk may be behind the view by a reset that is still to be written; then there is nothing to release yet.
    if (this.durable.term(index) !== null) this.durable.compact(index);
  }

  crash(): void {
    this.#life++;
    const batch = this.#inFlight;
    const survived = batch !== null && this.#luck.survives();
    if (batch !== null && survived) this.durable.apply(batch);
    this.#tell({ kind: "crash", batch, survived });
    this.#inFlight = null;
  }

  recover(mark: SnapshotMark): boolean {
    const { durable } = this;
    let mended = false;
    const before = durable.hardState;
    assert(durable.firstIndex() <= mark.index + 1, "the log reaches back to the durable store");
    if (durable.term(mark.index) !== mark.term) {
      // The store adopted a snapshot, and power went before the log was reset to it.
      durable.reset(mark);
      mended = true;
    }
    if (durable.hardState.term < mark.term) {
      // In that term this member has not voted: its vote would have been durable before it left.
      durable.hardState = { term: mark.term, vote: NO_MEMBER, commit: durable.hardState.commit };
    }
    this.#view.copyFrom(durable);
    if (mended || durable.hardState !== before) {
      const image = new LogImage();
      image.copyFrom(durable);
      this.#tell({ kind: "become", image });
    }
    return mended;
  }

  /** The core's side becomes what is on the disk. */
  reload(): void {
    this.#view.copyFrom(this.durable);
  }
}
