/** Fills a fresh store with the state that a new member begins with. */
import type { Backend, BackendOperation } from "../../src/backend/backend.ts";
import { Bucket } from "../../src/backend/buckets.ts";
import { crcOf, hashRecordKey, toRecordKey, toRecordValue } from "../../src/backend/record.ts";
import { emptyTotals, encodeState, STATE_KEY, totalsOf } from "../../src/backend/state.ts";

/** One write: as the member's own are bounded. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_RECORDS = 2_000;

export class StoreWriter {
  readonly #backend: Backend;
  readonly #totals = emptyTotals();
  #batch: BackendOperation[] = [];
  #bytes = 0;

  /** The backend stays the caller's. */
  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Each record once. The payload is copied. */
  add(recordKey: Uint8Array, payload: Uint8Array): void {
    const value = toRecordValue(recordKey, payload);
    const size = recordKey.length + value.length;
    totalsOf(this.#totals, (recordKey[0] ?? 0) as Bucket).apply(
      1,
      hashRecordKey(recordKey),
      crcOf(value),
      size,
    );
    this.#batch.push({ type: "put", key: recordKey, value });
    this.#bytes += size;
  }

  /** Writes what was added, if that is much. */
  async drain(): Promise<void> {
    if (this.#bytes >= BATCH_BYTES || this.#batch.length >= BATCH_RECORDS) await this.#write();
  }

  /** The state is complete: it counts as made by entry (`index`, `term`). Durable when it resolves. */
  async finish(index: number, term: number): Promise<void> {
    const recordKey = toRecordKey(Bucket.meta, STATE_KEY);
    const state = encodeState(index, term, this.#totals);
    this.#batch.push({ type: "put", key: recordKey, value: toRecordValue(recordKey, state) });
    await this.#write();
    await this.#backend.flush();
  }

  async #write(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    await this.#backend.commit(batch);
  }
}
