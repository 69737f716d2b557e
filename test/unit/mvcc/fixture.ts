/** A store over the in-memory backend, driven entry by entry as apply drives it. */
import { setImmediate } from "node:timers/promises";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { type Key, toKey } from "../../../src/base/bytes.ts";
import type { CompactOutcome } from "../../../src/mvcc/compaction.ts";
import type { Pace } from "../../../src/mvcc/pace.ts";
import { plainQuery, type RangeOutcome, type RangeQuery } from "../../../src/mvcc/range.ts";
import { keyOf, RecordReader, valueOf } from "../../../src/mvcc/record.ts";
import type { CheckpointSource } from "../../../src/mvcc/restore.ts";
import { Store } from "../../../src/mvcc/store.ts";
import type { WriteTxn } from "../../../src/mvcc/write-txn.ts";

/** Real turns, no time: a slice never ends early by the clock. */
export const testPace: Pace = {
  now: () => 0,
  turn: async () => await setImmediate(),
  sleep: async () => await setImmediate(),
};

export interface FixtureOptions {
  readonly backend?: MemoryBackend;
  readonly cacheBytesMax?: number;
  readonly compactionRowsMax?: number;
  readonly checkpoint?: CheckpointSource | null;
  readonly pace?: Pace;
}

export class Fixture {
  readonly backend: MemoryBackend;
  readonly buffer: BackendBuffer;
  readonly store: Store;
  readonly fatal: unknown[];
  #index: number;

  static async open(options: FixtureOptions = {}): Promise<Fixture> {
    const backend = options.backend ?? new MemoryBackend();
    const buffer = BackendBuffer.open(backend);
    const fatal: unknown[] = [];
    const store = await Store.open({
      backend,
      buffer,
      pace: options.pace ?? testPace,
      checkpoint: options.checkpoint ?? null,
      cacheBytesMax: options.cacheBytesMax ?? 1 << 20,
      compactionRowsMax: options.compactionRowsMax ?? 1000,
      compactionPauseMs: 0,
      onFatal: (error) => fatal.push(error),
    });
    store.resumeCompaction();
    return new Fixture(backend, buffer, store, fatal);
  }

  private constructor(
    backend: MemoryBackend,
    buffer: BackendBuffer,
    store: Store,
    fatal: unknown[],
  ) {
    this.backend = backend;
    this.buffer = buffer;
    this.store = store;
    this.fatal = fatal;
    this.#index = buffer.appliedIndex;
  }

  /** Applies one entry that writes. */
  write(work: (txn: WriteTxn) => void): number {
    const txn = this.store.beginWrite();
    work(txn);
    const revision = txn.end();
    this.seal();
    return revision;
  }

  put(key: string, value = "", lease = 0n): number {
    return this.write((txn) => txn.put(k(key), bytes(value), lease));
  }

  delete(key: string, end: string | null = null): number {
    return this.write((txn) => {
      txn.deleteRange(k(key), end === null ? null : k(end), Number.MAX_SAFE_INTEGER);
    });
  }

  compact(at: number): CompactOutcome {
    const outcome = this.store.compact(at);
    this.seal();
    return outcome;
  }

  async compacted(at: number): Promise<void> {
    const outcome = this.compact(at);
    if (outcome.kind !== "scheduled") throw new Error(`compaction at ${at}: ${outcome.kind}`);
    await outcome.done;
  }

  seal(): void {
    this.#index++;
    this.buffer.seal(this.#index, 1);
  }

  /** Everything lands and survives; a new store over what is there. */
  async reopened(options: FixtureOptions = {}): Promise<Fixture> {
    await this.buffer.drain();
    await this.store.close();
    await this.buffer.drain();
    await this.buffer.flush();
    return await Fixture.open({ ...options, backend: this.backend.crash(0) });
  }
}

export function k(text: string): Key {
  return toKey(Buffer.from(text, "latin1"));
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

export function query(key: string, end: string | null, set: Partial<RangeQuery> = {}): RangeQuery {
  return { ...plainQuery(k(key), end === null ? null : k(end)), ...set };
}

/** A row as text: key=value create/mod/version. */
export function show(record: Uint8Array): string {
  const reader = new RecordReader();
  reader.read(record);
  const value = Buffer.from(valueOf(record)).toString("latin1");
  return `${keyOf(record)}=${value} ${reader.create}/${reader.mod}/${reader.version}`;
}

export function showOutcome(outcome: RangeOutcome): unknown {
  if (outcome.kind !== "rows") return outcome;
  return { count: outcome.count, more: outcome.more, rows: outcome.rows.map(show) };
}
