/** Text as Go's fmt and strconv write and read it: what etcdctl prints is made of it. */
import { CtlError, Exit } from "./exit.ts";

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  "\\": 92,
  "'": 39,
  '"': 34,
};
const NAMED: ReadonlyMap<number, string> = new Map(
  Object.entries(ESCAPES)
    .filter(([letter]) => letter !== "'")
    .map(([letter, code]) => [code, `\\${letter}`]),
);
const PRINTABLE = /[ \p{L}\p{M}\p{N}\p{P}\p{S}]/u;

/** `%q`: in double quotes, with everything escaped that is not printable UTF-8. */
export function quote(bytes: Uint8Array | string): string {
  const buffer = Buffer.from(bytes);
  let text = '"';
  for (let at = 0; at < buffer.length;) {
    const size = sequenceSize(buffer, at);
    if (size === 0) {
      text += `\\x${hexOf(buffer[at] ?? 0, 2)}`;
      at++;
      continue;
    }
    const char = buffer.toString("utf8", at, at + size);
    text += quoteChar(char);
    at += size;
  }
  return `${text}"`;
}

function quoteChar(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const named = NAMED.get(code);
  if (named !== undefined) return named;
  if (PRINTABLE.test(char)) return char;
  if (code < 0x80) return `\\x${hexOf(code, 2)}`;
  return code > 0xffff ? `\\U${hexOf(code, 8)}` : `\\u${hexOf(code, 4)}`;
}

/** Bytes of the UTF-8 sequence that begins here; 0 where none does. */
function sequenceSize(buffer: Buffer, at: number): number {
  const first = buffer[at] ?? 0;
  if (first < 0x80) return 1;
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const part = buffer.subarray(at, at + size);
  return part.length === size && Buffer.from(part.toString()).equals(part) ? size : 0;
}

function hexOf(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** The bytes of a quoted Go string, in double quotes or backquotes; null where it is none. */
export function unquote(text: string): Buffer | null {
  if (/^`[^`]*`$/s.test(text)) return Buffer.from(text.slice(1, -1).replaceAll("\r", ""));
  if (!/^"(?:[^"\\\n]|\\.)*"$/.test(text)) return null;
  const pieces: Buffer[] = [];
  const pattern =
    /\\x([0-9a-fA-F]{2})|\\([0-7]{3})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\([abtnvfr\\"])|(\\)|([^\\]+)/g;
  for (const match of text.slice(1, -1).matchAll(pattern)) {
    const [, hex, octal, short, long, letter, wrong, plain] = match;
    if (wrong !== undefined) return null;
    if (plain !== undefined) pieces.push(Buffer.from(plain));
    else if (hex !== undefined) pieces.push(Buffer.of(Number.parseInt(hex, 16)));
    else if (octal !== undefined) pieces.push(Buffer.of(Number.parseInt(octal, 8)));
    else if (letter !== undefined) pieces.push(Buffer.of(ESCAPES[letter] ?? 0));
    else pieces.push(Buffer.from(String.fromCodePoint(Number.parseInt(short ?? long ?? "0", 16))));
  }
  return Buffer.concat(pieces);
}

/** The words of a line of input, as etcdctl splits it: quotes keep what they hold together. */
export function splitLine(line: string): string[] {
  const words = line.match(/"(?:[^"\\]|\\.)*"|'[^']*'|[^'"\s]\S*[^'"\s]?/g) ?? [];
  return words.map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    if (!word.startsWith('"')) return word;
    const bytes = unquote(word);
    if (bytes === null) throw new CtlError(Exit.invalidInput, "invalid syntax");
    return wordOf(bytes);
  });
}

/** Bytes that are no UTF-8 travel in words as lone surrogates, from U+DC80 on, as in Python: `bytesOfWord` finds them. */
const STRAY = 0xdc00;

function wordOf(bytes: Buffer): string {
  let word = "";
  for (let at = 0; at < bytes.length;) {
    const size = sequenceSize(bytes, at);
    word +=
      size === 0
        ? String.fromCharCode(STRAY + (bytes[at] ?? 0))
        : bytes.toString("utf8", at, at + size);
    at += Math.max(1, size);
  }
  return word;
}

/** What a word of the command line or of a line of input stands for. */
export function bytesOfWord(word: string): Buffer {
  if (word.isWellFormed()) return Buffer.from(word);
  const pieces = Array.from(word, (char) => {
    const code = char.charCodeAt(0);
    return char.length === 1 && code > STRAY + 0x7f && code <= STRAY + 0xff
      ? Buffer.of(code - STRAY)
      : Buffer.from(char);
  });
  return Buffer.concat(pieces);
}

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** strconv.ParseInt with 64 bits; throws what Go says. */
export function parseInt64(text: string, base: 10 | 16): bigint {
  return parseInteger("ParseInt", text, base, -INT64_MAX - 1n, INT64_MAX);
}

/** strconv.ParseUint with 64 bits. */
export function parseUint64(text: string, base: 10 | 16): bigint {
  return parseInteger("ParseUint", text, base, 0n, UINT64_MAX);
}

function parseInteger(name: string, text: string, base: 10 | 16, min: bigint, max: bigint): bigint {
  const digits = base === 16 ? "[0-9a-fA-F]" : "[0-9]";
  const sign = min < 0n ? "[+-]?" : "";
  const fail = (why: string): Error => new Error(`strconv.${name}: parsing ${quote(text)}: ${why}`);
  if (!new RegExp(`^${sign}${digits}+$`).test(text)) throw fail("invalid syntax");
  const bare = text.replace(/^[+-]/, "");
  const size = BigInt(base === 16 ? `0x${bare}` : bare);
  const value = text.startsWith("-") ? -size : size;
  if (value < min || value > max) throw fail("value out of range");
  return value;
}

/** `%016x` of an id: 64 bits, two's complement as Go prints a negative one. */
export function hex16(id: bigint): string {
  return id < 0n ? `-${(-id).toString(16).padStart(15, "0")}` : id.toString(16).padStart(16, "0");
}

/** time.Duration's String of so many milliseconds. */
export function durationText(ms: number): string {
  const ns = Math.round(ms * 1e6);
  const trim = (value: number, digits: number): string => String(Number(value.toFixed(digits)));
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${trim(ns / 1e3, 3)}µs`;
  if (ns < 1e9) return `${trim(ns / 1e6, 6)}ms`;
  const hours = Math.floor(ns / 3.6e12);
  const minutes = Math.floor(ns / 6e10) % 60;
  const seconds = `${trim((ns / 1e9) % 60, 9)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** A size for people, in powers of 1000: `2.1 GB`. */
export function sizeText(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const power = Math.floor(Math.log(bytes) / Math.log(1000));
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : halfEven(value)} ${SIZES[power] ?? ""}`;
}

/** `%.0f`: a half goes to the even neighbour. */
function halfEven(value: number): number {
  const rounded = Math.round(value);
  return value % 1 === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
