/** Records of a state whose revision is raised, so that nobody who knew the old cluster sees it go back. */
import { Bucket } from "../../src/backend/buckets.ts";
import { toRecordKey } from "../../src/backend/record.ts";
import { type Revision, toRevisionKey } from "../../src/mvcc/revision.ts";
import type { EtcdReading, ImportedRecord } from "./import.ts";
import { MetaKey } from "./layout.ts";

const SCHEDULED = toRecordKey(Bucket.meta, Buffer.from(MetaKey.scheduled));

/**
 * What `reading` holds, with a compaction scheduled at its last revision and `revisions` more: the state begins there, and
 * every watch from before is told that it is compacted.
 */
export async function* bumped(
  reading: EtcdReading,
  revisions: number,
): AsyncGenerator<readonly ImportedRecord[]> {
  for await (const records of reading.records()) {
    yield records.filter(({ recordKey }) => !SCHEDULED.equals(recordKey));
  }
  const main = (reading.facts().revision + revisions) as Revision;
  yield [{ recordKey: SCHEDULED, payload: toRevisionKey(main, 0, false).subarray(0, 8) }];
}
