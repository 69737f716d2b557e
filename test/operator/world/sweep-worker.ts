/** Runs histories in a thread of its own: the test runner looks after every promise, and there are millions of them here. */
import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./schedule.ts";

interface SweepOrder {
  readonly first: number;
  readonly count: number;
  readonly budgetMs: number;
  readonly strokes: number;
}

// Members without a leader refuse thousands of calls, and nobody reads from where.
Error.stackTraceLimit = 0;

const { first, count, budgetMs, strokes } = workerData as SweepOrder;
const end = performance.now() + budgetMs;
for (let seed = first; seed < first + count && performance.now() < end; seed++) {
  const verdict = await runSchedule(seed, { strokes });
  parentPort?.postMessage(verdict);
  if (verdict.breaches.length > 0) break;
}
