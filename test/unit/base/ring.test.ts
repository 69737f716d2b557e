import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/prng.ts";
import { Ring } from "../../../src/base/ring.ts";

describe("Ring", () => {
  it("refuses an item when full and takes one again after a shift", () => {
    const ring = new Ring<number>(2);
    assert.ok(ring.tryPush(1));
    assert.ok(ring.tryPush(2));
    assert.equal(ring.tryPush(3), false);
    assert.equal(ring.size, 2);
    assert.equal(ring.shift(), 1);
    assert.ok(ring.tryPush(3));
    assert.deepEqual([ring.shift(), ring.shift(), ring.shift()], [2, 3, undefined]);
  });

  it("behaves as an array with a limit under any mix of calls", () => {
    for (const capacity of [1, 2, 8, 64]) {
      const random = new Prng(capacity);
      const ring = new Ring<number>(capacity);
      const twin: number[] = [];
      for (let n = 0; n < 5000; n++) {
        const act = random.between(0, 100);
        if (act < 52) {
          const fits = twin.length < capacity;
          if (fits) twin.push(n);
          assert.equal(ring.tryPush(n), fits);
        } else if (act < 99) {
          assert.equal(ring.shift(), twin.shift());
        } else {
          ring.clear();
          twin.length = 0;
        }
        assert.equal(ring.size, twin.length);
        const offset = random.between(-1, capacity + 1);
        assert.equal(ring.at(offset), offset < 0 ? undefined : twin[offset]);
      }
    }
  });

  it("refuses a capacity that is no power of two", () => {
    for (const capacity of [0, 3, -4, 1.5, 2 ** 31])
      assert.throws(() => new Ring(capacity), /ring/);
    assert.equal(new Ring(8).capacity, 8);
  });
});
