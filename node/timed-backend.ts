/** A store that notes how long its commits, flushes and compactions take. */
import type {
  Backend,
  BackendOperation,
  BackendView,
  RecordVisitor,
} from "../src/backend/backend.ts";
import type { Bucket } from "../src/backend/buckets.ts";
import type { MemberStats } from "./metrics/stats.ts";

export class TimedBackend implements Backend {
  readonly #inner: Backend;
  readonly #stats: MemberStats;

  constructor(inner: Backend, stats: MemberStats) {
    this.#inner = inner;
    this.#stats = stats;
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#inner.getSync(key);
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#inner.getMany(keys);
  }

  view(): BackendView {
    return this.#inner.view();
  }

  async commit(operations: readonly BackendOperation[]): Promise<void> {
    const before = performance.now();
    await this.#inner.commit(operations);
    this.#stats.storeCommits.observe((performance.now() - before) / 1000);
  }

  async flush(): Promise<void> {
    const before = performance.now();
    await this.#inner.flush();
    this.#stats.storeFlushes.observe((performance.now() - before) / 1000);
  }

  async compact(from: Uint8Array, end: Uint8Array | null): Promise<void> {
    const before = performance.now();
    this.#stats.defragmenting++;
    try {
      await this.#inner.compact(from, end);
    } finally {
      this.#stats.defragmenting--;
    }
    this.#stats.defragmentations.observe((performance.now() - before) / 1000);
  }

  scan(bucket: Bucket, visit: RecordVisitor, from?: Uint8Array): Promise<void> {
    return this.#inner.scan(bucket, visit, from);
  }

  verify(pause: () => Promise<void>): AsyncGenerator<number, void> {
    return this.#inner.verify(pause);
  }

  fileBytes(): Promise<number> {
    return this.#inner.fileBytes();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
