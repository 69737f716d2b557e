/** A thread of the sweep: history after history, until one has a breach. */
import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./schedule.ts";
import { themeNamed } from "./themes.ts";

export interface SweepOrder {
  readonly first: number;
  readonly count: number;
  readonly budgetMs: number;
  readonly strokes: number;
  /** From one seed to the next; 1 unless given. */
  readonly step?: number;
  /** Of all histories; the seeds say unless it is given. */
  readonly theme?: string;
}

// Members without a leader refuse thousands of calls, and nobody reads from where.
Error.stackTraceLimit = 0;

const order = workerData as SweepOrder & { readonly last?: number };
const { first, count, budgetMs, strokes, step = 1, theme } = order;
const about = theme === undefined ? {} : { theme: themeNamed(theme) };
const end = performance.now() + budgetMs;
const final = order.last ?? first + count - 1;
for (let seed = first; seed <= final && performance.now() < end; seed += step) {
  const verdict = await runSchedule(seed, { strokes, ...about });
  parentPort?.postMessage(verdict);
  if (verdict.breaches.length > 0) break;
}
