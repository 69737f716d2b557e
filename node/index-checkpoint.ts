/** Copies of the index beside the store: a restart reads the records since the last one alone (src/mvcc/checkpoint.ts). */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

import { Bucket } from "../src/backend/buckets.ts";
import type { Logger } from "../src/base/ports.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { CheckpointMark } from "../src/mvcc/checkpoint.ts";
import type { CheckpointSource } from "../src/mvcc/restore.ts";
import { syncDirectory } from "./sync-directory.ts";

const READ_BYTES = 1024 * 1024;
/** Fewer new records are read quickly enough at a start. */
const RECORDS_MIN = 25_000;
/** A copy is made anew when so many parts of all records are newer than the last one: it costs each record a microsecond. */
const NEW_PARTS = 8;
/** Between two copies for the sake of a compaction, and after one that failed. */
const PAUSE_MS = 60_000;

export function checkpointPath(storePath: string): string {
  return join(storePath, "INDEX");
}

/** The copy in the store's directory; null if there is none that can be opened. To be closed. */
export async function openCheckpoint(storePath: string): Promise<CheckpointFile | null> {
  const file = await open(checkpointPath(storePath), "r").catch(() => null);
  return file === null ? null : new CheckpointFile(file);
}

/** What cannot be read ends it: the index is then rebuilt from the records. */
export class CheckpointFile implements CheckpointSource {
  readonly #file: FileHandle;
  #bytes = Buffer.alloc(READ_BYTES);
  #at = 0;
  #end = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(size: number): Promise<Buffer | null> {
    if (this.#end - this.#at < size && !(await this.#refill(size))) return null;
    const from = this.#at;
    this.#at += size;
    return this.#bytes.subarray(from, this.#at);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #refill(size: number): Promise<boolean> {
    const left = this.#bytes.subarray(this.#at, this.#end);
    const bytes = size > this.#bytes.length ? Buffer.alloc(size) : this.#bytes;
    bytes.set(left);
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = left.length;
    while (this.#end < size) {
      const read = this.#file.read(bytes, this.#end, bytes.length - this.#end);
      const { bytesRead } = await read.catch(() => ({ bytesRead: 0 }));
      if (bytesRead === 0) return false;
      this.#end += bytesRead;
    }
    return true;
  }
}

export interface IndexCheckpointOptions {
  /** Asked at each use: it changes when a state is adopted. */
  readonly machine: () => Machine;
  /** Directory of the store in use. */
  readonly storePath: () => string;
  /** Makes what is in the store survive power loss. */
  readonly flush: () => Promise<void>;
  readonly logger: Logger;
}

/** Decides when a copy is made, and puts it in place once the store on disk is at least as new. */
export class IndexCheckpoints {
  readonly #machine: () => Machine;
  readonly #storePath: () => string;
  readonly #flush: () => Promise<void>;
  readonly #logger: Logger;
  #of: Machine | null = null;
  /** Of the last copy, or where counting began. */
  #lastMain = 0;
  #lastRecords = 0;
  #waitUntilMs = 0;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: IndexCheckpointOptions) {
    this.#machine = options.machine;
    this.#storePath = options.storePath;
    this.#flush = options.flush;
    this.#logger = options.logger;
  }

  /** About ten times a second. */
  tick(nowMs: number): void {
    if (this.#stopped || this.#writing !== null) return;
    const machine = this.#machine();
    if (machine !== this.#of) this.#begin(machine);
    if (!this.#isDue(machine, nowMs)) return;
    this.#writing = this.#write(machine, nowMs).finally(() => {
      this.#writing = null;
    });
  }

  /** Gives up what is under way, and waits for it to end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
  }

  #begin(machine: Machine): void {
    const { restored } = machine.store;
    this.#of = machine;
    this.#lastMain = restored?.main ?? 0;
    // What the store had before counts as new, unless a copy had it.
    const before = restored === null ? machine.buffer.totals(Bucket.keys).count : 0;
    this.#lastRecords = machine.buffer.recordsPut - before;
    this.#waitUntilMs = 0;
  }

  #isDue(machine: Machine, nowMs: number): boolean {
    const { store, buffer } = machine;
    if (nowMs < this.#waitUntilMs || store.isCompacting) return false;
    const { count } = buffer.totals(Bucket.keys);
    if (count < RECORDS_MIN) return false;
    const since = buffer.recordsPut - this.#lastRecords;
    if (since >= Math.max(RECORDS_MIN, count / NEW_PARTS)) return true;
    // A compaction above its revision makes a copy useless.
    return store.compactRevision > this.#lastMain;
  }

  /** The copy is no more than a help: a failure is told, and tried again later. */
  async #write(machine: Machine, nowMs: number): Promise<void> {
    const records = machine.buffer.recordsPut;
    const path = checkpointPath(this.#storePath());
    this.#waitUntilMs = nowMs + PAUSE_MS;
    try {
      const mark = await this.#draft(machine, `${path}.tmp`);
      if (mark === null || !(await this.#isDurable(machine, mark))) {
        await rm(`${path}.tmp`, { force: true });
        return;
      }
      await rename(`${path}.tmp`, path);
      await syncDirectory(dirname(path));
      if (mark.compactRevision <= this.#lastMain) this.#waitUntilMs = 0;
      this.#lastMain = mark.main;
      this.#lastRecords = records;
    } catch (error) {
      const reason = QuorateError.from(error).message;
      if (!this.#stopped) this.#logger.warn({ reason }, "the index was not copied to disk");
    }
  }

  async #draft(machine: Machine, path: string): Promise<CheckpointMark | null> {
    const file = await open(path, "w", 0o600);
    try {
      const mark = await machine.writeCheckpoint(async (block) => {
        if (this.#stopped) throw new QuorateError("cancelled", "the member stops");
        await file.writeFile(block);
      });
      if (mark !== null) await file.sync();
      return mark;
    } finally {
      await file.close();
    }
  }

  /** Flushes until a restart would find the store at or after the copy: an older store has no use for it. */
  async #isDurable(machine: Machine, mark: CheckpointMark): Promise<boolean> {
    const { buffer } = machine;
    const isCurrent = (): boolean => !this.#stopped && this.#machine() === machine;
    while (isCurrent() && buffer.durableIndex < mark.appliedIndex) {
      if (buffer.committedIndex < mark.appliedIndex) await buffer.drain();
      await this.#flush();
    }
    return isCurrent();
  }
}
