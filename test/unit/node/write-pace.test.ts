import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WritePace } from "../../../node/write-pace.ts";

const BLOCK = 4_096;

describe("the pace of writes", () => {
  it("leaves the first to the thread, until the disk has shown that it is fast", () => {
    const pace = new WritePace();
    for (let write = 0; write < 32; write++) {
      assert.equal(pace.isHere(BLOCK), false);
      pace.took(0.2);
    }
    assert.equal(pace.isHere(BLOCK), true);
    assert.equal(pace.isHere(BLOCK + 1), false, "more than a block is the thread's");
  });

  it("leaves all to the thread after a slow one, and for good on a disk of which every 32nd write is slow", () => {
    const pace = new WritePace();
    for (let write = 0; write < 100; write++) pace.took(1);
    assert.equal(pace.isHere(BLOCK), true);
    for (let round = 0; round < 10; round++) {
      pace.took(1.01);
      for (let write = 0; write < 31; write++) {
        pace.took(0.1);
        assert.equal(pace.isHere(BLOCK), false);
      }
    }
    pace.took(0.1);
    assert.equal(pace.isHere(BLOCK), true);
  });
});
