/** How long to wait after failures. */
import type { Random } from "../../src/base/ports.ts";

export interface Backoff {
  /** After the first failure, in milliseconds. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Milliseconds to wait after so many failures in a row: doubled each time, and between a half and the whole of that. */
export function backoffMs(
  { firstMs, longestMs }: Backoff,
  failures: number,
  random: Random,
): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return whole * (0.5 + random.next() / 2);
}
