import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  isValidRange,
  mergeGrants,
  toInterval,
  type Permission,
} from "../../../src/auth/permission.ts";

/** Keys of one and two letters of four: every range over them can be looked at key by key. */
const LETTERS = [0x00, 0x61, 0x62, 0xff];
const KEYS: readonly Uint8Array[] = [
  ...LETTERS.map((a) => Buffer.from([a])),
  ...LETTERS.flatMap((a) => LETTERS.map((b) => Buffer.from([a, b]))),
].sort((a, b) => Buffer.compare(a, b));

const key = fc.constantFrom(...KEYS);
const rangeEnd = fc.oneof(key, fc.constant(Buffer.alloc(0)));
const permissions: fc.Arbitrary<Permission[]> = fc.array(
  fc.record({ permType: fc.constantFrom(0, 1, 2), key, rangeEnd }),
  { maxLength: 12 },
);

/** Whether a range names this key, as the protocol has it. */
function names(range: { key: Uint8Array; rangeEnd: Uint8Array }, at: Uint8Array): boolean {
  if (range.rangeEnd.length === 0) return Buffer.compare(range.key, at) === 0;
  if (Buffer.compare(range.key, at) > 0) return false;
  const open = range.rangeEnd.length === 1 && range.rangeEnd[0] === 0;
  return open || Buffer.compare(at, range.rangeEnd) < 0;
}

/** Points between and beyond those of KEYS, so that a hole of no key in the list is seen as well. */
const PROBES: readonly Uint8Array[] = [
  ...KEYS,
  ...KEYS.map((each) => Buffer.concat([each, Buffer.from([0])])),
  ...KEYS.map((each) => Buffer.concat([each, Buffer.from([0xff, 0xff, 0xff])])),
  Buffer.from([0xff, 0xff, 0xff, 0xff]),
];

describe("Grants", () => {
  it("covers a range exactly where some permission names each of its keys", () => {
    fc.assert(
      fc.property(permissions, key, rangeEnd, (given, from, end) => {
        const asked = { key: from, rangeEnd: end };
        const grants = mergeGrants(false, given);
        const wanted = PROBES.filter((probe) => names(asked, probe));
        for (const [coverage, types] of [
          [grants.read, [0, 2]],
          [grants.write, [1, 2]],
        ] as const) {
          const able = given.filter(({ permType }) =>
            (types as readonly number[]).includes(permType),
          );
          const naive =
            wanted.length > 0 && wanted.every((probe) => able.some((each) => names(each, probe)));
          assert.equal(coverage.covers(toInterval(from, end)), naive);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it("a range that a role may be given names at least its first key", () => {
    fc.assert(
      fc.property(key, rangeEnd, (from, end) => {
        assert.equal(isValidRange(from, end), names({ key: from, rangeEnd: end }, from));
      }),
    );
  });
});
