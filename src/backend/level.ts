/**
 * The store on disk: LevelDB through classic-level, which nothing else imports.
 *
 * LevelDB here is an image of the applied state that our own log can rebuild, and is trusted with no more than it keeps.
 * Its own log skips a damaged block and goes on with later batches, and loses its last pages in a crash; so no log of its
 * is ever read: they are removed before every open. What is left are synced tables under a synced manifest, which is the
 * exact prefix of the batches up to the last memtable written out (DESIGN.md, I5).
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

import { ClassicLevel } from "classic-level";

import { assert } from "../base/assert.ts";
import { QuorateError } from "../base/errors.ts";
import type {
  Backend,
  BackendIterator,
  BackendOperation,
  BackendRow,
  BackendView,
  RecordVisitor,
} from "./backend.ts";
import type { Bucket } from "./buckets.ts";
import { manifestPath } from "./level/manifest.ts";
import { scanTables } from "./level/scan.ts";
import { verifyFiles } from "./level/verify.ts";
import { scanView } from "./scan.ts";

type Level = ClassicLevel<Uint8Array, Uint8Array>;
type Snapshot = ReturnType<Level["snapshot"]>;
/** The part of classic-level's iterator that is used. */
interface RowIterator {
  nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}

/**
 * What a chained batch is made of, below its public face. One native batch is filled, written and cleared for ever: half the
 * cost a record of an array of operations, and no native memory waits for the garbage collector (the public `write` leaves
 * it to that). classic-level is pinned to one exact version, and the contract suite runs through here.
 */
interface NativeBatch {
  _put(key: Uint8Array, value: Uint8Array): void;
  _del(key: Uint8Array): void;
  _write(options: { readonly sync: boolean }): Promise<void>;
  _clear(): void;
}

/** Above every record key and the probe: a range without records, so that compacting it only writes the memtable out. */
const BEYOND: Uint8Array = Uint8Array.of(0xff);
/**
 * Deleted after a flush to learn whether LevelDB still takes writes. Also above every record key: each table holds the newest
 * revisions up to this, and must not overlap the tables of older ones, or LevelDB would rewrite them all.
 */
const PROBE: Uint8Array = Uint8Array.of(0xfe);

/** Operations handed to the native batch in one turn (some 5 ms); the rest of a larger batch follows in later turns. */
const OPERATIONS_A_TURN = 8_000;
/** One read of an iterator: large, so that the loop is not waited for between two reads. */
const ROW_BYTES_DEFAULT = 256 * 1024;
/** A compaction by hand goes over so much at a time. */
const SLICE_BYTES = 64 * 1024 * 1024;
/** A record key is cut in two within its first bytes: bucket and main revision. */
const CUT_BYTES = 9;

/** Chosen by measurement: see DESIGN.md. */
const OPTIONS = {
  keyEncoding: "view",
  valueEncoding: "view",
  compression: false,
  writeBufferSize: 4 * 1024 * 1024,
  cacheSize: 32 * 1024 * 1024,
  blockSize: 4096,
  maxFileSize: 8 * 1024 * 1024,
  maxOpenFiles: 1000,
} as const;

export class LevelBackend implements Backend {
  readonly #level: Level;
  readonly #directory: string;
  readonly #batch: NativeBatch;
  readonly #sliceBytes: number;
  #committing = false;
  /** The tables alone no longer are the whole store. */
  #written = false;

