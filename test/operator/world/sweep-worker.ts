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
  /** These histories and no others, whatever is said above of seeds and theme. For one thread. */
  readonly only?: readonly History[];
}

export interface History {
  readonly seed: number;
  readonly theme?: string | undefined;
}

// Members without a leader refuse thousands of calls, and nobody reads from where.
Error.stackTraceLimit = 0;

const order = workerData as SweepOrder & { readonly last?: number };
const { first, count, budgetMs, strokes, step = 1 } = order;
const end = performance.now() + budgetMs;
const final = order.last ?? first + count - 1;
for (const { seed, theme } of order.only ?? inTurn()) {
  if (performance.now() >= end) break;
  const about = theme === undefined ? {} : { theme: themeNamed(theme) };
  const verdict = await runSchedule(seed, { strokes, ...about });
  parentPort?.postMessage(verdict);
  if (verdict.breaches.length > 0) break;
}

function* inTurn(): Generator<History> {
  for (let seed = first; seed <= final; seed += step) yield { seed, theme: order.theme };
}
