/** How sliced work shares the real loop. */
import type { Pace } from "../src/mvcc/pace.ts";

export const systemPace: Pace = {
  now: () => performance.now(),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  sleep: (milliseconds) =>
    new Promise((resolve) => {
      setTimeout(resolve, milliseconds).unref();
    }),
};
