/** Scalars of protojson: integers exact to 64 bits, and bytes in base64. */

const INTEGER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** More digits than any 64-bit integer has. */
const DIGITS_MAX = 40;

const BOUNDS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * An integer of `type`: a bigint where it is an id, else a number, which saturates as in the codecs. Null if the text is no
 * such integer; `1e2` and `5.0` are.
 */
export function parseInteger(
  type: "int32" | "uint32" | "int64" | "uint64",
  id: boolean,
  text: string,
): bigint | number | null {
  const exact = toInteger(text);
  const [least, most] = BOUNDS[type] ?? [0n, 0n];
  if (exact === null || exact < least || exact > most) return null;
  if (id) return exact;
  return Number(exact > SAFE ? SAFE : exact < -SAFE ? -SAFE : exact);
}

function toInteger(text: string): bigint | null {
  const match = INTEGER.exec(text);
  if (match === null) return null;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return 0n;
  const shift = Number(exponent) - fraction.length;
  if (digits.length + shift > DIGITS_MAX) return null;
  const kept = shift >= 0 ? digits + "0".repeat(shift) : digits.slice(0, shift);
  const cut = shift >= 0 ? "" : digits.slice(shift);
  if (/[1-9]/.test(cut)) return null;
  return BigInt(sign + (kept === "" ? "0" : kept));
}

/** Either alphabet, padded or not; null if it is not base64. */
export function parseBase64(text: string): Uint8Array | null {
  const url = /[-_]/.test(text);
  // Go passes over line breaks.
  const letters = text.replaceAll(/[\r\n]/g, "");
  const padded = text.length % 4 === 0;
  const alphabet = url ? /^[A-Za-z0-9_-]*(={0,2})$/ : /^[A-Za-z0-9+/]*(={0,2})$/;
  const match = alphabet.exec(letters);
  const padding = match?.[1]?.length ?? 0;
  if (match === null || (!padded && padding > 0)) return null;
  const rest = (letters.length - padding) % 4;
  if (rest === 1 || (padded && (rest + padding) % 4 !== 0)) return null;
  return Buffer.from(letters, url ? "base64url" : "base64");
}
