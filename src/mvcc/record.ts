/**
 * Stored records: the exact wire encoding of mvccpb.KeyValue, made once when a key is written and copied verbatim ever
 * after: into the store, into Range replies, into watch events.
 *
 * ```
 * 0A len key | 10 create_revision | 18 mod_revision | 20 version | 2A len value | 30 lease
 * ```
 * Fields in this order, varints, zero and empty ones absent (etcd's own encoding, byte for byte: HashKV depends on it).
 * A tombstone is stored with its key alone, the mark of a raised revision with nothing. May change only by adding a version.
 */
import { assert } from "../base/assert.ts";
import { EMPTY, type Key } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";

const TAG_KEY = 0x0a;
const TAG_CREATE = 0x10;
const TAG_MOD = 0x18;
const TAG_VERSION = 0x20;
const TAG_VALUE = 0x2a;
const TAG_LEASE = 0x30;
const U32 = 0x1_0000_0000;
/** Shorter keys are copied by a loop: the call into C++ costs more. */
const LOOP_BYTES_MAX = 24;

/** Bytes of a varint of a safe, non-negative integer. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let size = 4;
  for (let rest = Math.floor(value / 0x1000_0000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a varint of a safe, non-negative integer at `at`; answers where it ends. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= U32) {
    bytes[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  while (value >= 0x80) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

function leaseSize(lease: bigint): number {
  if (lease === 0n) return 0;
  let size = 1;
  for (let rest = BigInt.asUintN(64, lease); rest > 0n; rest >>= 7n) size++;
  return size;
}

function writeLease(bytes: Uint8Array, at: number, lease: bigint): number {
  if (lease === 0n) return at;
  bytes[at++] = TAG_LEASE;
  let rest = BigInt.asUintN(64, lease);
  while (rest >= 0x80n) {
    bytes[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  bytes[at++] = Number(rest);
  return at;
}

/** What a put stores besides its value. */
export interface RecordFields {
  readonly key: Key;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

/** Bytes of the record of a put. */
export function recordSize(fields: RecordFields, value: Uint8Array): number {
  const { key, create, mod, version, lease } = fields;
  assert(create > 0 && create <= mod && version > 0, "a version is made at or after its creation");
  const numbers = 3 + varintSize(create) + varintSize(mod) + varintSize(version);
  const head = 1 + varintSize(key.length) + key.length + numbers;
  const body = value.length === 0 ? 0 : 1 + varintSize(value.length) + value.length;
  return head + body + leaseSize(lease);
}

/** Writes the record of a put into `bytes`, which are of its size. */
export function writeRecord(bytes: Buffer, fields: RecordFields, value: Uint8Array): void {
  const { key, create, mod, version, lease } = fields;
  let at = writeKey(bytes, 0, key);
  bytes[at++] = TAG_CREATE;
  at = writeVarint(bytes, at, create);
  bytes[at++] = TAG_MOD;
  at = writeVarint(bytes, at, mod);
  bytes[at++] = TAG_VERSION;
  at = writeVarint(bytes, at, version);
  if (value.length > 0) {
    bytes[at++] = TAG_VALUE;
    at = writeVarint(bytes, at, value.length);
    bytes.set(value, at);
    at += value.length;
  }
  at = writeLease(bytes, at, lease);
  assert(at === bytes.length, "a record fills its place");
}

function writeKey(bytes: Buffer, at: number, key: Key): number {
  bytes[at++] = TAG_KEY;
  at = writeVarint(bytes, at, key.length);
  if (key.length >= LOOP_BYTES_MAX) return at + bytes.write(key, at, "latin1");
  for (let from = 0; from < key.length; from++) bytes[at++] = key.charCodeAt(from);
  return at;
}

/** Bytes of a tombstone as stored. */
export function tombstoneSize(key: Key): number {
  return 1 + varintSize(key.length) + key.length;
}

/** Writes a tombstone as stored (the key alone) at `at`; answers where it ends. */
export function writeTombstone(bytes: Buffer, at: number, key: Key): number {
  return writeKey(bytes, at, key);
}

/** A delete as a watch event shows it: key and mod_revision. */
export function encodeDeleteEvent(key: Key, mod: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(tombstoneSize(key) + 1 + varintSize(mod));
  const at = writeKey(bytes, 0, key);
  bytes[at] = TAG_MOD;
  writeVarint(bytes, at + 1, mod);
  return bytes;
}

/**
 * Reads records without building objects: `read` fills the fields. One instance serves a whole loop. Throws
 * QuorateError "corruption" for bytes that are no record of ours: lengths are checked against the record's own.
 */
export class RecordReader {
  /** Bounds of the key within the record. */
  keyFrom = 0;
  keyEnd = 0;
  create = 0;
  mod = 0;
  version = 0;
  /** Start of the value field's tag; equal to `valueEnd` for an empty value. */
  valueTag = 0;
  valueFrom = 0;
  valueEnd = 0;
  /** Start of the lease field's tag; equal to the record's end without lease. */
  leaseTag = 0;
  #at = 0;
  #end = 0;

