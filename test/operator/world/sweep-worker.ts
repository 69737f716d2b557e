/** A thread of the sweep: history after history, until one has a breach. */
import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./schedule.ts";

export interface SweepOrder {
  readonly first: number;
  readonly count: number;
  readonly budgetMs: number;
  readonly strokes: number;
  /** From one seed to the next; 1 unless given. */
  readonly step?: number;
}

// Members without a leader refuse thousands of calls, and nobody reads from where.
Error.stackTraceLimit = 0;

const {
  first,
  count,
  budgetMs,
  strokes,
  step = 1,
  last,
} = workerData as SweepOrder & {
  readonly last?: number;
};
const end = performance.now() + budgetMs;
const final = last ?? first + count - 1;
for (let seed = first; seed <= final && performance.now() < end; seed += step) {
  const verdict = await runSchedule(seed, { strokes });
  parentPort?.postMessage(verdict);
  if (verdict.breaches.length > 0) break;
}
