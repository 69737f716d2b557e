/** Which backups may go: examples, and the promises that hold for any history. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type EndedBackup, planRetention } from "../../../operator/backup/retention.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const UTC = "Etc/UTC";

function verified(name: string, time: string): EndedBackup {
  return { name, at: Date.parse(time), outcome: "verified" };
}

/** One each day at noon, `count` of them up to 2026-03-31; named for their day. */
function daily(count: number): EndedBackup[] {
  const last = Date.parse("2026-03-31T12:00:00Z");
  return Array.from({ length: count }, (_, back) => {
    const at = last - back * DAY;
    const name = new Date(at).toISOString().slice(0, "2026-03-31".length);
    return { name, at, outcome: "verified" as const };
  });
}

describe("planRetention", () => {
  it("keeps the newest ones and names the rest, the oldest first", () => {
    const plan = planRetention(daily(5), { keepLast: 2 }, UTC);
    assert.deepEqual(plan, ["2026-03-27", "2026-03-28", "2026-03-29"]);
  });

  it("keeps the union of what each rule asks for", () => {
    const all = daily(70);
    const gone = new Set(planRetention(all, { keepLast: 1, daily: 3, weekly: 3, monthly: 3 }, UTC));
    const kept = all.map(({ name }) => name).filter((name) => !gone.has(name));
    // The last Sunday before, and the last days of February and January.
    assert.deepEqual(kept, [
      "2026-03-31",
      "2026-03-30",
      "2026-03-29",
      "2026-03-22",
      "2026-02-28",
      "2026-01-31",
    ]);
  });

  it("counts days that have a backup, not days that passed", () => {
    const sparse = [
      verified("a", "2026-01-01T10:00:00Z"),
      verified("b", "2026-01-01T20:00:00Z"),
      verified("c", "2026-02-01T10:00:00Z"),
      verified("d", "2026-03-01T10:00:00Z"),
    ];
    assert.deepEqual(planRetention(sparse, { daily: 3 }, UTC), ["a"]);
  });

  it("has the days of the schedule's time zone", () => {
    const night = [
      verified("before-midnight-there", "2026-06-01T14:30:00Z"),
      verified("after-midnight-there", "2026-06-01T15:30:00Z"),
    ];
    assert.deepEqual(planRetention(night, { daily: 2 }, UTC), ["before-midnight-there"]);
    assert.deepEqual(planRetention(night, { daily: 2 }, "Asia/Tokyo"), []);
  });

  it("deletes nothing before a newer one was verified", () => {
    const unverified = daily(9).map((backup) => ({ ...backup, outcome: "unverified" as const }));
    assert.deepEqual(planRetention(unverified, { keepLast: 1 }, UTC), []);
    const failed = daily(9).map((backup) => ({ ...backup, outcome: "failed" as const }));
    assert.deepEqual(planRetention(failed, { keepLast: 1 }, UTC), []);
  });

  it("deletes nothing that is newer than the newest verified one", () => {
    const all = daily(4).map((backup, at) =>
      at < 2 ? { ...backup, outcome: "failed" as const } : backup,
    );
    assert.deepEqual(planRetention(all, { keepLast: 1 }, UTC), ["2026-03-28"]);
  });

  it("keeps three failures for whoever wants to know, and a failure takes nobody's place", () => {
    const [newest, ...rest] = daily(8);
    assert.ok(newest !== undefined);
    const all = [newest, ...rest.map((backup) => ({ ...backup, outcome: "failed" as const }))];
    const old = verified("old", "2026-01-01T00:00:00Z");
    const plan = planRetention([...all, old], { keepLast: 2 }, UTC);
    assert.deepEqual(plan, ["2026-03-24", "2026-03-25", "2026-03-26", "2026-03-27"]);
  });

  it("that asks for nothing keeps everything", () => {
    assert.deepEqual(planRetention(daily(9), {}, UTC), []);
  });

  it("for any history: the newest verified one stays, and enough of them", () => {
    const backup = fc.record({
      at: fc.integer({ min: 0, max: 2_000 }).map((hours) => hours * HOUR),
      outcome: fc.constantFrom("verified" as const, "unverified" as const, "failed" as const),
    });
    const count = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
    const retention = fc.record({ keepLast: count, hourly: count, daily: count, weekly: count });
    fc.assert(
      fc.property(fc.array(backup, { maxLength: 40 }), retention, (list, asked) => {
        const all = list.map((each, at) => ({ ...each, name: `b${at}` }));
        const gone = new Set(planRetention(all, asked, UTC));
        const stay = all.filter(({ name }) => !gone.has(name));
        const newest = (of: readonly EndedBackup[]): number =>
          Math.max(-1, ...of.filter(({ outcome }) => outcome === "verified").map(({ at }) => at));
        assert.equal(newest(stay), newest(all));
        const successes = (of: readonly EndedBackup[]): number =>
          of.filter(({ outcome }) => outcome !== "failed").length;
        const wanted = Math.min(asked.keepLast ?? 0, successes(all));
        assert.ok(successes(stay) >= wanted, `${successes(stay)} of ${wanted} stay`);
        // What was kept once is kept if nothing came: deletion does not feed on itself.
        assert.deepEqual(planRetention(stay, asked, UTC), []);
      }),
      { numRuns: 300 },
    );
  });
});
