import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ExpiryWatch } from "../../../../node/tls/expiry.ts";
import type { Held } from "../../../../node/tls/material.ts";
import { silentLogger } from "../../../../src/base/ports.ts";

const DAY_MS = 24 * 3_600_000;
const BEGIN = Date.parse("2030-01-01T00:00:00Z");

/** The days on which something was said, with its level, in a life of so many days looked at every hour. */
function told(lifeDays: number, daysWatched: number): string[] {
  const said: string[] = [];
  let at = 0;
  const note = (level: string) => (): void =>
    void said.push(`${level} ${Math.floor((at - BEGIN) / DAY_MS)}`);
  const watch = new ExpiryWatch({ ...silentLogger, warn: note("warn"), error: note("error") });
  const held: Held = {
    use: "cert-file",
    path: "/p",
    serial: "1",
    notBefore: new Date(BEGIN),
    notAfter: new Date(BEGIN + lifeDays * DAY_MS),
  };
  for (at = BEGIN; at < BEGIN + daysWatched * DAY_MS; at += DAY_MS / 24)
    watch.check([held], new Date(at));
  return said;
}

describe("ExpiryWatch", () => {
  it("speaks once a day from two weeks before the end on, and louder after it", () => {
    const said = told(365, 368);
    assert.deepEqual(said.slice(0, 2), ["warn 351", "warn 352"]);
    assert.equal(said.length, 14 + 3);
    assert.deepEqual(said.slice(-3), ["error 365", "error 366", "error 367"]);
  });

  it("leaves certificates alone that are renewed every few days", () => {
    assert.deepEqual(told(10, 8), []);
    assert.deepEqual(told(10, 10), ["warn 8", "warn 9"]);
  });
});
