/**
 * WebSocket frames (RFC 6455), the server's side.
 *
 *   0               1               2 …           2, 4 or 10 …    payload …
 *   F RSV  opcode | M length(7)   | length 16/64 | masking key 4 | data, each byte XOR key[i mod 4]
 *
 * Clients mask, servers do not. A length of 126 or 127 says that it follows in 16 or 64 bits, big-endian.
 */
import { isUtf8 } from "node:buffer";

export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Why a connection is closed (section 7.4.1). */
export const CloseCode = {
  normal: 1000,
  protocolError: 1002,
  invalidPayload: 1007,
  tooBig: 1009,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** What a client does. Payloads are borrowed until the call returns. */
export interface FrameSink {
  /** A whole message, of whatever fragments. */
  onMessage(payload: Buffer): void;
  onPing(payload: Buffer): void;
  /** The client closes, with a code or without; the answer says the same. Nothing follows. */
  onClose(code: number | null): void;
  /** The client breaks the rules. Nothing follows. */
  onFault(code: CloseCode): void;
}

const HEADER_BYTES_MAX = 14;
const CONTROL_BYTES_MAX = 125;
const OPCODES: ReadonlySet<number> = new Set(Object.values(Opcode));

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #messageBytesMax: number;
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES_MAX);
  #headerBytes = 0;
  /** Of the frame whose payload is arriving; -1 while its header is. */
  #left = -1;
  #offset = 0;
  #opcode = 0;
  #final = false;
  readonly #control: Buffer = Buffer.alloc(CONTROL_BYTES_MAX);
  #controlBytes = 0;
  /** Of the message's fragments, grown as they arrive. */
  #message: Buffer = Buffer.alloc(0);
  #messageBytes = 0;
  /** The message's type between its first and its last fragment; null outside. */
  #type: Opcode | null = null;
  #ended = false;

  constructor(messageBytesMax: number, sink: FrameSink) {
    this.#messageBytesMax = messageBytesMax;
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (!this.#ended && (at < chunk.length || this.#left === 0)) {
      if (this.#left < 0) {
        this.#header[this.#headerBytes++] = chunk[at++] ?? 0;
        if (this.#headerBytes === this.#headerSize()) this.#onHeader();
        continue;
      }
      const count = Math.min(this.#left, chunk.length - at);
      this.#append(chunk, at, count);
      at += count;
      this.#left -= count;
      if (this.#left === 0) this.#onFrame();
    }
  }

  /** As far as the bytes tell by now. */
  #headerSize(): number {
    if (this.#headerBytes < 2) return 2;
    const second = this.#header[1] ?? 0;
    const length = second & 0x7f;
    const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
    return 2 + extended + ((second & 0x80) === 0 ? 0 : 4);
  }

  #onHeader(): void {
    const [first = 0, second = 0] = this.#header;
    const opcode = first & 0x0f;
    const isControl = (opcode & 0x8) !== 0;
    this.#final = (first & 0x80) !== 0;
    this.#opcode = opcode;
    const length = this.#length(second & 0x7f);
    const isBroken =
      (first & 0x70) !== 0 ||
      (second & 0x80) === 0 ||
      !OPCODES.has(opcode) ||
      length === null ||
      (isControl && (!this.#final || length > CONTROL_BYTES_MAX)) ||
      (!isControl && (opcode === Opcode.continuation) !== (this.#type !== null));
    if (isBroken) this.#fault(CloseCode.protocolError);
    else if (!isControl && this.#messageBytes + length > this.#messageBytesMax) {
      this.#fault(CloseCode.tooBig);
    } else {
      if (!isControl) this.#type ??= opcode as Opcode;
      this.#left = length;
      this.#offset = 0;
      this.#controlBytes = 0;
    }
  }

  /** Null where a shorter form would have done, or a number does not hold it. */
  #length(short: number): number | null {
    if (short < 126) return short;
    if (short === 126) {
      const length = this.#header.readUInt16BE(2);
      return length < 126 ? null : length;
    }
    const length = Number(this.#header.readBigUInt64BE(2));
    return length < 2 ** 16 || length > Number.MAX_SAFE_INTEGER ? null : length;
  }

  /** Unmasks on the way. */
  #append(chunk: Buffer, from: number, count: number): void {
    const isControl = (this.#opcode & 0x8) !== 0;
    const target = isControl ? this.#control : this.#roomFor(count);
    const start = isControl ? this.#controlBytes : this.#messageBytes;
    const key = this.#headerBytes - 4;
    for (let i = 0; i < count; i++) {
      const mask = this.#header[key + ((this.#offset + i) & 3)] ?? 0;
      target[start + i] = (chunk[from + i] ?? 0) ^ mask;
    }
    this.#offset += count;
    if (isControl) this.#controlBytes += count;
    else this.#messageBytes += count;
  }

  #roomFor(count: number): Buffer {
    const needed = this.#messageBytes + count;
    if (needed > this.#message.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#message.length));
      this.#message.copy(grown, 0, 0, this.#messageBytes);
      this.#message = grown;
    }
    return this.#message;
  }

  #onFrame(): void {
    this.#left = -1;
    this.#headerBytes = 0;
    const control = this.#control.subarray(0, this.#controlBytes);
    if (this.#opcode === Opcode.ping) this.#sink.onPing(control);
    else if (this.#opcode === Opcode.close) this.#onClose(control);
    else if (this.#opcode !== Opcode.pong && this.#final) this.#onMessage();
  }

  #onMessage(): void {
    const payload = this.#message.subarray(0, this.#messageBytes);
    const isText = this.#type === Opcode.text;
    this.#type = null;
    this.#messageBytes = 0;
    // What a large message took is not kept for small ones.
    this.#message = Buffer.alloc(0);
    if (isText && !isUtf8(payload)) this.#fault(CloseCode.invalidPayload);
    else this.#sink.onMessage(payload);
  }

  #onClose(payload: Buffer): void {
    const code = payload.length < 2 ? null : payload.readUInt16BE(0);
    if (payload.length === 1 || (code !== null && !isCloseCode(code))) {
      this.#fault(CloseCode.protocolError);
    } else if (!isUtf8(payload.subarray(2))) this.#fault(CloseCode.invalidPayload);
    else {
      this.#ended = true;
      this.#sink.onClose(code);
    }
  }

  #fault(code: CloseCode): void {
    this.#ended = true;
    this.#sink.onFault(code);
  }
}

/** May an endpoint send this code (section 7.4)? */
function isCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

/** A frame of the server's; `final` ends the message. */
export function encodeFrame(opcode: Opcode, payload: Uint8Array, final: boolean): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 2 ** 16 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extended + length);
  frame[0] = (final ? 0x80 : 0) | opcode;
  frame[1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  if (extended === 2) frame.writeUInt16BE(length, 2);
  else if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + extended);
  return frame;
}

export function encodeClose(code: number | null): Buffer {
  const payload = Buffer.allocUnsafe(code === null ? 0 : 2);
  if (code !== null) payload.writeUInt16BE(code, 0);
  return encodeFrame(Opcode.close, payload, true);
}
