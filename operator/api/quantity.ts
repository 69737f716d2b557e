/** Kubernetes quantities: a number, and a suffix that multiplies it. */

/** Powers of ten as exponents, powers of two as factors. */
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
const FORM =
  /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;

/**
 * The value as a whole number, rounded away from zero as the API server does; null for what is no quantity. Beyond 2^53 a
 * number cannot hold every value.
 */
export function parseQuantity(quantity: string | number): number | null {
  const match = FORM.exec(String(quantity));
  if (match === null) return null;
  const [, sign = "", digits = "", suffix = "", exponent] = match;
  const [whole = "", fraction = ""] = digits.split(".");
  const binary = BINARY[suffix];
  const power = exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent);
  const tens = (binary === undefined ? power : 0) - fraction.length;
  let value = BigInt(whole + fraction) * (binary ?? 1n);
  if (tens >= 0) value *= 10n ** BigInt(tens);
  else value = dividedUp(value, 10n ** BigInt(-tens));
  return Number(sign === "-" ? -value : value);
}

function dividedUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}

/** The quantity of a field that the schema has checked; a RangeError for what is none. */
export function quantityOf(quantity: string | number): number {
  const value = parseQuantity(quantity);
  if (value === null) throw new RangeError(`"${quantity}" is no quantity`);
  return value;
}

const UNITS = ["Ki", "Mi", "Gi", "Ti", "Pi"] as const;

/** Bytes for people, three digits and a binary suffix: "12.5Mi". Rounded, so not for what is compared or applied. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = "";
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)}${unit}`;
}
