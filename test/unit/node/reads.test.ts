import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ReadFailure, Reads } from "../../../node/reads.ts";

const TIMEOUT_MS = 1000;

/** Asks again each time it is told that its read came to nothing. */
function persistent(reads: Reads, told: ReadFailure[], now: () => number): void {
  reads.add(
    {
      onReadable: () => {},
      onReadFailure: (failure) => {
        told.push(failure);
        if (told.length > 100) throw new Error("there is no end to it");
        if (failure !== "stopped") persistent(reads, told, now);
      },
    },
    now(),
  );
}

describe("reads that nobody can confirm", () => {
  it("are told so once each time out, though they ask again at once", () => {
    const reads = new Reads(TIMEOUT_MS);
    const told: ReadFailure[] = [];
    let now = 0;
    persistent(reads, told, () => now);
    for (let round = 1; round <= 3; round++) {
      now += TIMEOUT_MS;
      reads.expire(now);
      assert.equal(told.length, round);
      reads.expire(now);
      assert.equal(told.length, round, "the new one has its own time");
    }
    assert.equal(reads.waitingCount, 1);
    reads.stop();
    assert.deepEqual(told, ["timedOut", "timedOut", "timedOut", "stopped"]);
  });
});
