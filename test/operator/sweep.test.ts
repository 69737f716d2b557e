/** The controller's real code on a modelled cluster, killed before and after its awaits, in many seeded histories. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { runSchedule } from "./world/schedule.ts";

const FIRST = Number(process.env["SWEEP_SEED"] ?? 1);
const BUDGET_MS = Number(process.env["SWEEP_MS"] ?? 20_000);
const COUNT = Number(process.env["SWEEP_COUNT"] ?? Number.POSITIVE_INFINITY);

it("no history of edits, failures and killed operators breaks an invariant, loses a write or never settles", async () => {
  const end = performance.now() + BUDGET_MS;
  let [seed, passes, acknowledged] = [FIRST, 0, 0];
  for (; performance.now() < end && seed < FIRST + COUNT; seed++) {
    const verdict = await runSchedule(seed, { strokes: 8 });
    passes += verdict.passes;
    acknowledged += verdict.acknowledged;
    assert.deepEqual(verdict.breaches, [], `SWEEP_SEED=${seed}\n${verdict.story.join("\n")}`);
  }
  console.log(`${seed - FIRST} histories, ${passes} passes, ${acknowledged} acknowledged writes`);
});
