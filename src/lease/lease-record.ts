/**
 * A lease as stored in the bucket `lease`.
 *
 * ```
 * key:   id, 8 bytes big-endian, two's complement
 * value: version 1 (1 byte) | TTL (8) | remaining TTL at the last checkpoint, 0 for none (8)
 * ```
 * Seconds, big-endian. May change only by adding a version.
 */
import { assert } from "../base/assert.ts";
import { QuorateError } from "../base/errors.ts";

const VERSION = 1;
const RECORD_BYTES = 17;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export interface LeaseRecord {
  readonly id: bigint;
  /** Granted, in seconds. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0: none since the last renewal. */
  readonly remainingTtl: number;
}

/** Every int64 but 0 names a lease, negative ones too. */
export function toLeaseKey(id: bigint): Uint8Array {
  assert(id >= INT64_MIN && id <= INT64_MAX, "a lease id is an int64");
  const key = Buffer.allocUnsafe(8);
  key.writeBigInt64BE(id);
  return key;
}

export function encodeLease(lease: LeaseRecord): Uint8Array {
  const bytes = Buffer.allocUnsafe(RECORD_BYTES);
  bytes[0] = VERSION;
  bytes.writeBigInt64BE(BigInt(lease.ttl), 1);
  bytes.writeBigInt64BE(BigInt(lease.remainingTtl), 9);
  return bytes;
}

/** Throws QuorateError "corruption" for what no version of ours wrote. */
export function decodeLease(key: Uint8Array, payload: Uint8Array): LeaseRecord {
  if (key.length !== 8 || payload.length !== RECORD_BYTES || payload[0] !== VERSION) {
    const name = Buffer.from(key).toString("hex");
    throw new QuorateError("corruption", `The record of lease ${name} is of no known version`);
  }
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    id: Buffer.from(key.buffer, key.byteOffset, 8).readBigInt64BE(),
    ttl: Number(bytes.readBigInt64BE(1)),
    remainingTtl: Number(bytes.readBigInt64BE(9)),
  };
}
