/** Time as the operator's parts see it, so that tests can own it. */
import type { Clock } from "../src/base/ports.ts";

/** Monotonic time, the wall clock beside it, and appointments. */
export interface Time extends Clock {
  /** Milliseconds since 1970, for what is written down for others; never for measuring. */
  wall(): number;
  /** Runs `act` once, in `milliseconds` or later. Returns what cancels it. */
  after(milliseconds: number, act: () => void): () => void;
}

/** The longest delay that a timer of the runtime can take. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The real one. Its timers keep the process alive. */
export const systemTime: Time = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (milliseconds, act) => {
    const timer = setTimeout(act, Math.min(Math.max(0, Math.ceil(milliseconds)), DELAY_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/** Resolves after the time given, or as soon as the signal fires. */
export function sleep(time: Time, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = time.after(milliseconds, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}
