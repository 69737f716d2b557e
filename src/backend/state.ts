/**
 * The record that says how far the store is: in every batch, so that data and applied index never part.
 *
 * ```
 * meta key "applied" ->
 *   version 1 (1 byte) | applied index (8) | term (8) | number of buckets (1)
 *   then per bucket: prefix byte (1) | records (8) | bytes (8) | digest low (4) | digest high (4)
 * ```
 * Big-endian. May change only by adding a version. The record itself is in no bucket's totals.
 */
import { assert } from "../base/assert.ts";
import { QuorateError } from "../base/errors.ts";
import type { Backend } from "./backend.ts";
import { Bucket } from "./buckets.ts";
import { BucketTotals, openRecord, toRecordKey } from "./record.ts";

/** Its key within the bucket meta. */
export const STATE_KEY: Uint8Array = Buffer.from("applied", "latin1");

const VERSION = 1;
const HEAD_BYTES = 18;
const BUCKET_BYTES = 25;
const U32 = 0x1_0000_0000;

export const BUCKETS: readonly Bucket[] = Object.values(Bucket);

/** Per bucket, indexed by prefix byte; the places between are filled with totals that stay zero. */
export type Totals = readonly BucketTotals[];

/** How far the store is. */
export interface StoreState {
  /** Index of the last log entry whose changes are in; 0 in a fresh store. */
  readonly appliedIndex: number;
  readonly term: number;
  readonly totals: Totals;
}

/** Totals of an empty store. */
export function emptyTotals(): BucketTotals[] {
  return Array.from({ length: Math.max(...BUCKETS) + 1 }, () => new BucketTotals());
}

export function encodeState(appliedIndex: number, term: number, totals: Totals): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + BUCKETS.length * BUCKET_BYTES);
  bytes[0] = VERSION;
  writeU64(bytes, appliedIndex, 1);
  writeU64(bytes, term, 9);
  bytes[17] = BUCKETS.length;
  let at = HEAD_BYTES;
  for (const bucket of BUCKETS) {
    const { count, bytes: size, low, high } = totalsOf(totals, bucket);
    bytes[at] = bucket;
    writeU64(bytes, count, at + 1);
    writeU64(bytes, size, at + 9);
    bytes.writeUInt32BE(low, at + 17);
    bytes.writeUInt32BE(high, at + 21);
    at += BUCKET_BYTES;
  }
  return bytes;
}

/** Throws QuorateError "corruption" for a record that no version of ours wrote. */
export function decodeState(payload: Uint8Array): StoreState {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const count = bytes.length < HEAD_BYTES ? 0 : (bytes[17] ?? 0);
  if (bytes[0] !== VERSION || bytes.length !== HEAD_BYTES + count * BUCKET_BYTES) {
    throw new QuorateError("corruption", "The store's applied record is of no known version");
  }
  const totals = emptyTotals();
  for (let at = HEAD_BYTES; at < bytes.length; at += BUCKET_BYTES) {
    const of = totals[bytes[at] ?? 0];
    if (of === undefined) {
      throw new QuorateError(
        "corruption",
        `The store counts records of an unknown bucket ${bytes[at]}`,
      );
    }
    of.count = readU64(bytes, at + 1);
    of.bytes = readU64(bytes, at + 9);
    of.low = bytes.readUInt32BE(at + 17);
    of.high = bytes.readUInt32BE(at + 21);
  }
  return { appliedIndex: readU64(bytes, 1), term: readU64(bytes, 9), totals };
}

/** The totals of one bucket. */
export function totalsOf(totals: Totals, bucket: Bucket): BucketTotals {
  const found = totals[bucket];
  assert(found !== undefined, "every bucket has totals");
  return found;
}

function writeU64(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a stored counter is a safe integer");
  bytes.writeUInt32BE(Math.floor(value / U32), at);
  bytes.writeUInt32BE(value % U32, at + 4);
}

function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * U32 + bytes.readUInt32BE(at + 4);
}

/** How far the store says it is. Throws QuorateError "corruption" where that record is damaged. */
export function readState(backend: Backend): StoreState {
  const recordKey = toRecordKey(Bucket.meta, STATE_KEY);
  const value = backend.getSync(recordKey);
  if (value === undefined) return { appliedIndex: 0, term: 0, totals: emptyTotals() };
  return decodeState(openRecord(recordKey, value));
}
