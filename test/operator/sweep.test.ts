/** The controllers' real code on a modelled cluster, killed before and after its awaits, in many seeded histories. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { sweep } from "./world/sweep.ts";

const FIRST = Number(process.env["SWEEP_SEED"] ?? 1);
const BUDGET_MS = Number(process.env["SWEEP_MS"] ?? 20_000);
const COUNT = Number(process.env["SWEEP_COUNT"] ?? 1_000_000);

it("no history of edits, failures and killed operators breaks an invariant, loses a write or never settles", async () => {
  const order = { first: FIRST, count: COUNT, budgetMs: BUDGET_MS, strokes: 8 };
  const { verdicts, complaints, summary } = await sweep(order);
  console.log(summary);
  assert.ok(verdicts.length > 0);
  assert.deepEqual(complaints, []);
});
