/**
 * Revisions and how they are stored.
 *
 * ```
 * revision key: main, 8 bytes big-endian | sub, 8 bytes big-endian | 't' (0x74) if a tombstone
 * ```
 * Byte order of the keys is the order of the revisions. May change only by adding a version.
 */
import { assert } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";

/** A main revision: one for each entry of the log that changed the key space. 1 is the empty store. */
export type Revision = Brand<number, "Revision">;

export const FIRST_REVISION = 1 as Revision;

/** Where in the history a version of a key was made: `sub` counts the changes within `main` from 0. */
export interface FullRevision {
  readonly main: Revision;
  readonly sub: number;
}

export const REVISION_KEY_BYTES = 16;
const TOMBSTONE_MARK = 0x74;
const U32 = 0x1_0000_0000;

/** The stored key of a revision, 16 bytes, or 17 for a tombstone. Fresh, owned by the caller. */
export function toRevisionKey(main: Revision, sub: number, tombstone: boolean): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(tombstone ? REVISION_KEY_BYTES + 1 : REVISION_KEY_BYTES);
  writeRevisionKey(bytes, main, sub);
  return bytes;
}

/** Writes the stored key of a revision into `bytes` from `at` on: the mark of a tombstone too, if there is a 17th byte. */
export function writeRevisionKey(bytes: Uint8Array, main: number, sub: number, at = 0): void {
  writeU64(bytes, at, main);
  writeU64(bytes, at + 8, sub);
  const end = at + REVISION_KEY_BYTES;
  if (bytes.length > end) bytes[end] = TOMBSTONE_MARK;
}

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / U32);
  const low = value >>> 0;
  bytes[at] = high >>> 24;
  bytes[at + 1] = high >>> 16;
  bytes[at + 2] = high >>> 8;
  bytes[at + 3] = high;
  bytes[at + 4] = low >>> 24;
  bytes[at + 5] = low >>> 16;
  bytes[at + 6] = low >>> 8;
  bytes[at + 7] = low;
}

/** Reads a stored revision key. Throws where it is not one: our own storage never holds anything else. */
export function readRevisionKey(bytes: Uint8Array): FullRevision & { readonly tombstone: boolean } {
  const { length } = bytes;
  const tombstone =
    length === REVISION_KEY_BYTES + 1 && bytes[REVISION_KEY_BYTES] === TOMBSTONE_MARK;
  assert(
    length === REVISION_KEY_BYTES || tombstone,
    "a revision key has 16 bytes and perhaps the mark of a tombstone",
  );
  const main = readU64(bytes, 0);
  const sub = readU64(bytes, 8);
  assert(
    Number.isSafeInteger(main) && Number.isSafeInteger(sub),
    "a revision stays a safe integer",
  );
  return { main: main as Revision, sub, tombstone };
}

/** 8 bytes big-endian at `at`; above 2^53 inexact. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * U32 + readU32(bytes, at + 4);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
