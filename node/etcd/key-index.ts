/** The index of all keys of a database: as much memory as a member takes for it, and none for values. */
import { Bucket } from "../../src/backend/buckets.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { RecordReader } from "../../src/mvcc/record.ts";
import { readRevisionKey } from "../../src/mvcc/revision.ts";
import { TreeIndex } from "../../src/mvcc/tree-index.ts";
import type { EtcdReading } from "./import.ts";

/** Reads `reading` to its end. Rejects with "corruption". */
export async function indexOf(reading: EtcdReading): Promise<TreeIndex> {
  const index = new TreeIndex(0);
  const reader = new RecordReader();
  for await (const records of reading.records()) {
    for (const { recordKey, payload } of records) {
      if (recordKey[0] !== Bucket.keys) continue;
      reader.read(payload);
      const { main, sub, tombstone } = readRevisionKey(recordKey.subarray(1));
      const key = reader.key(payload);
      if (!tombstone) index.restorePut(key, main, sub, reader.create || main, reader.version);
      else if (!index.restoreTombstone(key, main, sub)) {
        const text = `the database is damaged: revision ${main} deletes a deleted key`;
        throw new QuorateError("corruption", text);
      }
    }
  }
  return index;
}
