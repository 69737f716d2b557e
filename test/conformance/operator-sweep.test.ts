/** The sweep of test/operator, as long as it takes: thousands of histories, with seeds that `npm test` does not come to. */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { it } from "node:test";
import { sweep } from "../operator/world/sweep.ts";

const FIRST = Number(process.env["SWEEP_SEED"] ?? 10_000);
const COUNT = Number(process.env["SWEEP_COUNT"] ?? 2_000);
/** A slow machine does fewer, and says so. */
const BUDGET_MS = 900_000;
const THREADS_MAX = 4;

it("thousands of histories of edits, failures and killed operators break no invariant", async () => {
  const order = { first: FIRST, count: COUNT, budgetMs: BUDGET_MS, strokes: 8 };
  const threads = Math.min(THREADS_MAX, availableParallelism());
  const { verdicts, complaints, summary } = await sweep(order, threads);
  console.log(summary);
  assert.deepEqual(complaints, []);
  assert.ok(verdicts.length >= Math.min(COUNT, 1_000), `${verdicts.length} histories were too few`);
});
