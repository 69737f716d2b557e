/** The index out of the store: every record once, in the order of revisions, each checked, and all of them counted. */
import type { Backend, BackendRow } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { BucketTotals, corruption } from "../backend/record.ts";
import type { Key } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import { RecordReader } from "./record.ts";
import { readU64, REVISION_KEY_BYTES } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

/** One read of the backend, so that the next runs beside the work on this one from start to end. */
const ROWS_MAX = 16_384;
const BYTES_MAX = 256 * 1024;

/** What a scan of the store found besides the keys. */
export interface Rebuilt {
  /** Highest main revision of any record; 0 in an empty store. */
  readonly main: number;
  /** Of that revision. */
  readonly sub: number;
  /** The leases of live keys that have one. */
  readonly leases: Map<Key, bigint>;
}

/**
 * Fills `index`. Throws QuorateError "corruption" where a record is damaged, or where records, bytes or digest differ from
 * `expected`: one is lost, or one that was deleted is back.
 */
export async function rebuildIndex(
  backend: Backend,
  index: TreeIndex,
  expected: BucketTotals,
): Promise<Rebuilt> {
  const scan = new Scan(index);
  const view = backend.view();
  const rows = view.iterate(new Uint8Array([Bucket.keys]), new Uint8Array([Bucket.keys + 1]));
  try {
    let batch = await rows.next(ROWS_MAX, BYTES_MAX);
    while (batch.length > 0) {
      // The next batch is read while this one is indexed.
      const coming = rows.next(ROWS_MAX, BYTES_MAX);
      coming.catch(() => {});
      for (const row of batch) scan.add(row);
      batch = await coming;
    }
  } finally {
    await rows.close();
    await view.close();
  }
  if (!scan.totals.equals(expected)) {
    throw new QuorateError(
      "corruption",
      `The store should hold ${expected.toString()} in bucket ${Bucket.keys}, it holds ${scan.totals.toString()}`,
    );
  }
  return { main: scan.main, sub: scan.sub, leases: scan.leases };
}

class Scan {
  readonly totals = new BucketTotals();
  readonly leases = new Map<Key, bigint>();
  main = 0;
  sub = 0;
  readonly #index: TreeIndex;
  readonly #reader = new RecordReader();

  constructor(index: TreeIndex) {
    this.#index = index;
  }

  add(row: BackendRow): void {
    const [recordKey, value] = row;
    const payload = this.totals.addStored(recordKey, value);
    const tombstone = recordKey.length === REVISION_KEY_BYTES + 2;
    if (!tombstone && recordKey.length !== REVISION_KEY_BYTES + 1) {
      throw corruption(recordKey, "it is no revision");
    }
    this.main = readU64(recordKey, 1);
    this.sub = readU64(recordKey, 9);
    const reader = this.#reader;
    reader.read(payload);
    const key = reader.key(payload);
    if (tombstone) {
      if (this.leases.size > 0) this.leases.delete(key);
      if (this.#index.restoreTombstone(key, this.main, this.sub)) return;
      throw corruption(recordKey, "it deletes a deleted key");
    }
    this.#index.restorePut(key, this.main, this.sub, reader.create, reader.version);
    const lease = reader.lease(payload);
    if (lease !== 0n) this.leases.set(key, lease);
    else if (this.leases.size > 0) this.leases.delete(key);
  }
}
