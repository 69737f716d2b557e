/** Deadlines of requests, as the header Grpc-Timeout sets them. */

import { UNIT_MS } from "../../src/grpc/timeout.ts";

/** Beyond it a timer of Node's would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Milliseconds; NaN if it is no timeout, null for zero, which grpc-gateway takes for none. */
export function parseTimeout(text: string): number | null {
  const match = /^([+-]?\d{1,18})([HMSmun])$/.exec(text);
  const value = Number(match?.[1] ?? Number.NaN) * (UNIT_MS[match?.[2] ?? ""] ?? 1);
  return value === 0 ? null : value;
}

/** Calls back after so many milliseconds; null, and never, where there is no deadline. */
export function startDeadline(
  timeoutMs: number | null,
  onDeadline: () => void,
): NodeJS.Timeout | null {
  if (timeoutMs === null) return null;
  return setTimeout(onDeadline, Math.min(TIMER_MS_MAX, Math.max(0, timeoutMs)));
}
