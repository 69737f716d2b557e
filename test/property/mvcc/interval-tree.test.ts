import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { Key } from "../../../src/base/bytes.ts";
import { IntervalTree } from "../../../src/mvcc/interval-tree.ts";

const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
const interval = fc.record({ from: key, end: fc.option(key, { nil: null }), remove: fc.boolean() });

describe("IntervalTree against a list", () => {
  it("finds the intervals that hold a key, and no other, after any inserts and removes", () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 60 }), (steps) => {
        const tree = new IntervalTree<string>();
        const list = new Map<string, { from: string; end: string | null }>();
        for (const { from, end, remove } of steps) {
          const name = `${from}..${end}`;
          assert.equal(
            tree.find(from as Key, end as Key | null),
            list.has(name) ? name : undefined,
          );
          if (!list.has(name)) {
            tree.insert(from as Key, end as Key | null, name);
            list.set(name, { from, end });
          } else if (remove) {
            tree.remove(from as Key, end as Key | null);
            list.delete(name);
          }
          assert.equal(tree.size, list.size);
          for (const probe of ["a", "b", "c", "c\0", "d", "e", "f", "g", "h"]) {
            const found: string[] = [];
            tree.collect(probe as Key, found);
            const holds = [...list].filter(
              ([, own]) => probe >= own.from && (own.end === null || probe < own.end),
            );
            assert.deepEqual(found.toSorted(), holds.map(([own]) => own).toSorted());
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