  /** Scans the record in the first `end` bytes of `record`; the fields hold until the next call. */
  read(record: Uint8Array, end: number = record.length): void {
    this.#end = end;
    if (end < 2 || record[0] !== TAG_KEY) {
      if (end !== 0) throw damaged();
      this.#readRaised();
      return;
    }
    this.#at = 1;
    const keyLength = this.#varint(record);
    this.keyFrom = this.#at;
    this.keyEnd = this.#at + keyLength;
    if (keyLength === 0 || this.keyEnd > end) throw damaged();
    this.#at = this.keyEnd;
    this.create = this.#field(record, TAG_CREATE);
    this.mod = this.#field(record, TAG_MOD);
    this.version = this.#field(record, TAG_VERSION);
    this.valueTag = this.#at;
    const valueLength = this.#field(record, TAG_VALUE);
    this.valueFrom = this.#at;
    this.valueEnd = this.#at + valueLength;
    if (this.valueEnd > end) throw damaged();
    this.leaseTag = this.valueEnd;
    if (this.leaseTag < end && record[this.leaseTag] !== TAG_LEASE) throw damaged();
  }

  /** The lease's id, 0 if none. After `read` of the same record. */
  lease(record: Uint8Array): bigint {
    const end = this.#end;
    if (this.leaseTag === end) return 0n;
    let lease = 0n;
    let shift = 0n;
    for (let at = this.leaseTag + 1; at < end; at++) {
      const byte = record[at] ?? 0;
      lease |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, lease);
      shift += 7n;
    }
    throw damaged();
  }

  /** The key as a string. After `read` of the same record. */
  key(record: Uint8Array): Key {
    return Buffer.prototype.latin1Slice.call(record, this.keyFrom, this.keyEnd) as Key;
  }

  /**
   * An empty record: what a restore with a raised revision leaves at that revision, in etcd and here. It is the first version of
   * the empty key, which no request can name.
   */
  #readRaised(): void {
    this.keyFrom = this.keyEnd = 0;
    this.create = this.mod = 0;
    this.version = 1;
    this.valueTag = this.valueFrom = this.valueEnd = this.leaseTag = 0;
  }

  #field(record: Uint8Array, tag: number): number {
    if (this.#at >= this.#end || record[this.#at] !== tag) return 0;
    this.#at++;
    return this.#varint(record);
  }

  #varint(record: Uint8Array): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = record[this.#at++];
      if (byte === undefined) throw damaged();
      if (byte < 0x80) {
        value += byte * scale;
        if (value > Number.MAX_SAFE_INTEGER) throw damaged();
        return value;
      }
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (scale > Number.MAX_SAFE_INTEGER) throw damaged();
    }
  }
}

function damaged(): QuorateError {
  return new QuorateError("corruption", "A stored key-value record does not decode");
}

const reader = new RecordReader();

/** The value's bytes: a view of the record. */
export function valueOf(record: Uint8Array): Uint8Array {
  reader.read(record);
  if (reader.valueFrom === reader.valueEnd) return EMPTY;
  return record.subarray(reader.valueFrom, reader.valueEnd);
}

/** The lease's id, 0 if none. */
export function leaseOf(record: Uint8Array): bigint {
  reader.read(record);
  return reader.lease(record);
}

export function keyOf(record: Uint8Array): Key {
  reader.read(record);
  return reader.key(record);
}

/** The same record without its value (keys_only); the record itself where the value is empty. */
export function withoutValue(record: Uint8Array): Uint8Array {
  reader.read(record);
  const { valueTag, valueEnd } = reader;
  if (valueTag === valueEnd) return record;
  const bytes = Buffer.allocUnsafe(record.length - (valueEnd - valueTag));
  bytes.set(record.subarray(0, valueTag), 0);
  bytes.set(record.subarray(valueEnd), valueTag);
  return bytes;
}
