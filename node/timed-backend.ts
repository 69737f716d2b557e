/** A store that notes how long its commits take. */
import type {
  Backend,
  BackendOperation,
  BackendView,
  RecordVisitor,
} from "../src/backend/backend.ts";
import type { Bucket } from "../src/backend/buckets.ts";
import type { HandHistogram } from "./histogram.ts";

export class TimedBackend implements Backend {
  readonly #inner: Backend;
  readonly #seconds: HandHistogram;

  constructor(inner: Backend, seconds: HandHistogram) {
    this.#inner = inner;
    this.#seconds = seconds;
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
    this.#seconds.observe((performance.now() - before) / 1000);
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  compact(from: Uint8Array, end: Uint8Array | null): Promise<void> {
    return this.#inner.compact(from, end);
  }

  scan(bucket: Bucket, visit: RecordVisitor): Promise<void> {
    return this.#inner.scan(bucket, visit);
  }

  fileBytes(): Promise<number> {
    return this.#inner.fileBytes();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
