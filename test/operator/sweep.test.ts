/** The controller's real code on a modelled cluster, killed before and after its awaits, in many seeded histories. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import { Worker } from "node:worker_threads";
import type { Verdict } from "./world/schedule.ts";

const FIRST = Number(process.env["SWEEP_SEED"] ?? 1);
const BUDGET_MS = Number(process.env["SWEEP_MS"] ?? 20_000);
const COUNT = Number(process.env["SWEEP_COUNT"] ?? Number.MAX_SAFE_INTEGER);

it("no history of edits, failures and killed operators breaks an invariant, loses a write or never settles", async () => {
  const order = { first: FIRST, count: COUNT, budgetMs: BUDGET_MS, strokes: 8 };
  const worker = new Worker(new URL("./world/sweep-worker.ts", import.meta.url), {
    workerData: order,
  });
  const verdicts: Verdict[] = [];
  worker.on("message", (verdict: Verdict) => verdicts.push(verdict));
  const [code] = (await once(worker, "exit")) as [number];
  assert.equal(code, 0);
  const sum = (of: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  console.log(
    `${verdicts.length} histories, ${sum(({ passes }) => passes)} passes, ${sum(({ acknowledged }) => acknowledged)} acknowledged writes`,
  );
  assert.ok(verdicts.length > 0);
  for (const { seed, breaches, story } of verdicts)
    assert.deepEqual(breaches, [], `SWEEP_SEED=${seed}\n${story.join("\n")}`);
});
