/** The log's files: created and removed off the loop, read on it (rarely), written by a thread of their own, or on it. */
import * as fs from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getSystemErrorName } from "node:util";
import { Worker } from "node:worker_threads";
import { assert, present } from "../src/base/assert.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { LogDevice } from "../src/wal/fs.ts";
import type { BufferMessage, StorageWorkerData } from "./storage-worker.ts";
import {
  BUFFER,
  CONTROL_SIZE,
  DONE,
  ERRNO,
  FD,
  FLOATS_BYTE,
  OFFSET,
  REQUEST,
  SIZE,
  START,
  STOP,
  TOOK_MS,
  writeDurably,
} from "./storage-worker.ts";
import { syncDirectory, syncDirectoryNow } from "./sync-directory.ts";
import { WritePace } from "./write-pace.ts";

export interface StorageOptions {
  /** Created with mode 0700 if absent. */
  readonly directory: string;
  /** False: writes may be lost at a power cut (`--unsafe-no-fsync`). */
  readonly sync: boolean;
  /** How often the thread looks for the next request before it sleeps. Default 0. */
  readonly spins?: number;
  /** Which writes the caller's thread makes itself. Default: small ones, once the disk has shown that it is fast. */
  readonly pace?: WritePace;
}

interface OpenFile {
  readonly fd: number;
  readonly size: number;
}

const TEMPORARY = ".tmp";
const ZEROS_SIZE = 1024 * 1024;
/** A step of what is made at leisure, which the log's write behind it hardly notices, and the pause after it. */
const LEISURE_SIZE = 256 * 1024;
const LEISURE_MS = 20;
const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

/**
 * A `LogDevice` over one directory. Keeps the process alive until it is closed. Files appear under their name only when
 * they are complete: a creation that a crash cut short leaves a `.tmp` file, removed at the next start.
 */
export class FileLogDevice implements LogDevice {
  readonly #directory: string;
  readonly #sync: boolean;
  readonly #files = new Map<string, OpenFile>();
  readonly #memory = new SharedArrayBuffer(CONTROL_SIZE);
  readonly #control = new Int32Array(this.#memory, 0, 7);
  readonly #floats = new Float64Array(this.#memory, FLOATS_BYTE, 2);
  readonly #pace: WritePace;
  readonly #worker: Worker;
  /** What the caller builds batches in. */
  #shared: Uint8Array = new Uint8Array(new SharedArrayBuffer(0));
  #sharedNumber = 0;
  /** What anything else is copied to. */
  #bounce: Uint8Array = new Uint8Array(new SharedArrayBuffer(0));
  #bounceNumber = 0;
  /** Counts the buffers there were. */
  #buffers = 0;
  #requests = 0;
  #busy = false;
  #closed = false;

  /** Opens the directory, makes it durable and removes what an interrupted creation left. Throws "storage". */
  static open(options: StorageOptions): FileLogDevice {
    return attempt(`open log directory ${options.directory}`, () => {
      makeDirectory(options.directory);
      return new FileLogDevice(options);
    });
  }

