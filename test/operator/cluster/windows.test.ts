/** Update windows: when they are open, and what becomes of one that nobody can read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isWindowOpen } from "../../../operator/cluster/operation/windows.ts";
import { CLUSTER, Sandbox } from "../world/sandbox.ts";

const MINUTE = 60_000;

describe("a window", () => {
  const open = (window: string, when: string, zone = "Etc/UTC"): boolean =>
    isWindowOpen([window], zone, Date.parse(when));

  it("is open from its beginning to before its end, on its days", () => {
    // 2026-08-01 is a Saturday.
    assert.ok(open("Sat 02:00-05:00", "2026-08-01T02:00:00Z"));
    assert.ok(open("Sat 02:00-05:00", "2026-08-01T04:59:59Z"));
    assert.ok(!open("Sat 02:00-05:00", "2026-08-01T05:00:00Z"));
    assert.ok(!open("Sat 02:00-05:00", "2026-08-02T03:00:00Z"));
    assert.ok(open("Fri-Mon 02:00-24:00", "2026-08-02T23:59:00Z"));
    assert.ok(!open("Fri-Mon 02:00-24:00", "2026-08-04T12:00:00Z"));
    assert.ok(open("* 00:00-24:00", "2026-08-04T00:00:00Z"));
  });

  it("that ends before it begins goes on into the next day", () => {
    assert.ok(open("Sat 22:00-06:00", "2026-08-02T05:59:00Z"));
    assert.ok(!open("Sat 22:00-06:00", "2026-08-01T05:59:00Z"));
  });

  it("is of its time zone, on both sides of a change of the clock", () => {
    assert.ok(open("Sat 02:00-05:00", "2026-08-01T00:30:00Z", "Europe/Berlin"));
    assert.ok(!open("Sat 02:00-05:00", "2026-01-03T00:30:00Z", "Europe/Berlin"));
    assert.ok(open("Sat 02:00-05:00", "2026-01-03T01:30:00Z", "Europe/Berlin"));
  });

  it("of a time zone that there is not is never open, and no error", () => {
    assert.ok(!open("* 00:00-24:00", "2026-08-01T00:30:00Z", "Europe/Berln"));
  });
});

describe("a time zone that there is not", () => {
  it("is refused in the status, and nothing rolls by it", async () => {
    const sandbox = new Sandbox(11);
    const stop = new AbortController();
    sandbox.create({ update: { timeZone: "Europe/Berln", windows: ["* 00:00-24:00"] } });
    const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
    const ready = (): string =>
      sandbox.cluster.status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "";
    try {
      const refused = (): boolean => ready().includes("spec.update.timeZone Europe/Berln");
      await sandbox.time.until("the zone is refused", 10 * MINUTE, refused);
      await sandbox.time.until("the members are there", 10 * MINUTE, () => {
        return sandbox.cluster.status?.readyReplicas === 3;
      });
      sandbox.edit({ server: { extraArgs: { "max-txn-ops": "256" } } });
      await sandbox.time.run(5 * MINUTE);
      assert.equal(sandbox.condition("Updated"), "False", "nothing was rolled");
      assert.equal(sandbox.condition("Stalled"), "True");
      sandbox.edit({ update: { timeZone: "Europe/Berlin" } });
      await sandbox.time.until("it rolls", 30 * MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(sandbox.failures, [], CLUSTER);
    } finally {
      stop.abort();
      await sandbox.time.run(10);
      await operating;
    }
  });
});
