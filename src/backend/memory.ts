/**
 * The in-memory twin of the store: for simulation and tests, under the same contract suite as the real one. It forgets as a
 * crash does: of the batches since the last flush any number may be gone, always the newest ones.
 */
import { assert } from "../base/assert.ts";
import { keep } from "../base/bytes.ts";
import { latin1 } from "./batch.ts";
import type {
  Backend,
  BackendIterator,
  BackendOperation,
  BackendRow,
  BackendView,
  RecordVisitor,
} from "./backend.ts";
import type { Bucket } from "./buckets.ts";
import { scanView } from "./scan.ts";

export interface MemoryBackendOptions {
  /** Awaited before a commit or flush takes effect: lets a simulation hold the disk up, or fail it by rejecting. */
  readonly disk?: (work: "commit" | "flush") => Promise<void>;
}

export class MemoryBackend implements Backend {
  readonly #disk: (work: "commit" | "flush") => Promise<void>;
  #table: Table;
  /** What survives any crash. */
  #flushed: Table;
  /** Batches committed since the flush, oldest first. */
  #unflushed: (readonly BackendOperation[])[] = [];
  #committing = false;
  #open = true;

  constructor(options: MemoryBackendOptions = {}, table: Table = new Table()) {
    this.#disk = options.disk ?? (() => Promise.resolve());
    this.#table = table;
    this.#flushed = table.copy();
  }

  /** How many batches a crash now may lose. */
  get unflushedBatches(): number {
    return this.#unflushed.length;
  }

  /** The store as a crash leaves it: the flushed part and the first `batchesKept` batches after it. This one is closed. */
  crash(batchesKept: number, options: MemoryBackendOptions = {}): MemoryBackend {
    assert(batchesKept >= 0 && batchesKept <= this.#unflushed.length, "a crash keeps a prefix");
    this.#open = false;
    const table = this.#flushed.copy();
    for (const batch of this.#unflushed.slice(0, batchesKept)) table.apply(batch);
    return new MemoryBackend(options, table);
  }

  /** Changes a stored value in place, as a bad disk does: `mutate` gets a copy. Null deletes the record silently. */
  damage(key: Uint8Array, mutate: (value: Uint8Array) => Uint8Array | null): void {
    const value = this.#table.get(latin1(key));
    assert(value !== undefined, "only a record that is there can be damaged");
    const bad = mutate(keep(value));
    const operation: BackendOperation =
      bad === null ? { type: "del", key } : { type: "put", key, value: bad };
    this.#table.apply([operation]);
    this.#flushed.apply([operation]);
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#table.get(latin1(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#assertOpen();
    return await Promise.resolve(keys.map((key) => this.#table.get(latin1(key))));
  }

  view(): BackendView {
    this.#assertOpen();
    return new MemoryView(this.#table.copy());
  }

  async commit(operations: readonly BackendOperation[]): Promise<void> {
    this.#assertOpen();
    assert(!this.#committing, "one batch is committed at a time");
    this.#committing = true;
    await this.#disk("commit");
    this.#committing = false;
    if (!this.#open) return await never(); // The crash came first: who asked is gone.
    const owned = operations.map(own);
    this.#table.apply(owned);
    this.#unflushed.push(owned);
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    const batches = this.#unflushed.length;
    await this.#disk("flush");
    if (!this.#open) return await never();
    for (const batch of this.#unflushed.splice(0, batches)) this.#flushed.apply(batch);
  }

  async compact(): Promise<void> {
    this.#assertOpen();
    await Promise.resolve();
  }

  async scan(
    bucket: Bucket,
    visit: RecordVisitor,
    from: Uint8Array = Uint8Array.of(bucket),
  ): Promise<void> {
    await scanView(this.view(), bucket, from, visit);
  }

  /** Memory has no files. */
  async *verify(): AsyncGenerator<number, void> {}

  async fileBytes(): Promise<number> {
    return await Promise.resolve(this.#table.bytes);
  }

  async close(): Promise<void> {
    this.#open = false;
    await Promise.resolve();
  }

  #assertOpen(): void {
    assert(this.#open, "a closed store is not used");
  }
}

class MemoryView implements BackendView {
  readonly #table: Table;

  constructor(table: Table) {
    this.#table = table;
  }

  iterate(
    from: Uint8Array,
    end: Uint8Array | null,
    options: { readonly reverse?: boolean } = {},
  ): BackendIterator {
    const keys = this.#table.between(latin1(from), end === null ? null : latin1(end));
    return new MemoryIterator(this.#table, options.reverse === true ? keys.toReversed() : keys);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return await Promise.resolve(keys.map((key) => this.#table.get(latin1(key))));
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

class MemoryIterator implements BackendIterator {
  readonly #table: Table;
  readonly #keys: readonly string[];
  #at = 0;

  constructor(table: Table, keys: readonly string[]) {
    this.#table = table;
    this.#keys = keys;
  }

  async next(rowsMax: number, bytesMax = Infinity): Promise<readonly BackendRow[]> {
    const rows: BackendRow[] = [];
    let bytes = 0;
    while (rows.length < rowsMax && bytes < bytesMax && this.#at < this.#keys.length) {
      const name = this.#keys[this.#at++] ?? "";
      const value = this.#table.get(name);
      assert(value !== undefined, "a view does not change");
      rows.push([Buffer.from(name, "latin1"), value]);
      bytes += name.length + value.length;
    }
    return await Promise.resolve(rows);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

/** Sorted records. Copies share their content until one of them changes. */
class Table {
  #keys: string[] = [];
  #values = new Map<string, Uint8Array>();
  #shared = false;
  bytes = 0;

  copy(): Table {
    const table = new Table();
    table.#keys = this.#keys;
    table.#values = this.#values;
    table.bytes = this.bytes;
    table.#shared = true;
    this.#shared = true;
    return table;
  }

  get(name: string): Uint8Array | undefined {
    return this.#values.get(name);
  }

  between(from: string, end: string | null): string[] {
    const first = this.#place(from);
    return this.#keys.slice(first, end === null ? undefined : Math.max(first, this.#place(end)));
  }

  apply(operations: readonly BackendOperation[]): void {
    if (this.#shared) {
      this.#keys = this.#keys.slice();
      this.#values = new Map(this.#values);
      this.#shared = false;
    }
    for (const operation of operations) {
      const name = latin1(operation.key);
      if (operation.type === "put") this.#put(name, operation.value);
      else this.#delete(name);
    }
  }

  #put(name: string, value: Uint8Array): void {
    const old = this.#values.get(name);
    if (old === undefined) {
      this.#keys.splice(this.#place(name), 0, name);
      this.bytes += name.length;
    }
    this.bytes += value.length - (old?.length ?? 0);
    this.#values.set(name, value);
  }

  #delete(name: string): void {
    const old = this.#values.get(name);
    if (old === undefined) return;
    this.#values.delete(name);
    this.#keys.splice(this.#place(name), 1);
    this.bytes -= name.length + old.length;
  }

  /** Where `name` is, or would be. */
  #place(name: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? "") < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function own(operation: BackendOperation): BackendOperation {
  const key = keep(operation.key);
  if (operation.type === "del") return { type: "del", key };
  return { type: "put", key, value: keep(operation.value) };
}

async function never(): Promise<void> {
  await new Promise<void>(() => {});
}
