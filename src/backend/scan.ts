/** Reading a whole bucket at start-up. */
import type { Backend, BackendView, RecordVisitor } from "./backend.ts";
import type { Bucket } from "./buckets.ts";
import { BucketTotals, corruption } from "./record.ts";
import { STATE_KEY } from "./state.ts";

const ROWS = 1_000;

/** A record of a bucket: key without the bucket's prefix. */
export type BucketRow = readonly [key: Uint8Array, payload: Uint8Array];

/**
 * All records of `bucket` in key order, each with its CRC checked, and their totals compared with what the store says.
 * Throws QuorateError "corruption". Nothing may be written meanwhile: for start-up.
 */
export async function readBucket(
  backend: Backend,
  bucket: Bucket,
  expected: BucketTotals,
): Promise<readonly BucketRow[]> {
  const records: BucketRow[] = [];
  const counted = new BucketTotals();
  const view = backend.view();
  const rows = view.iterate(Uint8Array.of(bucket), Uint8Array.of(bucket + 1));
  try {
    for (let part = await rows.next(ROWS); part.length > 0; part = await rows.next(ROWS)) {
      for (const [recordKey, value] of part) {
        const key = recordKey.subarray(1);
        if (Buffer.compare(key, STATE_KEY) === 0) continue;
        records.push([key, counted.addStored(recordKey, value)]);
      }
    }
  } finally {
    await rows.close();
    await view.close();
  }
  if (!counted.equals(expected)) {
    const found = `it holds ${String(counted)}, but was left with ${String(expected)}`;
    throw corruption(Uint8Array.of(bucket), found);
  }
  return records;
}

/** Rows of one read. */
const SCAN_ROWS = 16_384;

/** Visits the records of `bucket` from the record key `from` on, and closes `view`. */
export async function scanView(
  view: BackendView,
  bucket: Bucket,
  from: Uint8Array,
  visit: RecordVisitor,
): Promise<void> {
  const rows = view.iterate(from, Uint8Array.of(bucket + 1));
  try {
    for (
      let part = await rows.next(SCAN_ROWS);
      part.length > 0;
      part = await rows.next(SCAN_ROWS)
    ) {
      for (const [key, value] of part) visit(key, value);
    }
  } finally {
    await rows.close();
    await view.close();
  }
}
