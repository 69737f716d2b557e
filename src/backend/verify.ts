/** Reads a whole point in time of the store and compares it with what the store counted: CRC, number and digest. */
import { Bucket } from "./buckets.ts";
import type { SealedView } from "./buffer.ts";
import { checkRecord, corruption } from "./record.ts";
import { emptyTotals, STATE_KEY, totalsOf, BUCKETS } from "./state.ts";

/** Some 2 ms of work. */
const ROWS_A_SLICE = 512;

/**
 * Yields the bytes of each slice after it was checked; the caller decides when the next one is read, and closes the view. Throws
 * QuorateError "corruption": a record reads differently from what was written, one is lost, or one that was deleted is back.
 */
export async function* verifyRecords(sealed: SealedView): AsyncGenerator<number, void> {
  const counted = emptyTotals();
  const rows = sealed.view.iterate(new Uint8Array(0), null);
  try {
    for (;;) {
      const slice = await rows.next(ROWS_A_SLICE);
      if (slice.length === 0) break;
      let bytes = 0;
      for (const [recordKey, value] of slice) {
        bytes += recordKey.length + value.length;
        if (isState(recordKey)) checkRecord(recordKey, value);
        else totalsAt(counted, recordKey).countStored(recordKey, value);
      }
      yield bytes;
    }
  } finally {
    await rows.close();
  }
  for (const bucket of BUCKETS) {
    const [expected, found] = [totalsOf(sealed.totals, bucket), totalsOf(counted, bucket)];
    if (found.equals(expected)) continue;
    const what = `it should hold ${String(expected)}, it holds ${String(found)}`;
    throw corruption(Uint8Array.of(bucket), what);
  }
}

function isState(recordKey: Uint8Array): boolean {
  return recordKey[0] === Bucket.meta && Buffer.compare(recordKey.subarray(1), STATE_KEY) === 0;
}

function totalsAt(
  counted: ReturnType<typeof emptyTotals>,
  recordKey: Uint8Array,
): ReturnType<typeof totalsOf> {
  const totals = counted[recordKey[0] ?? 0];
  if (totals === undefined) throw corruption(recordKey, "there is no such bucket");
  return totals;
}
