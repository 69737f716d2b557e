/** Milliseconds of each unit of `grpc-timeout`. */
export const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** `grpc-timeout` in milliseconds: one to eight digits and a unit. Null if malformed. */
export function parseTimeout(text: string): number | null {
  const digits = text.length - 1;
  if (digits < 1 || digits > 8) return null;
  let value = 0;
  for (let at = 0; at < digits; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  const unit = UNIT_MS[text.charAt(digits)];
  return unit === undefined ? null : value * unit;
}