  /**
   * Opens or creates the store in `directory`, at a state that was flushed. Throws QuorateError "corruption" where its files
   * do not fit together, "storage" where the disk or another process refuses.
   */
  static async open(directory: string, sliceBytes: number = SLICE_BYTES): Promise<LevelBackend> {
    await guarded(`open the store in ${directory}`, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await removeLogs(directory);
    });
    const level: Level = new ClassicLevel(directory, OPTIONS);
    await guarded(`open the store in ${directory}`, async () => await level.open());
    return new LevelBackend(level, directory, sliceBytes);
  }

  private constructor(level: Level, directory: string, sliceBytes: number) {
    this.#level = level;
    this.#sliceBytes = sliceBytes;
    this.#directory = directory;
    this.#batch = level.batch() as unknown as NativeBatch;
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#level.getSync(key);
    } catch (error) {
      throw storageError("read the store", error);
    }
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    // classic-level does not change the array.
    return await guarded("read the store", async () => this.#level.getMany(keys as Uint8Array[]));
  }

  view(): BackendView {
    return new LevelView(this.#level, this.#level.snapshot());
  }

  async commit(operations: readonly BackendOperation[]): Promise<void> {
    assert(!this.#committing, "one batch is committed at a time");
    this.#committing = true;
    this.#written = true;
    const batch = this.#batch;
    for (let from = 0; from < operations.length; from += OPERATIONS_A_TURN) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve));
      fill(batch, operations, from, Math.min(from + OPERATIONS_A_TURN, operations.length));
    }
    await guarded("write to the store", async () => batch._write({ sync: false }));
    batch._clear();
    this.#committing = false;
  }

  async flush(): Promise<void> {
    await guarded("flush the store", async () => {
      // Writes the memtable to a synced table and the manifest, even if nothing overlaps the range; but hides its errors.
      await this.#level.compactRange(BEYOND, BEYOND);
      // An error in the background makes LevelDB refuse every later write: this one brings it out.
      await this.#level.del(PROBE);
    });
  }

  async compact(from: Uint8Array, end: Uint8Array | null): Promise<void> {
    await guarded("compact the store", async () => {
      await this.#compactSlices(from, end ?? BEYOND);
      await this.#level.del(PROBE);
    });
  }

  /** LevelDB compacts nothing else meanwhile: between slices it does what has become more urgent. */
  async #compactSlices(from: Uint8Array, end: Uint8Array): Promise<void> {
    const bytes = await this.#level.approximateSize(from, end);
    const middle = bytes > this.#sliceBytes ? middleOf(from, end) : null;
    if (middle === null) {
      await this.#level.compactRange(from, end);
      return;
    }
    await this.#compactSlices(from, middle);
    await this.#compactSlices(middle, end);
  }

  async scan(
    bucket: Bucket,
    visit: RecordVisitor,
    from: Uint8Array = Uint8Array.of(bucket),
  ): Promise<void> {
    let rest: Uint8Array | null = from;
    if (!this.#written) {
      rest = await guarded("read the store", async () =>
        scanTables(this.#directory, bucket, from, visit),
      );
    }
    if (rest !== null) await scanView(this.view(), bucket, rest, visit);
  }

  verify(pause: () => Promise<void>): AsyncGenerator<number, void> {
    return verifyFiles(this.#directory, pause);
  }

  async fileBytes(): Promise<number> {
    const names = await guarded("list the store", async () => readdir(this.#directory));
    const sizes = await Promise.all(names.map(async (name) => sizeOf(join(this.#directory, name))));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async close(): Promise<void> {
    await guarded("close the store", async () => this.#level.close());
  }
}

function fill(
  batch: NativeBatch,
  operations: readonly BackendOperation[],
  from: number,
  end: number,
): void {
  for (let at = from; at < end; at++) {
    const operation = operations[at];
    if (operation === undefined) continue;
    if (operation.type === "put") batch._put(operation.key, operation.value);
    else batch._del(operation.key);
  }
}

class LevelView implements BackendView {
  readonly #level: Level;
  readonly #snapshot: Snapshot;

  constructor(level: Level, snapshot: Snapshot) {
    this.#level = level;
    this.#snapshot = snapshot;
  }

  iterate(
    from: Uint8Array,
    end: Uint8Array | null,
    options: { readonly reverse?: boolean } = {},
  ): BackendIterator {
    const rows = this.#level.iterator({
      gte: from,
      ...(end === null ? {} : { lt: end }),
      reverse: options.reverse === true,
      snapshot: this.#snapshot,
      fillCache: false,
      highWaterMarkBytes: ROW_BYTES_DEFAULT,
    });
    return new LevelIterator(rows);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return await guarded("read the store", async () =>
      this.#level.getMany(keys as Uint8Array[], { snapshot: this.#snapshot, fillCache: false }),
    );
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }
}

class LevelIterator implements BackendIterator {
  readonly #rows: RowIterator;

  constructor(rows: RowIterator) {
    this.#rows = rows;
  }

  async next(
    rowsMax: number,
    bytesMax: number = ROW_BYTES_DEFAULT,
  ): Promise<readonly BackendRow[]> {
    const rows: BackendRow[] = [];
    let bytes = 0;
    while (rows.length < rowsMax && bytes < bytesMax) {
      const size = rowsMax - rows.length;
      const more = await guarded("read the store", async () => this.#rows.nextv(size));
      if (more.length === 0) break;
      for (const row of more) {
        rows.push(row);
        bytes += row[0].length + row[1].length;
      }
    }
    return rows;
  }

  async close(): Promise<void> {
    await this.#rows.close();
  }
}

/** A key half-way between two, read as numbers; null if their first bytes leave no room for one. */
function middleOf(from: Uint8Array, end: Uint8Array): Uint8Array | null {
  const low = leadingNumber(from);
  const middle = (low + leadingNumber(end)) / 2n;
  if (middle <= low) return null;
  return Buffer.from(middle.toString(16).padStart(2 * CUT_BYTES, "0"), "hex");
}

function leadingNumber(key: Uint8Array): bigint {
  const head = Buffer.alloc(CUT_BYTES);
  head.set(key.subarray(0, CUT_BYTES));
  return BigInt(`0x${head.toString("hex")}`);
}

/** Removes LevelDB's logs, and refuses a directory whose tables nothing names: LevelDB would start an empty store there. */
async function removeLogs(directory: string): Promise<void> {
  const names = await readdir(directory);
  if (!names.includes("CURRENT") && names.some((name) => /\.(ldb|sst)$/.test(name))) {
    throw new QuorateError(
      "corruption",
      `The store in ${directory} has tables, but no CURRENT file`,
    );
  }
  if (names.includes("CURRENT")) await manifestPath(directory);
  for (const name of names) {
    if (name.endsWith(".log")) await rm(join(directory, name));
  }
}

/** 0 for a file that LevelDB removed meanwhile. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw storageError("list the store", error);
  }
}

async function guarded<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw storageError(action, error);
  }
}

function storageError(action: string, error: unknown): QuorateError {
  if (error instanceof QuorateError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  const corrupt = cause instanceof Error && "code" in cause && cause.code === "LEVEL_CORRUPTION";
  return new QuorateError(
    corrupt ? "corruption" : "storage",
    `Could not ${action}: ${text}`,
    error,
  );
}
