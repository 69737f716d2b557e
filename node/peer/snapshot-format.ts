/**
 * A state on its way to a peer.
 *
 * ```
 * stream = row*
 * row    = key length, 4 bytes LE | value length, 4 bytes LE | key | value (both as stored, with bucket and CRC)
 * ```
 * cut anywhere into chunks, each with its offset and CRC-32; the last names the SHA-256 of the whole. May change only by
 * adding a version.
 */
import { QuorateError } from "../../src/base/errors.ts";
import type { BackendOperation, BackendRow } from "../../src/backend/backend.ts";

export const SNAPSHOT_FORMAT = 1;
const ROW_HEAD_BYTES = 8;
/** No row of ours is larger: a request is bounded far below. */
const ROW_BYTES_MAX = 1024 * 1024 * 1024;

/** Rows to bytes. */
export function packRows(rows: readonly BackendRow[]): Buffer {
  let size = 0;
  for (const [key, value] of rows) size += ROW_HEAD_BYTES + key.length + value.length;
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const [key, value] of rows) {
    at = bytes.writeUInt32LE(key.length, at);
    at = bytes.writeUInt32LE(value.length, at);
    bytes.set(key, at);
    bytes.set(value, at + key.length);
    at += key.length + value.length;
  }
  return bytes;
}

/** Bytes to rows, whatever way they were cut. */
export class RowUnpacker {
  #rest: Buffer = Buffer.alloc(0);

  /** Bytes of a row that has not ended. */
  get unfinishedBytes(): number {
    return this.#rest.length;
  }

  /** The rows that `chunk` completes; they are views of bytes that nobody else keeps. */
  add(chunk: Uint8Array): BackendOperation[] {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const rows: BackendOperation[] = [];
    let at = 0;
    while (bytes.length - at >= ROW_HEAD_BYTES) {
      const keyBytes = bytes.readUInt32LE(at);
      const valueBytes = bytes.readUInt32LE(at + 4);
      if (keyBytes + valueBytes > ROW_BYTES_MAX) {
        throw new QuorateError("corruption", "a received state holds a row of impossible size");
      }
      const keyAt = at + ROW_HEAD_BYTES;
      const valueAt = keyAt + keyBytes;
      if (valueAt + valueBytes > bytes.length) break;
      rows.push({
        type: "put",
        key: bytes.subarray(keyAt, valueAt),
        value: bytes.subarray(valueAt, valueAt + valueBytes),
      });
      at = valueAt + valueBytes;
    }
    this.#rest = bytes.subarray(at);
    return rows;
  }
}
