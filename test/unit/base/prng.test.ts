import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/prng.ts";

function draw(random: Prng, count: number): number[] {
  return Array.from({ length: count }, () => random.bits());
}

describe("Prng", () => {
  it("gives the same numbers for the same seed and others for another", () => {
    assert.deepEqual(draw(new Prng(7), 100), draw(new Prng(7), 100));
    assert.notDeepEqual(draw(new Prng(7), 4), draw(new Prng(8), 4));
    assert.notDeepEqual(draw(new Prng(7), 4), draw(new Prng(7 + 2 ** 32), 4));
  });

  it("is pinned: recorded seeds keep their meaning", () => {
    assert.deepEqual(draw(new Prng(1), 4), [2864718319, 382396905, 3862504874, 1160459947]);
  });

  it("forks by name, whatever was drawn before", () => {
    const fresh = new Prng(42);
    const used = new Prng(42);
    draw(used, 1000);
    assert.deepEqual(draw(fresh.fork("disk"), 16), draw(used.fork("disk"), 16));
    assert.notDeepEqual(draw(fresh.fork("disk"), 4), draw(fresh.fork("network"), 4));
    assert.notDeepEqual(draw(fresh.fork("disk"), 4), draw(new Prng(43).fork("disk"), 4));
    assert.notDeepEqual(draw(fresh.fork("a").fork("b"), 4), draw(fresh.fork("b").fork("a"), 4));
  });

  it("draws uniformly: sixteen buckets stay within five standard deviations", () => {
    for (const seed of [0, 1, 2, Number.MAX_SAFE_INTEGER]) {
      const random = new Prng(seed);
      const buckets = Array.from({ length: 16 }, () => 0);
      const draws = 160_000;
      for (let n = 0; n < draws; n++) {
        const at = random.between(0, 16);
        buckets[at] = (buckets[at] ?? 0) + 1;
      }
      const deviation = Math.sqrt((draws / 16) * (15 / 16));
      for (const count of buckets) {
        assert.ok(
          Math.abs(count - draws / 16) < 5 * deviation,
          `seed ${seed}: ${buckets.join(" ")}`,
        );
      }
    }
  });

  it("keeps between inside its half-open interval and next inside [0, 1)", () => {
    const random = new Prng(9);
    for (let n = 0; n < 10_000; n++) {
      const value = random.between(-3, 4);
      assert.ok(Number.isInteger(value) && value >= -3 && value < 4, String(value));
      const fraction = random.next();
      assert.ok(fraction >= 0 && fraction < 1, String(fraction));
    }
    assert.throws(() => random.between(4, 4), /not empty/);
  });

  it("takes chance(0) as never and chance(1) as always", () => {
    const random = new Prng(3);
    for (let n = 0; n < 1000; n++) {
      assert.equal(random.chance(0), false);
      assert.equal(random.chance(1), true);
    }
  });

  it("refuses what is no seed", () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => new Prng(seed), /seed/);
  });
});
