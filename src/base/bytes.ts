/**
 * Bytes and the keys made of them.
 *
 * A `Key` is a latin1 string: one character a byte, so that `<` is byte order, a Map takes it as it is, and V8 stores one
 * byte a character. It is never text: UTF-8 strings do not stand for bytes anywhere in Quorate.
 */
import type { Brand } from "./brand.ts";

/** A user's key as a latin1 string: one character a byte, native `<` is unsigned byte order. */
export type Key = Brand<string, "Key">;

export const EMPTY: Uint8Array = new Uint8Array(0);

/** The key of these bytes; copies. */
export function toKey(bytes: Uint8Array): Key {
  const { length } = bytes;
  // Below some twenty bytes a loop beats the call into C++ by its fixed cost; above, the call wins.
  return Buffer.prototype.latin1Slice.call(bytes, 0, length) as Key;
}

/** A fresh copy of the key's bytes. */
export function fromKey(key: Key): Uint8Array {
  return Buffer.from(key, "latin1");
}

/** The smallest key greater than `key`. */
export function successor(key: Key): Key {
  return `${key}\0` as Key;
}

/**
 * The end (exclusive) of the interval of all keys that start with `prefix`: its last byte below 0xFF plus one, the rest cut.
 * Null where there is no end: an empty prefix, or nothing but 0xFF.
 */
export function prefixEnd(prefix: Key): Key | null {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const code = prefix.charCodeAt(at);
    if (code < 0xff) return (prefix.slice(0, at) + String.fromCharCode(code + 1)) as Key;
  }
  return null;
}

/** Unsigned byte order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Same length and content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A copy that outlives the request: owned, outside the shared pool. */
export function keep(view: Uint8Array): Uint8Array {
  const owned = Buffer.allocUnsafeSlow(view.byteLength);
  owned.set(view);
  return owned;
}
