/** The real clock and the real randomness. */
import { randomBytes } from "node:crypto";
import type { Clock, Random } from "../src/base/ports.ts";

export const monotonicClock: Clock = {
  now: () => performance.now(),
};

export const systemRandom: Random = {
  next: () => fraction(),
  between: (from, end) => from + Math.floor(fraction() * (end - from)),
};

/** 53 bits of the system's randomness, as a fraction. */
function fraction(): number {
  const bits = randomBytes(8).readBigUInt64BE() >> 11n;
  return Number(bits) / 2 ** 53;
}
