import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WritePace } from "../../../node/write-pace.ts";

const BLOCK = 4_096;

/** Writes, each of so many milliseconds; how many of them were the loop's. */
function run(pace: WritePace, count: number, ms: (write: number) => number): number {
  let here = 0;
  for (let write = 0; write < count; write++) {
    if (pace.isHere(BLOCK)) here++;
    pace.took(ms(write));
  }
  return here;
}

describe("the pace of writes", () => {
  it("leaves the first to the thread, until the disk has shown that it is fast", () => {
    const pace = new WritePace();
    assert.equal(
      run(pace, 16, () => 0.2),
      0,
    );
    run(pace, 1, () => 0.2);
    assert.equal(pace.isHere(BLOCK), true);
    assert.equal(pace.isHere(BLOCK + 1), false, "more than a block is the thread's");
  });

  it("forgives a hiccup of a disk that is fast otherwise", () => {
    const pace = new WritePace();
    run(pace, 100, () => 0.2);
    assert.equal(
      run(pace, 1000, (write) => (write % 100 === 99 ? 1.5 : 0.2)),
      1000,
    );
  });

  it("leaves all to the thread after a slow one, for a while", () => {
    const pace = new WritePace();
    run(pace, 100, () => 0.2);
    pace.took(40);
    const soon = run(pace, 31, () => 0.2);
    assert.equal(soon, 0);
    run(pace, 2, () => 0.2);
    const later = run(pace, 10, () => 0.2);
    assert.equal(later, 10);
  });

  it("leaves all to the thread, for good, on a disk whose slow writes would hold the loop up", () => {
    const pace = new WritePace();
    run(pace, 100, () => 0.2);
    const isSlow = (write: number): boolean => write % 20 === 0;
    assert.equal(
      run(pace, 1000, (write) => (isSlow(write) ? 4 : 0.2)),
      1,
    );
    // As slow in the mean, but evenly.
    assert.equal(
      run(new WritePace(), 1000, () => 1.01),
      0,
    );
  });
});
