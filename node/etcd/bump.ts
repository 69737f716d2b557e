/** Records of a state whose revision is raised, so that nobody who knew the old cluster sees it go back. */
import { Bucket } from "../../src/backend/buckets.ts";
import { toRecordKey } from "../../src/backend/record.ts";
import { EMPTY } from "../../src/base/bytes.ts";
import { type Revision, toRevisionKey } from "../../src/mvcc/revision.ts";
import type { EtcdReading, ImportedRecord } from "./import.ts";
import { MetaKey } from "./layout.ts";

const SCHEDULED = toRecordKey(Bucket.meta, Buffer.from(MetaKey.scheduled));

/**
 * What `reading` holds, with a compaction scheduled at its last revision and `revisions` more: the state begins there, and
 * every watch from before is told that it is compacted. The empty record is etcd's way to say so; HashKV counts it.
 */
export async function* bumped(
  reading: EtcdReading,
  revisions: number,
): AsyncGenerator<readonly ImportedRecord[]> {
  for await (const records of reading.records()) {
    yield records.filter(({ recordKey }) => !SCHEDULED.equals(recordKey));
  }
  const main = (reading.facts().revision + revisions) as Revision;
  const raised = toRevisionKey(main, 0, false);
  yield [
    { recordKey: toRecordKey(Bucket.keys, raised), payload: EMPTY },
    { recordKey: SCHEDULED, payload: raised.subarray(0, 8) },
  ];
}
