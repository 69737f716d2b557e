import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatBytes, parseQuantity, quantityOf } from "../../../../operator/api/quantity.ts";

describe("parseQuantity", () => {
  const table: readonly (readonly [string | number, number])[] = [
    [0, 0],
    [8_589_934_592, 8_589_934_592],
    ["8Gi", 8_589_934_592],
    ["1.5Gi", 1_610_612_736],
    ["10G", 10_000_000_000],
    ["1e9", 1_000_000_000],
    ["1E3", 1000],
    ["1E", 1e18],
    ["1.5e3", 1500],
    ["+16Mi", 16_777_216],
    ["-1Ki", -1024],
    [".5k", 500],
    ["5.", 5],
    ["100k", 100_000],
    ["1Ti", 1_099_511_627_776],
  ];
  for (const [text, value] of table)
    it(`${text} is ${value}`, () => assert.equal(parseQuantity(text), value));

  it("fractions of one are rounded away from zero, as the API server does", () => {
    assert.equal(parseQuantity("1m"), 1);
    assert.equal(parseQuantity("1500m"), 2);
    assert.equal(parseQuantity("-1500m"), -2);
    assert.equal(parseQuantity("1e-3"), 1);
    assert.equal(parseQuantity("2000000u"), 2);
    assert.equal(parseQuantity("0n"), 0);
  });

  it("what is no quantity is null, and an error where the schema had checked it", () => {
    for (const text of ["", "8GB", "Gi", "8 Gi", "1e", "0x10", "8gi", "1.2.3", "--1", "1KI"])
      assert.equal(parseQuantity(text), null, text);
    assert.throws(() => quantityOf("8GB"), /"8GB" is no quantity/);
    assert.equal(quantityOf("1Ki"), 1024);
  });

  it("a fraction of a power of two is what exact arithmetic says", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 99_999 }),
        fc.constantFrom("Ki", "Mi", "Gi"),
        (hundredths, unit) => {
          const factor = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }[unit] ?? 0;
          const text = `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, "0")}${unit}`;
          assert.equal(parseQuantity(text), Math.ceil((hundredths * factor) / 100));
        },
      ),
    );
  });
});

describe("formatBytes", () => {
  it("shows three digits and a binary unit", () => {
    const table: readonly (readonly [number, string])[] = [
      [0, "0"],
      [999, "999"],
      [1024, "1Ki"],
      [1023 * 1024, "1023Ki"],
      [13_107_200, "12.5Mi"],
      [8 * 1024 ** 3, "8Gi"],
      [1234 * 1024 ** 3, "1.21Ti"],
      [7 * 1024 ** 5, "7Pi"],
    ];
    for (const [bytes, text] of table) assert.equal(formatBytes(bytes), text);
  });

  it("is a quantity within a half per cent", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const shown = quantityOf(formatBytes(bytes));
        assert.ok(Math.abs(shown - bytes) <= Math.max(1, bytes * 0.005), `${bytes}: ${shown}`);
      }),
    );
  });
});
