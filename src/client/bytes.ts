/** Keys, values and ranges as callers write them. */
import { EMPTY, fromKey, prefixEnd, toKey } from "../base/bytes.ts";

/** Text, which stands for its UTF-8 bytes, or bytes. */
export type Bytes = string | Uint8Array;

/** One key, all keys with a prefix (every key where it is empty), or all from one on, up to and without `end` if given. */
export type KeyRange =
  | Bytes
  | { readonly prefix: Bytes }
  | { readonly from: Bytes; readonly end?: Bytes | undefined };

/** As it goes over the wire: an empty end is the one key, a single zero byte no end. */
export interface WireRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

const ZERO = new Uint8Array(1);

export function toBytes(value: Bytes): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}

/** UTF-8; bytes that are none become U+FFFD. */
export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

export function toWireRange(range: KeyRange): WireRange {
  if (typeof range === "string" || range instanceof Uint8Array)
    return { key: toBytes(range), rangeEnd: EMPTY };
  if ("prefix" in range) {
    const key = toBytes(range.prefix);
    return { key: key.length === 0 ? ZERO : key, rangeEnd: endOfPrefix(key) };
  }
  const from = toBytes(range.from);
  const end = range.end === undefined ? ZERO : toBytes(range.end);
  return { key: from.length === 0 ? ZERO : from, rangeEnd: end };
}

/** The key that follows `key` in order. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

function endOfPrefix(prefix: Uint8Array): Uint8Array {
  const end = prefixEnd(toKey(prefix));
  return end === null ? ZERO : fromKey(end);
}
