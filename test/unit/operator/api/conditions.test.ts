import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CLUSTER_CONDITIONS,
  type Observation,
  findCondition,
  isTrue,
  setConditions,
} from "../../../../operator/api/conditions.ts";

const EARLY = "2020-01-01T00:00:00Z";
const LATE = "2020-01-01T00:01:00Z";

function observe(type: string, status: Observation["status"], reason = "AsExpected"): Observation {
  return { type, status, reason, message: `${type} is ${status}` };
}

describe("setConditions", () => {
  it("a first visit sets all of them, with the generation and the time", () => {
    const observations = CLUSTER_CONDITIONS.map((type) => observe(type, "Unknown"));
    const conditions = setConditions(undefined, observations, 7, EARLY);
    assert.deepEqual(
      conditions.map(({ type }) => type),
      [...CLUSTER_CONDITIONS],
    );
    for (const condition of conditions) {
      assert.equal(condition.observedGeneration, 7);
      assert.equal(condition.lastTransitionTime, EARLY);
    }
  });

  it("the time stays while the status stays, whatever else changes", () => {
    const first = setConditions(undefined, [observe("Ready", "False", "Starting")], 1, EARLY);
    const second = setConditions(first, [observe("Ready", "False", "Rolling")], 2, LATE);
    const [ready] = second;
    assert.equal(ready?.lastTransitionTime, EARLY);
    assert.equal(ready?.reason, "Rolling");
    assert.equal(ready?.observedGeneration, 2);
    const third = setConditions(second, [observe("Ready", "True")], 2, LATE);
    assert.equal(third[0]?.lastTransitionTime, LATE);
  });

  it("the same observations make the same list, so that nothing is written", () => {
    const observations = [observe("Ready", "True"), observe("Stalled", "False")];
    const first = setConditions(undefined, observations, 3, EARLY);
    assert.deepEqual(setConditions(first, observations, 3, LATE), first);
  });

  it("conditions that nothing was said about stay, after the others", () => {
    const first = setConditions(undefined, [observe("Foreign", "True")], 1, EARLY);
    const second = setConditions(first, [observe("Ready", "True")], 2, LATE);
    assert.deepEqual(
      second.map(({ type, observedGeneration }) => [type, observedGeneration]),
      [
        ["Ready", 2],
        ["Foreign", 1],
      ],
    );
  });

  it("a message that is too long is cut, and a reason that is no word is a mistake of ours", () => {
    const long = { ...observe("Ready", "True"), message: "é".repeat(40_000) };
    const [cut] = setConditions(undefined, [long], 1, EARLY);
    assert.equal(cut?.message.length, 32_768);
    assert.ok(cut.message.endsWith("é…"));
    for (const reason of ["", "not a word", "3"])
      assert.throws(
        () => setConditions(undefined, [observe("Ready", "True", reason)], 1, EARLY),
        /is no word/,
      );
  });

  it("is true only of what was observed to be so", () => {
    const conditions = setConditions(
      undefined,
      [observe("A", "True"), observe("B", "Unknown")],
      1,
      EARLY,
    );
    assert.deepEqual(
      ["A", "B", "C"].map((type) => isTrue(conditions, type)),
      [true, false, false],
    );
    assert.equal(findCondition(conditions, "B")?.status, "Unknown");
    assert.equal(findCondition(undefined, "B"), null);
  });
});
