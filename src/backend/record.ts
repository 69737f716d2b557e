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
  const [a = 0, b = 0, c = 0, d = 0] = [value[at], value[at + 1], value[at + 2], value[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/**
 * The payload of a stored value: a view of it.
 * Throws QuorateError "corruption", which names the bucket and the key, where the CRC does not fit.
 */
export function openRecord(recordKey: Uint8Array, value: Uint8Array): Uint8Array {
  const length = value.length - CRC_BYTES;
  if (length < 0)
    throw corruption(recordKey, `its value has ${value.length} bytes, a CRC alone takes 4`);
  const payload = value.subarray(0, length);
  const computed = crc32(payload, crc32(recordKey));
  const stored = crcOf(value);
  if (computed !== stored) {
    throw corruption(recordKey, `stored crc ${hex32(stored)}, computed ${hex32(computed)}`);
  }
  return payload;
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
    hash = Math.imul(hash ^ (recordKey[at] ?? 0), FNV_PRIME);
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
    const payload = openRecord(recordKey, value);
    this.apply(1, hashRecordKey(recordKey), crcOf(value), recordKey.length + value.length);
    return payload;
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