  private constructor(options: StorageOptions) {
    this.#directory = options.directory;
    this.#sync = options.sync;
    this.#pace = options.pace ?? new WritePace();
    for (const entry of fs.readdirSync(this.#directory, { withFileTypes: true })) {
      if (entry.isDirectory()) continue;
      if (entry.name.endsWith(TEMPORARY)) fs.unlinkSync(join(this.#directory, entry.name));
      else this.#open(entry.name);
    }
    syncDirectoryNow(this.#directory);
    const { url } = import.meta;
    const script = new URL(`./storage-worker${url.slice(url.lastIndexOf("."))}`, url);
    const workerData: StorageWorkerData = { logControl: this.#memory, spins: options.spins ?? 0 };
    // Options of this process may be wrong for a thread (`--eval` with `--input-type` ends it).
    this.#worker = new Worker(script, { workerData, name: "quorate-log", execArgv: [] });
    // The thread ends only when asked to. If it dies, whoever waits for a write must hear of it.
    this.#worker.on("error", () => this.#worker.unref());
    this.#worker.on("exit", () => this.#abandon());
  }

  #abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control[ERRNO] = -5;
    Atomics.store(this.#control, DONE, this.#requests);
    Atomics.notify(this.#control, DONE);
  }

  #open(name: string): void {
    const { O_RDWR, O_DSYNC } = fs.constants;
    const path = join(this.#directory, name);
    const fd = fs.openSync(path, this.#sync ? O_RDWR | O_DSYNC : O_RDWR);
    this.#files.set(name, { fd, size: fs.fstatSync(fd).size });
  }

  #file(name: string): OpenFile {
    return present(this.#files.get(name), `log file ${name} is open`);
  }

  list(): readonly string[] {
    return [...this.#files.keys()].toSorted();
  }

  sizeOf(name: string): number {
    return this.#file(name).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const { fd, size } = this.#file(name);
    if (offset + length > size) {
      throw new QuorateError(
        "storage",
        `log file ${name} ends at ${size}, before ${offset + length}`,
      );
    }
    const bytes = new Uint8Array(length);
    return attempt(`read log file ${name} offset ${offset}`, () => {
      for (let done = 0; done < length;) {
        const count = fs.readSync(fd, bytes, done, length - done, offset + done);
        if (count === 0) throw new QuorateError("storage", `log file ${name} was cut short`);
        done += count;
      }
      return bytes;
    });
  }

  async create(
    name: string,
    size: number,
    recycled: string | null,
    needed: () => number,
  ): Promise<void> {
    assert(!this.#files.has(name), "a log file is created once");
    const path = join(this.#directory, name);
    try {
      if (recycled === null) {
        await this.#fill(path + TEMPORARY, size, needed);
        await rename(path + TEMPORARY, path);
        await this.#syncDirectory();
        this.#open(name);
        return;
      }
      const file = this.#file(recycled);
      assert(file.size === size, "a recycled file keeps its size");
      await rename(join(this.#directory, recycled), path);
      this.#files.delete(recycled);
      this.#files.set(name, file);
      await this.#syncDirectory();
    } catch (error) {
      fs.rmSync(path + TEMPORARY, { force: true });
      throw toStorageError(`create log file ${name}`, error);
    }
  }

  /**
   * Zeros, really written: a write into blocks that are only reserved costs a journal commit. In small steps, so that the
   * log's own writes do not wait behind all of it, and slowly where nobody waits.
   */
  async #fill(path: string, size: number, needed: () => number): Promise<void> {
    const file = await open(path, "wx", 0o600);
    try {
      const zeros = new Uint8Array(Math.min(ZEROS_SIZE, size));
      for (let done = 0; done < size;) {
        const isAhead = done >= needed() * size;
        const length = Math.min(isAhead ? LEISURE_SIZE : ZEROS_SIZE, size - done);
        const { bytesWritten } = await file.write(zeros, 0, length, done);
        done += bytesWritten;
        if (this.#sync) await file.datasync();
        if (isAhead && done < size) await sleep(LEISURE_MS);
      }
      if (this.#sync) await file.sync();
    } finally {
      await file.close();
    }
  }

  async #syncDirectory(): Promise<void> {
    if (this.#sync) await syncDirectory(this.#directory);
  }

  async remove(name: string): Promise<void> {
    const { fd } = this.#file(name);
    this.#files.delete(name);
    try {
      fs.closeSync(fd);
      await unlink(join(this.#directory, name));
      await this.#syncDirectory();
    } catch (error) {
      throw toStorageError(`remove log file ${name}`, error);
    }
  }

  buffer(size: number): Uint8Array {
    const memory = new SharedArrayBuffer(size);
    this.#shared = new Uint8Array(memory);
    this.#sharedNumber = this.#post(memory, 0);
    return this.#shared;
  }

  #post(memory: SharedArrayBuffer, role: 0 | 1): number {
    this.#buffers += 1;
    const message: BufferMessage = { number: this.#buffers, role, memory };
    this.#worker.postMessage(message);
    return this.#buffers;
  }

  write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    assert(!this.#busy, "one write is in flight");
    const { fd, size } = this.#file(name);
    assert(offset + bytes.length <= size, "a write stays within its file");
    if (this.#closed) {
      return Promise.reject(new QuorateError("storage", "the log's thread has ended"));
    }
    this.#busy = true;
    const written = this.#pace.isHere(bytes.length)
      ? this.#writeHere(fd, offset, bytes)
      : this.#handOver(fd, offset, bytes);
    return written.then((errno) => {
      this.#busy = false;
      if (errno === 0) return;
      throw new QuorateError(
        "storage",
        `write log file ${name} offset ${offset}: ${getSystemErrorName(errno)}`,
      );
    });
  }

  /** On this thread, but not before the caller's turn has ended: what it has to say to others leaves first. */
  #writeHere(fd: number, offset: number, bytes: Uint8Array): Promise<number> {
    return Promise.resolve().then(() => {
      const startedMs = performance.now();
      const errno = writeDurably(fd, bytes, 0, bytes.length, offset);
      this.#pace.took(performance.now() - startedMs);
      return errno;
    });
  }

  /** On the log's thread. */
  async #handOver(fd: number, offset: number, bytes: Uint8Array): Promise<number> {
    const control = this.#control;
    if (bytes.buffer === this.#shared.buffer) {
      control[BUFFER] = this.#sharedNumber;
      control[START] = bytes.byteOffset;
    } else {
      if (bytes.length > this.#bounce.length) {
        const memory = new SharedArrayBuffer(bytes.length);
        this.#bounce = new Uint8Array(memory);
        this.#bounceNumber = this.#post(memory, 1);
      }
      this.#bounce.set(bytes);
      control[BUFFER] = this.#bounceNumber;
      control[START] = 0;
    }
    control[FD] = fd;
    control[SIZE] = bytes.length;
    this.#floats[OFFSET] = offset;
    const errno = await this.#request();
    this.#pace.took(this.#floats[TOOK_MS] ?? 0);
    return errno;
  }

  /** Hands over what `control` holds; the answer is 0 or a system error's number. */
  async #request(): Promise<number> {
    const control = this.#control;
    const before = this.#requests;
    // Wraps after 2^31 requests, as the slots do: only equality counts.
    this.#requests = (before + 1) | 0;
    Atomics.store(control, REQUEST, this.#requests);
    Atomics.notify(control, REQUEST);
    const wait = Atomics.waitAsync(control, DONE, before);
    if (wait.async) await wait.value;
    return control[ERRNO] ?? 0;
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      assert(!this.#busy, "no write is in flight at close");
      this.#closed = true;
      const ended = new Promise((settle) => this.#worker.once("exit", settle));
      this.#control[FD] = STOP;
      this.#requests = (this.#requests + 1) | 0;
      Atomics.store(this.#control, REQUEST, this.#requests);
      Atomics.notify(this.#control, REQUEST);
      await ended;
    }
    for (const { fd } of this.#files.values()) fs.closeSync(fd);
    this.#files.clear();
  }
}

/** Makes the directory and its entry in the parent durable. */
function makeDirectory(directory: string): void {
  const created = fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (created === undefined) return;
  for (let at = resolve(directory); at !== dirname(resolve(created)); at = dirname(at)) {
    syncDirectoryNow(dirname(at));
  }
}

function attempt<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw toStorageError(what, error);
  }
}

function toStorageError(what: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof QuorateError) return error;
  if (!("code" in error) || typeof error.code !== "string") return error;
  const code = NO_ROOM.has(error.code) ? "resourceExhausted" : "storage";
  return new QuorateError(code, `${what}: ${error.code}`, error);
}
