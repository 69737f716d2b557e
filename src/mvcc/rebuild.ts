/** The index out of the store: every record once, in the order of revisions, each checked, and all of them counted. */
import type { Backend } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { BucketTotals, corruption, CRC_BYTES, toRecordKey } from "../backend/record.ts";
import type { Key } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import { RecordReader } from "./record.ts";
import { readU64, REVISION_KEY_BYTES, type Revision, toRevisionKey } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

/** Records that enter the index together. */
const CHUNK_RECORDS = 32_768;

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
  await backend.scan(Bucket.keys, (recordKey, value) => scan.add(recordKey, value));
  scan.index();
  if (!scan.totals.equals(expected)) {
    throw new QuorateError(
      "corruption",
      `The store should hold ${expected.toString()} in bucket ${Bucket.keys}, it holds ${scan.totals.toString()}`,
    );
  }
  return { main: scan.main, sub: scan.sub, leases: scan.leases };
}

/** Takes records in the order of revisions into an index. */
export class Scan {
  readonly totals: BucketTotals = new BucketTotals();
  readonly leases: Map<Key, bigint>;
  /** Of the last record. */
  main = 0;
  sub = 0;
  readonly #index: TreeIndex;
  readonly #reader = new RecordReader();
  /** Met, but not in the index yet, as parallel arrays in the order of revisions. */
  #keys: Key[] = [];
  readonly #mains = new Float64Array(CHUNK_RECORDS);
  readonly #subs = new Float64Array(CHUNK_RECORDS);
  readonly #creates = new Float64Array(CHUNK_RECORDS);
  /** 0 for a tombstone. */
  readonly #versions = new Float64Array(CHUNK_RECORDS);

  /** `leases`: of keys that are in the index already. */
  constructor(index: TreeIndex, leases: Map<Key, bigint> = new Map()) {
    this.#index = index;
    this.leases = leases;
  }

  /** Both are borrowed. */
  add(recordKey: Uint8Array, value: Uint8Array): void {
    this.totals.countStored(recordKey, value);
    const tombstone = recordKey.length === REVISION_KEY_BYTES + 2;
    if (!tombstone && recordKey.length !== REVISION_KEY_BYTES + 1) {
      throw corruption(recordKey, "it is no revision");
    }
    this.main = readU64(recordKey, 1);
    this.sub = readU64(recordKey, 9);
    const reader = this.#reader;
    reader.read(value, value.length - CRC_BYTES);
    const key = reader.key(value);
    const at = this.#keys.push(key) - 1;
    this.#mains[at] = this.main;
    this.#subs[at] = this.sub;
    this.#creates[at] = reader.create || this.main; // 0 where the revision was raised
    this.#versions[at] = tombstone ? 0 : reader.version;
    const lease = tombstone ? 0n : reader.lease(value);
    if (lease !== 0n) this.leases.set(key, lease);
    else if (this.leases.size > 0) this.leases.delete(key);
    if (at === CHUNK_RECORDS - 1) this.index();
  }

  /**
   * Enters what was met into the index: in the order of keys, so that the way down to a leaf is gone once for all of its keys,
   * and in the order of revisions for each key.
   */
  index(): void {
    const keys = this.#keys;
    this.#keys = [];
    for (const at of ordered(keys)) {
      const key = keys[at] as Key;
      const main = this.#mains[at] as number;
      const sub = this.#subs[at] as number;
      const version = this.#versions[at] as number;
      if (version > 0) {
        this.#index.restorePut(key, main, sub, this.#creates[at] as number, version);
      } else if (!this.#index.restoreTombstone(key, main, sub)) {
        const recordKey = toRecordKey(Bucket.keys, toRevisionKey(main as Revision, sub, true));
        throw corruption(recordKey, "it deletes a deleted key");
      }
    }
  }
}

/** The places of `keys` in ascending order of the keys; equal ones stay in their order. */
function ordered(keys: readonly Key[]): Uint32Array {
  const places = new Uint32Array(keys.length);
  for (let at = 0; at < places.length; at++) places[at] = at;
  return places.sort((a, b) => {
    const [left, right] = [keys[a] as Key, keys[b] as Key];
    if (left === right) return a - b;
    return left < right ? -1 : 1;
  });
}
