import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { durationMs, parseDuration } from "../../../../operator/api/duration.ts";

describe("parseDuration", () => {
  it("reads what the schema allows", () => {
    const table: readonly (readonly [string, number])[] = [
      ["100ms", 100],
      ["1s", 1000],
      ["1.5s", 1500],
      ["5m", 300_000],
      ["1h30m", 5_400_000],
      ["1h2m3s4ms", 3_723_004],
      ["0s", 0],
    ];
    for (const [text, ms] of table) assert.equal(parseDuration(text), ms, text);
  });

  it("what is no duration is null, and an error where the schema had checked it", () => {
    for (const text of ["", "5", "0", "1d", "m", "-1s", "1 s", "1.s", "1us"])
      assert.equal(parseDuration(text), null, text);
    assert.throws(() => durationMs("5"), /"5" is no duration/);
    assert.equal(durationMs("2s"), 2000);
  });
});
