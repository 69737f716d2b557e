/**
 * DER (ITU-T X.690), as much of it as certificates need: definite lengths, tags below 31.
 *
 * ```
 * element = tag (1 byte: class 2 bits, constructed 1 bit, number 5 bits)
 *           length (below 128: 1 byte; else 0x80 + count, then count bytes, big-endian, shortest form)
 *           content
 * ```
 */
import { QuorateError } from "../base/errors.ts";

export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Context-specific tag `number`: constructed (it holds elements) or primitive (it replaces the tag of a simple value). */
export function contextTag(number: number, constructed: boolean): number {
  return 0x80 | (constructed ? 0x20 : 0) | number;
}

/** One element of the parts' bytes, in order. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(size)]), ...parts]);
}

function lengthBytes(size: number): number[] {
  if (size < 0x80) return [size];
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(Tag.sequence, ...parts);
}

/** A set of one element: larger ones would have to be sorted. */
export function setOfOne(part: Uint8Array): Uint8Array {
  return element(Tag.set, part);
}

/** Two's complement, shortest form; never negative here. */
export function integer(value: bigint): Uint8Array {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  const needsZero = (bytes[0] ?? 0) >= 0x80;
  return element(Tag.integer, needsZero ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

export function boolean(value: boolean): Uint8Array {
  return element(Tag.boolean, Buffer.from([value ? 0xff : 0]));
}

export function octetString(content: Uint8Array): Uint8Array {
  return element(Tag.octetString, content);
}

/** A bit string whose last byte has `unused` bits that do not count. */
export function bitString(content: Uint8Array, unused = 0): Uint8Array {
  return element(Tag.bitString, Buffer.from([unused]), content);
}

export function utf8(text: string): Uint8Array {
  return element(Tag.utf8, Buffer.from(text, "utf8"));
}

/** Written as `1.2.840.10045`. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const base128 = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      base128.unshift((left & 0x7f) | 0x80);
    }
    bytes.push(...base128);
  }
  return element(Tag.oid, Buffer.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5); whole seconds. */
export function time(at: Date): Uint8Array {
  const text = `${at.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050
    ? element(Tag.utcTime, Buffer.from(text.slice(2), "latin1"))
    : element(Tag.generalizedTime, Buffer.from(text, "latin1"));
}

/** One element, read; its bytes are views of what was read. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** The only element in `bytes`. Throws QuorateError "invalidArgument" for anything else. */
export function readOne(bytes: Uint8Array): DerElement {
  const [only, ...more] = readAll(bytes);
  if (only === undefined || more.length > 0) throw malformed("it is not one element");
  return only;
}

/** The elements in `bytes`, one after the other. Throws QuorateError "invalidArgument" where they do not fill it. */
export function readAll(bytes: Uint8Array): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f) throw malformed("a tag is too large");
    const { size, from } = readLength(bytes, at + 1);
    const end = from + size;
    if (end > bytes.length) throw malformed("an element is cut off");
    found.push({ tag, content: bytes.subarray(from, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

function readLength(bytes: Uint8Array, at: number): { size: number; from: number } {
  const first = bytes[at];
  if (first === undefined) throw malformed("an element is cut off");
  if (first < 0x80) return { size: first, from: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw malformed("a length is indefinite or too large");
  let size = 0;
  for (let i = 1; i <= count; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw malformed("an element is cut off");
    size = size * 256 + byte;
  }
  return { size, from: at + 1 + count };
}

/** The time of a UTCTime or GeneralizedTime in the form that RFC 5280 demands. Throws QuorateError "invalidArgument". */
export function readTime({ tag, content }: DerElement): Date {
  const text = Buffer.from(content).toString("latin1");
  const full = tag === Tag.utcTime ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null) throw malformed("a time is not one");
  const [, year, month, day, hour, minute, second] = match;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

export function malformed(what: string): QuorateError {
  return new QuorateError("invalidArgument", `malformed DER: ${what}`);
}
