/**
 * Reads the protobuf wire format (protobuf.dev/programming-guides/encoding) in place.
 *
 * Every read is bounded by `end`, so no length that a client claims is believed before it is compared with what is there,
 * and nothing is allocated by a claimed length.
 */
import { EMPTY } from "../base/bytes.ts";

/** Bytes that are not the message they should be. A server answers it with INTERNAL, as grpc-go does. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** Messages within messages. Far beyond any valid Txn (128 levels of two messages each), far below the stack's end. */
export const DEPTH_MAX = 1_000;

const U32 = 0x1_0000_0000;
/** Scratch in which the halves of a 64-bit integer become a bigint. */
const words = new Uint32Array(2);
const signed = new BigInt64Array(words.buffer);
const unsigned = new BigUint64Array(words.buffer);
const LOW = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Up to here a loop over ASCII beats the call into C++. */
const SHORT_STRING = 24;

/** A cursor over one message. Invariant: start <= at <= end <= buffer.length. */
export class Reader {
  buffer: Uint8Array = EMPTY;
  at = 0;
  end = 0;
  /** Halves of the varint read last, each 32 bits signed. */
  #low = 0;
  #high = 0;
  #depth = 0;

  /** Begins with `buffer[start, end)`, whatever was read before. */
  open(buffer: Uint8Array, start: number, end: number): void {
    if (!(start >= 0 && start <= end && end <= buffer.length)) {
      throw new DecodeError("proto: the message is outside its buffer");
    }
    this.buffer = buffer;
    this.at = start;
    this.end = end;
    this.#depth = 0;
  }

  /** Begins a nested message; answers the end of the outer one, for `leave`. */
  enter(): number {
    const size = this.#size();
    if (++this.#depth > DEPTH_MAX) throw new DecodeError("proto: messages nest too deep");
    const outer = this.end;
    this.end = this.at + size;
    return outer;
  }

  /** Ends a nested message: its reader has consumed all of it. */
  leave(outer: number): void {
    this.#depth--;
    this.end = outer;
  }

  /** Field number and wire type. */
  tag(): number {
    const { at } = this;
    const first = this.buffer[at] as number;
    // `at < end` is what the caller's loop tests.
    if (first < 0x80 && first > 7) {
      this.at = at + 1;
      return first;
    }
    this.#varint();
    if (this.#high !== 0) throw new DecodeError("proto: a tag is too large");
    const tag = this.#low >>> 0;
    if (tag < 8) throw new DecodeError("proto: field number 0");
    return tag;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** int32 and enums: the lower half, as every implementation takes it. */
  int32(): number {
    this.#varint();
    return this.#low;
  }

  uint32(): number {
    this.#varint();
    return this.#low >>> 0;
  }

  /** int64 as a counter, saturated to +-(2^53 - 1). */
  int64(): number {
    this.#varint();
    if (this.#high === 0) return this.#low >>> 0;
    const value = this.#high * U32 + (this.#low >>> 0);
    if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
    return value < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : value;
  }

  /** uint64 as a counter, saturated to 2^53 - 1. */
  uint64(): number {
    this.#varint();
    if (this.#high === 0) return this.#low >>> 0;
    const value = (this.#high >>> 0) * U32 + (this.#low >>> 0);
    return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value;
  }

  /** int64 as an id, all 64 bits. */
  int64Id(): bigint {
    this.#varint();
    if (this.#high === 0 && this.#low === 0) return 0n;
    words[LOW] = this.#low;
    words[HIGH] = this.#high;
    return signed[0] as bigint;
  }

  /** uint64 as an id, all 64 bits. */
  uint64Id(): bigint {
    this.#varint();
    if (this.#high === 0 && this.#low === 0) return 0n;
    words[LOW] = this.#low;
    words[HIGH] = this.#high;
    return unsigned[0] as bigint;
  }

  /** A view of the buffer: borrowed, valid as long as the buffer is. */
  bytes(): Uint8Array {
    const size = this.#size();
    if (size === 0) return EMPTY;
    const { at } = this;
    this.at = at + size;
    return this.buffer.subarray(at, at + size);
  }

  /** Text; what is not UTF-8 is refused, as proto3 demands. */
  string(): string {
    const size = this.#size();
    const { at, buffer } = this;
    this.at = at + size;
    if (size <= SHORT_STRING) {
      let text = "";
      let next = at;
      for (; next < at + size; next++) {
        const code = buffer[next] as number;
        if (code >= 0x80) break;
        text += String.fromCharCode(code);
      }
      if (next === at + size) return text;
    }
    try {
      return strictUtf8.decode(buffer.subarray(at, at + size));
    } catch {
      throw new DecodeError("proto: a string holds invalid UTF-8");
    }
  }

  /** Passes over a field that this build does not know. `known` fields come here only with a wrong wire type. */
  skip(tag: number, known: ReadonlySet<number>): void {
    if (known.has(tag >>> 3)) {
      throw new DecodeError(`proto: wrong wireType = ${tag & 7} for field ${tag >>> 3}`);
    }
    let groups = 0;
    let type = tag & 7;
    for (;;) {
      groups += this.#skipValue(type);
      if (groups < 0) throw new DecodeError("proto: the end of a group that has no start");
      if (groups === 0) return;
      if (this.at >= this.end) throw new DecodeError("proto: unexpected end of a group");
      type = this.tag() & 7;
    }
  }

  /** Passes over one value; answers how it changes the number of open groups. */
  #skipValue(type: number): number {
    switch (type) {
      case 0:
        this.#varint();
        return 0;
      case 1:
        this.#advance(8);
        return 0;
      case 2:
        this.#advance(this.#size());
        return 0;
      case 3:
        return 1;
      case 4:
        return -1;
      case 5:
        this.#advance(4);
        return 0;
      default:
        throw new DecodeError(`proto: illegal wireType ${type}`);
    }
  }

  #advance(size: number): void {
    if (size > this.end - this.at) throw new DecodeError("proto: unexpected end of message");
    this.at += size;
  }

  /** A length that is known to fit into what is left. */
  #size(): number {
    const { at, end } = this;
    const first = at < end ? (this.buffer[at] as number) : 0x80;
    if (first < 0x80) {
      this.at = at + 1;
      if (first > end - at - 1) throw new DecodeError("proto: unexpected end of message");
      return first;
    }
    this.#varint();
    const size = this.#low >>> 0;
    if (this.#high !== 0 || size > this.end - this.at) {
      throw new DecodeError("proto: unexpected end of message");
    }
    return size;
  }

  #varint(): void {
    const { at, buffer } = this;
    if (at < this.end) {
      const first = buffer[at] as number;
      if (first < 0x80) {
        this.at = at + 1;
        this.#low = first;
        this.#high = 0;
        return;
      }
    }
    this.#longVarint();
  }

  #longVarint(): void {
    const { buffer, end } = this;
    let { at } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw new DecodeError("proto: unexpected end of message");
      const byte = buffer[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) break;
        this.at = at;
        this.#low = low;
        this.#high = high;
        return;
      }
    }
    throw new DecodeError("proto: integer overflow");
  }
}

const shared = new Reader();

/** The one reader of this thread, opened. Decoding never calls out, so it is never entered twice. */
export function openReader(buffer: Uint8Array, start: number, end: number): Reader {
  shared.open(buffer, start, end);
  return shared;
}
