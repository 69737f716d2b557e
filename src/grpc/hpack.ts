/** HPACK decoding (RFC 7541) into flat arrays, and the literals that we send. */
import { ConnectionError, ErrorCode } from "./frame.ts";
import { decodeHuffman } from "./huffman.ts";
import {
  DynamicTable,
  ENTRY_OVERHEAD_BYTES,
  STATIC_COUNT,
  staticName,
  staticValue,
  TABLE_BYTES_MAX,
} from "./hpack-table.ts";

/**
 * One connection's decoder. `names[0, count)` and `values[0, count)` hold the last block's fields and are overwritten by
 * the next. Strings are latin1: one character a byte.
 */
export class HpackDecoder {
  readonly names: string[] = [];
  readonly values: string[] = [];
  count = 0;
  /** Size of the last block's list as RFC 9113 section 6.5.2 counts it; fields past the limit are counted, not stored. */
  listBytes = 0;
  readonly #listBytesMax: number;
  readonly #table = new DynamicTable();
  /** Reading position, and the last integer's or string's result: fields, so that reading allocates nothing. */
  #at = 0;

  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax;
  }

  /** Throws a COMPRESSION_ERROR, after which the connection is lost: the tables no longer agree. */
  decode(bytes: Buffer, from: number, end: number): void {
    this.count = 0;
    this.listBytes = 0;
    this.#at = from;
    let mayResize = true;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      if (first >= 0x80) {
        const index = this.#integer(bytes, end, 7);
        this.#push(this.#nameAt(index), this.#valueAt(index));
      } else if (first >= 0x40) this.#literal(bytes, end, 6, true);
      else if (first >= 0x20) {
        if (!mayResize) throw corrupt("a table size update after a field");
        const size = this.#integer(bytes, end, 5);
        if (size > TABLE_BYTES_MAX) throw corrupt(`a table size update to ${size}`);
        this.#table.resize(size);
        continue;
      } else this.#literal(bytes, end, 4, false);
      mayResize = false;
    }
  }

  #literal(bytes: Buffer, end: number, prefixBits: number, store: boolean): void {
    const index = this.#integer(bytes, end, prefixBits);
    const name = index === 0 ? this.#string(bytes, end) : this.#nameAt(index);
    const value = this.#string(bytes, end);
    if (store) this.#table.insert(name, value);
    this.#push(name, value);
  }

  #push(name: string, value: string): void {
    this.listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.listBytes > this.#listBytesMax) return;
    this.names[this.count] = name;
    this.values[this.count] = value;
    this.count++;
  }

  #nameAt(index: number): string {
    if (index <= STATIC_COUNT && index > 0) return staticName(index);
    return this.#table.name(this.#age(index));
  }

  #valueAt(index: number): string {
    if (index <= STATIC_COUNT && index > 0) return staticValue(index);
    return this.#table.value(this.#age(index));
  }

  #age(index: number): number {
    const age = index - STATIC_COUNT - 1;
    if (index === 0 || age >= this.#table.count) throw corrupt(`no table entry ${index}`);
    return age;
  }

  /** Section 5.1. Bounded to four continuation bytes: no honest integer here is larger. */
  #integer(bytes: Buffer, end: number, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= end) throw corrupt("an integer that ends early");
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw corrupt("an integer that is too large");
  }

  #string(bytes: Buffer, end: number): string {
    if (this.#at >= end) throw corrupt("a string that ends early");
    const huffman = (bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(bytes, end, 7);
    const from = this.#at;
    if (length > end - from) throw corrupt("a string that ends early");
    this.#at = from + length;
    return huffman
      ? decodeHuffman(bytes, from, this.#at)
      : bytes.toString("latin1", from, this.#at);
  }
}

function corrupt(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.compressionError, what);
}

/**
 * Fields as literals without indexing and with literal names: they change no table, so they may be prepared once and sent
 * on any connection. `:status` is indexed where the static table has it. Values are latin1.
 */
export function encodeFields(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) {
    if (name === ":status" && value === "200") parts.push(Buffer.of(0x88));
    else {
      const head: number[] = [0];
      pushInteger(head, name.length);
      parts.push(Buffer.from(head), Buffer.from(name, "latin1"));
      const length: number[] = [];
      pushInteger(length, value.length);
      parts.push(Buffer.from(length), Buffer.from(value, "latin1"));
    }
  }
  return Buffer.concat(parts);
}

/** A string length with a prefix of seven bits, without Huffman coding. */
function pushInteger(out: number[], value: number): void {
  if (value < 127) {
    out.push(value);
    return;
  }
  out.push(127);
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}
