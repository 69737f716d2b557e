/**
 * What one record of the store looks like, and what is counted of it.
 *
 * ```
 * record key   = bucket (1 byte) | key within the bucket
 * record value = payload | crc32 of (record key | payload), 4 bytes little-endian
 * ```
 * May change only by adding a version of the store's format.
 */
import { crc32 } from "node:zlib";

import { QuorateError } from "../base/errors.ts";
import type { Bucket } from "./buckets.ts";

/** Bytes that a record's value has beyond its payload. */
export const CRC_BYTES = 4;

/** The CRC of anything followed by its own CRC, little-endian: checking a record takes no view of its payload. */
const RESIDUE = 0x2144df1c;
const POLYNOMIAL = 0xedb88320;
/** Longer keys go through zlib: for short ones the call into C++ costs more than the loop. */
const LOOP_BYTES_MAX = 32;
const crcTable: Int32Array = buildCrcTable();

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The stored key of `key` in `bucket`: fresh. */
export function toRecordKey(bucket: Bucket, key: Uint8Array): Buffer {
  const recordKey = Buffer.allocUnsafe(1 + key.length);
  recordKey[0] = bucket;
  recordKey.set(key, 1);
  return recordKey;
}

/** The stored value of `payload` under `recordKey`: fresh. */
export function toRecordValue(recordKey: Uint8Array, payload: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(payload.length + CRC_BYTES);
  value.set(payload);
  value.writeUInt32LE(crc32(payload, crc32(recordKey)), payload.length);
  return value;
}

/** The CRC at the end of a stored value; not checked. The value must be long enough. */
export function crcOf(value: Uint8Array): number {
  const at = value.length - CRC_BYTES;
  const low = (value[at] as number) | ((value[at + 1] as number) << 8);
  const high = (value[at + 2] as number) | ((value[at + 3] as number) << 8);
  return (low | (high << 16)) >>> 0;
}

/**
 * The payload of a stored value: a view of it.
 * Throws QuorateError "corruption", which names the bucket and the key, where the CRC does not fit.
 */
export function openRecord(recordKey: Uint8Array, value: Uint8Array): Uint8Array {
  checkRecord(recordKey, value);
  return value.subarray(0, value.length - CRC_BYTES);
}

/** As `openRecord`, where the payload is read in place: `value` without its last `CRC_BYTES`. */
export function checkRecord(recordKey: Uint8Array, value: Uint8Array): void {
  const { length } = value;
  if (length < CRC_BYTES)
    throw corruption(recordKey, `its value has ${length} bytes, a CRC alone takes 4`);
  if (crc32(value, crcOfKey(recordKey)) === RESIDUE) return;
  const computed = crc32(value.subarray(0, length - CRC_BYTES), crcOfKey(recordKey));
  throw corruption(recordKey, `stored crc ${hex32(crcOf(value))}, computed ${hex32(computed)}`);
}

function crcOfKey(recordKey: Uint8Array): number {
  const { length } = recordKey;
  if (length > LOOP_BYTES_MAX) return crc32(recordKey);
  let crc = -1;
  for (let at = 0; at < length; at++) {
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (recordKey[at] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

function buildCrcTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  return table;
}

/** The error for a record that is not what was written. */
export function corruption(recordKey: Uint8Array, found: string): QuorateError {
  const key = Buffer.from(recordKey.subarray(1)).toString("hex");
  const bucket = recordKey[0] ?? 0;
  return new QuorateError("corruption", `Bad record in bucket ${bucket}, key ${key}: ${found}`);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** A hash of the record key, 32 bits: the half of the digest that does not come from the CRC. */
export function hashRecordKey(recordKey: Uint8Array): number {
  let hash = FNV_START;
  for (let at = 0; at < recordKey.length; at++) {
    hash = Math.imul(hash ^ (recordKey[at] as number), FNV_PRIME);
  }
  return hash;
}

/**
 * How many records a bucket holds, their bytes (record keys and values with their CRC), and an order-free digest of them:
 * for each record two 32-bit hashes of its key and CRC, summed, each modulo 2^32. A CRC cannot see that a record is gone,
 * or that a deleted one is back; the totals can. Equal content gives equal totals, in whatever order it was written.
 */
export class BucketTotals {
  count = 0;
  bytes = 0;
  low = 0;
  high = 0;

  /** Adds a record (`sign` 1) or takes it away (`sign` -1). `crc` is that of its stored value, `size` that of key and value. */
  apply(sign: 1 | -1, keyHash: number, crc: number, size: number): void {
    this.count += sign;
    this.bytes += sign * size;
    this.low = (this.low + sign * mix(crc ^ Math.imul(keyHash, 0x9e3779b1))) >>> 0;
    this.high = (this.high + sign * mix(keyHash + Math.imul(crc, 0x85ebca77))) >>> 0;
  }

  /** Counts a record read from the store, after its CRC was checked; returns its payload. For whoever scans a bucket. */
  addStored(recordKey: Uint8Array, value: Uint8Array): Uint8Array {
    this.countStored(recordKey, value);
    return value.subarray(0, value.length - CRC_BYTES);
  }

  /** As `addStored`, where the payload is read in place. */
  countStored(recordKey: Uint8Array, value: Uint8Array): void {
    checkRecord(recordKey, value);
    this.apply(1, hashRecordKey(recordKey), crcOf(value), recordKey.length + value.length);
  }

  equals(other: BucketTotals): boolean {
    return (
      this.count === other.count &&
      this.bytes === other.bytes &&
      this.low === other.low &&
      this.high === other.high
    );
  }

  copy(): BucketTotals {
    const totals = new BucketTotals();
    totals.count = this.count;
    totals.bytes = this.bytes;
    totals.low = this.low;
    totals.high = this.high;
    return totals;
  }

  /** For logs and error texts. */
  toString(): string {
    return `${this.count} records, ${this.bytes} bytes, digest ${hex32(this.high)}${hex32(this.low)}`;
  }
}

/** A bijection of 32 bits whose every output bit depends on every input bit (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
