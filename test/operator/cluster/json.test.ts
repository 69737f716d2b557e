import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonicalJson, isSameJson } from "../../../operator/cluster/json.ts";

/** The naive twin. */
function slowly(value: unknown): string {
  return JSON.stringify(value, (_name, held: unknown) => {
    if (held === null || typeof held !== "object" || Array.isArray(held)) return held;
    return Object.fromEntries(Object.entries(held).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Few names and values, so that two of them are often the same. */
const few = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(0, 1, "", "é\n", null, true, undefined),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "ß"), tie("value"), { noNullPrototype: true }),
  ),
}));
const object = fc.record({ it: few.value });

describe("values as JSON", () => {
  it("are written with their names in order, as JSON.stringify would", () => {
    fc.assert(fc.property(object, (value) => canonicalJson(value) === slowly(value)));
  });

  it("are the same exactly where that is", () => {
    fc.assert(
      fc.property(object, object, (a, b) => {
        // An undefined item of a list is null in JSON alone: nothing that comes from JSON has one.
        const [one, other] = [a, b].map((each) => JSON.parse(JSON.stringify(each)) as object);
        assert.equal(isSameJson(one, other), slowly(one) === slowly(other));
        assert.ok(isSameJson(a, structuredClone(a)));
      }),
    );
  });
});
