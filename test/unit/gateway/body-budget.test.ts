import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BodyBudget } from "../../../node/gateway/body-budget.ts";

const MIB = 1024 * 1024;

describe("BodyBudget", () => {
  it("bounds what all requests hold together, and takes back what they give", () => {
    const budget = new BodyBudget();
    const shares = Array.from({ length: 64 }, () => budget.open());
    for (const share of shares) share.hold(4 * MIB);
    const late = budget.open();
    assert.throws(() => late.hold(1), /too many unfinished requests/);
    for (const share of shares) share.hold(4 * MIB); // as before: nothing more
    shares[0]?.hold(0);
    shares[0]?.hold(0);
    late.hold(4 * MIB);
    assert.throws(() => late.hold(4 * MIB + 1), /too many/);
    late.hold(1);
  });
});
