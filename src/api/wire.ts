/**
 * Writes the protobuf wire format (protobuf.dev/programming-guides/encoding) backwards, from the last byte to the first:
 * a nested message's length is known when it is written, so nothing is measured twice and nothing is patched.
 *
 * One shared buffer serves every message: a fresh typed array for each costs more than the encoding itself.
 */
import { assert } from "../base/assert.ts";

const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew beyond this is given up by the next message. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Below this a loop beats the call into C++ by its fixed cost. */
const SHORT_BYTES = 24;

const U32 = 0x1_0000_0000;
const words = new Uint32Array(2);
const signed = new BigInt64Array(words.buffer);
const LOW = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** Tags (field number * 8 + wire type) are passed as numbers, ready made. Fields go in from the highest number down. */
export class Writer {
  #buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Written: #buffer[#at, length). */
  #at = INITIAL_BYTES;

  /** Bytes written so far. */
  get size(): number {
    return this.#buffer.length - this.#at;
  }

  /** Forgets what was written. Views from `finish` end here. */
  reset(): void {
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#at = this.#buffer.length;
  }

  /** What was written: a view, valid until the next `reset` or write. */
  finish(): Uint8Array {
    return this.#buffer.subarray(this.#at);
  }

  /** Bytes as they are, without tag or length. */
  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#at < length) this.#grow(length);
    const at = this.#at - length;
    this.#at = at;
    const buffer = this.#buffer;
    if (length > SHORT_BYTES) buffer.set(bytes, at);
    else for (let from = 0; from < length; from++) buffer[at + from] = bytes[from] as number;
  }

  /** A bytes field, or a message that is already encoded. */
  bytes(tag: number, bytes: Uint8Array): void {
    this.raw(bytes);
    this.#lengthAndTag(bytes.length, tag);
  }

  string(tag: number, text: string): void {
    const before = this.size;
    const { length } = text;
    // At most three bytes of UTF-8 for a UTF-16 unit.
    if (this.#at < length * 3) this.#grow(length * 3);
    if (!this.#ascii(text)) {
      const size = Buffer.byteLength(text);
      this.#buffer.write(text, this.#at - size, size);
      this.#at -= size;
    }
    this.#lengthAndTag(this.size - before, tag);
  }

  /** Puts tag and length before all that was written since `size` was `before`. */
  wrap(tag: number, before: number): void {
    this.#lengthAndTag(this.size - before, tag);
  }

  bool(tag: number, value: boolean): void {
    if (this.#at < 6) this.#grow(6);
    this.#buffer[--this.#at] = value ? 1 : 0;
    this.#tag(tag);
  }

  /** int32, int64, uint32, uint64 and enums whose value is a safe integer. */
  int(tag: number, value: number): void {
    this.integer(value);
    this.#tag(tag);
  }

  /** int64 or uint64 of all 64 bits. */
  id(tag: number, value: bigint): void {
    this.bigInteger(value);
    this.#tag(tag);
  }

  /** A varint without tag: an element of a packed field. Leaves room for a tag. */
  integer(value: number): void {
    if (this.#at < 16) this.#grow(16);
    if (value >= 0 && value < 0x80) {
      this.#buffer[--this.#at] = value;
      return;
    }
    this.#varint(value >>> 0, Math.floor(value / U32) >>> 0);
  }

  /** As `integer`, for all 64 bits. */
  bigInteger(value: bigint): void {
    if (this.#at < 16) this.#grow(16);
    signed[0] = value;
    this.#varint(words[LOW] as number, words[HIGH] as number);
  }

  /** The text in one byte a character, or false and nothing written. Room is there. */
  #ascii(text: string): boolean {
    const { length } = text;
    if (length > SHORT_BYTES) return false;
    const buffer = this.#buffer;
    const at = this.#at - length;
    for (let from = 0; from < length; from++) {
      const code = text.charCodeAt(from);
      if (code >= 0x80) return false;
      buffer[at + from] = code;
    }
    this.#at = at;
    return true;
  }

  #lengthAndTag(length: number, tag: number): void {
    if (this.#at < 16) this.#grow(16);
    if (length < 0x80) this.#buffer[--this.#at] = length;
    else this.#varint(length, 0);
    this.#tag(tag);
  }

  /** At most 5 bytes, for which the caller has made room. */
  #tag(tag: number): void {
    if (tag < 0x80) this.#buffer[--this.#at] = tag;
    else this.#varint(tag, 0);
  }

  /** At most 10 bytes, for which the caller has made room. Both halves are unsigned. */
  #varint(low: number, high: number): void {
    const buffer = this.#buffer;
    let at = this.#at - varintSize(low, high);
    this.#at = at;
    while (high > 0) {
      buffer[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    while (low > 0x7f) {
      buffer[at++] = (low & 0x7f) | 0x80;
      low >>>= 7;
    }
    buffer[at] = low;
  }

  #grow(needed: number): void {
    const { size } = this;
    const length = Math.max(this.#buffer.length * 2, size + needed + INITIAL_BYTES);
    const grown = Buffer.allocUnsafeSlow(length);
    this.#buffer.copy(grown, length - size, this.#at);
    this.#buffer = grown;
    this.#at = length - size;
    assert(this.#at >= needed, "a grown buffer has room");
  }
}

function varintSize(low: number, high: number): number {
  if (high === 0) {
    if (low < 0x80) return 1;
    if (low < 0x4000) return 2;
    if (low < 0x20_0000) return 3;
    return low < 0x1000_0000 ? 4 : 5;
  }
  if (high < 0x8) return 5;
  if (high < 0x400) return 6;
  if (high < 0x2_0000) return 7;
  if (high < 0x100_0000) return 8;
  return high < 0x8000_0000 ? 9 : 10;
}

const shared = new Writer();

/** The one writer of this thread, emptied. What it returned before is no longer valid. */
export function openWriter(): Writer {
  shared.reset();
  return shared;
}
