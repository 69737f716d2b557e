/** One write set on its way to the store, readable while it is. */
import type { BackendOperation } from "./backend.ts";
import { Bucket } from "./buckets.ts";

/** What an overlay knows of a record: its stored value, that it is deleted (null), or nothing (undefined). */
export type Overlaid = Uint8Array | null | undefined;

/** A batch is closed once it has this many bytes or operations, and its entry ended: longer ones would hold the loop up. */
const BYTES_MAX = 1024 * 1024;
const OPERATIONS_MAX = 2_000;
/** Operations that do not wait for more. */
const LARGE_OPERATIONS = 256;

/**
 * Operations in the order in which they were made; a later one of the same record wins. Records of the bucket `keys` enter
 * the overlay only when someone looks, because the history keeps them at hand itself while they are on their way.
 */
export class PendingBatch {
  readonly operations: BackendOperation[] = [];
  /** Bytes of the record keys and values in it. */
  bytes = 0;
  /** The log entry up to which it is complete, with its term. */
  appliedIndex = 0;
  term = 0;
  /** Number of the seal it is complete up to. */
  seal = 0;
  readonly #overlay = new Map<string, Uint8Array | null>();
  /** Operations before this place are in the overlay, whatever their bucket. */
  #overlaid = 0;

  /** To be closed at the next end of an entry. */
  get isFull(): boolean {
    return this.bytes >= BYTES_MAX || this.operations.length >= OPERATIONS_MAX;
  }

  get isLarge(): boolean {
    return this.operations.length >= LARGE_OPERATIONS;
  }

  /** An entry ended here. */
  complete(appliedIndex: number, term: number, seal: number): void {
    this.appliedIndex = appliedIndex;
    this.term = term;
    this.seal = seal;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.operations.push({ type: "put", key, value });
    this.bytes += key.length + value.length;
    if (key[0] !== Bucket.keys) this.#overlay.set(latin1(key), value);
  }

  delete(key: Uint8Array): void {
    this.operations.push({ type: "del", key });
    this.bytes += key.length;
    if (key[0] !== Bucket.keys) this.#overlay.set(latin1(key), null);
  }

  /** `name` is the record key as a latin1 string. */
  find(name: string): Overlaid {
    if (name.charCodeAt(0) === Bucket.keys) this.#overlayKeys();
    return this.#overlay.get(name);
  }

  #overlayKeys(): void {
    const { operations } = this;
    for (let at = this.#overlaid; at < operations.length; at++) {
      const operation = operations[at];
      if (operation === undefined || operation.key[0] !== Bucket.keys) continue;
      this.#overlay.set(latin1(operation.key), operation.type === "put" ? operation.value : null);
    }
    this.#overlaid = operations.length;
  }
}

/** A record key as a string: one character a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
}
