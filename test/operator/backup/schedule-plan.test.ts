/** When a schedule makes its backups: a table of situations, and a year of a schedule under an operator that comes and goes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/prng.ts";
import { Schedule } from "../../../operator/backup/cron.ts";
import {
  type ScheduleFacts,
  backupNameOf,
  planSchedule,
} from "../../../operator/backup/schedule-plan.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const at = (time: string): number => Date.parse(time);
const SIX_HOURLY = new Schedule("0 */6 * * *", "Etc/UTC");

function facts(changes: Partial<ScheduleFacts>): ScheduleFacts {
  return {
    now: at("2026-05-01T12:00:30Z"),
    schedule: SIX_HOURLY,
    createdAt: at("2026-05-01T07:00:00Z"),
    suspend: false,
    immediate: false,
    concurrencyPolicy: "Forbid",
    startingDeadlineMs: 30 * MINUTE,
    lastAt: null,
    active: [],
    ...changes,
  };
}

describe("planSchedule", () => {
  const noon = at("2026-05-01T12:00:00Z");
  const evening = at("2026-05-01T18:00:00Z");

  it("makes a backup for the time that has come, and names it by that time", () => {
    const { action, next, missed } = planSchedule(facts({}));
    assert.deepEqual(action, { kind: "create", at: noon, replace: [] });
    assert.deepEqual([next, missed], [evening, 0]);
    assert.equal(backupNameOf("kv", noon), "kv-20260501-120000");
  });

  it("makes none twice for one time", () => {
    const { action } = planSchedule(facts({ lastAt: noon }));
    assert.deepEqual(action, { kind: "wait", until: evening });
  });

  it("does not make up for times before it existed", () => {
    const { action } = planSchedule(facts({ createdAt: noon + 10_000 }));
    assert.deepEqual(action, { kind: "wait", until: evening });
  });

  it("begins at once where it is told to, and once", () => {
    const createdAt = at("2026-05-01T12:00:10Z");
    const first = planSchedule(facts({ createdAt, immediate: true }));
    assert.deepEqual(first.action, { kind: "create", at: createdAt, replace: [] });
    const then = planSchedule(facts({ createdAt, immediate: true, lastAt: createdAt }));
    assert.deepEqual(then.action, { kind: "wait", until: evening });
  });

  it("begins late within its deadline, and counts as missed what is beyond", () => {
    const late = planSchedule(facts({ now: noon + 29 * MINUTE }));
    assert.deepEqual(late.action, { kind: "create", at: noon, replace: [] });
    const tooLate = planSchedule(facts({ now: noon + 31 * MINUTE }));
    assert.deepEqual(tooLate.action, { kind: "wait", until: evening });
    assert.equal(tooLate.missed, 1);
  });

  it("after a long pause makes one backup, for the newest time", () => {
    const now = noon + 10 * 24 * HOUR;
    const { action, missed } = planSchedule(facts({ now, lastAt: noon }));
    assert.deepEqual(action, { kind: "create", at: now, replace: [] });
    assert.equal(missed, 39);
  });

  it("suspended makes none, and has no next time", () => {
    const { action, next } = planSchedule(facts({ suspend: true }));
    assert.deepEqual([action, next], [{ kind: "wait", until: null }, null]);
  });

  it("with Forbid waits for the one before as long as its deadline allows", () => {
    const { action } = planSchedule(facts({ active: ["kv-before"] }));
    assert.deepEqual(action, { kind: "blocked", at: noon, until: noon + 30 * MINUTE });
  });

  it("with Replace gives the one before up", () => {
    const { action } = planSchedule(facts({ active: ["kv-before"], concurrencyPolicy: "Replace" }));
    assert.deepEqual(action, { kind: "create", at: noon, replace: ["kv-before"] });
  });

  it("a schedule that never comes waits for good", () => {
    const never = planSchedule(facts({ schedule: new Schedule("0 0 31 2 *", "Etc/UTC") }));
    assert.deepEqual(never.action, { kind: "wait", until: null });
  });

  it("over a year, seen at random moments, makes each backup once and in order", () => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    const prng = new Prng(seed);
    const schedule = new Schedule("30 2 * * *", "Europe/Berlin");
    const createdAt = at("2026-01-01T00:00:00Z");
    const made: number[] = [];
    for (let now = createdAt; now < createdAt + 365 * 24 * HOUR; now += prng.between(1, 3 * HOUR)) {
      const lastAt = made.at(-1) ?? null;
      const { action } = planSchedule(
        facts({ now, schedule, createdAt, lastAt, startingDeadlineMs: 6 * HOUR }),
      );
      if (action.kind === "create") made.push(action.at);
    }
    const wanted = [];
    for (
      let next = schedule.next(createdAt);
      wanted.length < made.length;
      next = schedule.next(next ?? 0)
    )
      wanted.push(next);
    assert.deepEqual(made, wanted, `seed ${seed}`);
    assert.ok(made.length >= 364, `seed ${seed}: ${made.length} in a year`);
    assert.equal(new Set(made.map((each) => backupNameOf("kv", each))).size, made.length);
  });
});

describe("Schedule", () => {
  it("runs what lies in the lost hour right after it, and what comes twice once", () => {
    const berlin = new Schedule("30 2 * * *", "Europe/Berlin");
    const spring = berlin.next(at("2026-03-28T12:00:00Z")) ?? 0;
    assert.equal(new Date(spring).toISOString(), "2026-03-29T01:00:00.000Z");
    const autumn = berlin.next(at("2026-10-24T12:00:00Z")) ?? 0;
    assert.equal(new Date(autumn).toISOString(), "2026-10-25T00:30:00.000Z");
    assert.equal(new Date(berlin.next(autumn) ?? 0).toISOString(), "2026-10-26T01:30:00.000Z");
  });

  it("its last time is the moment itself where that is one", () => {
    const midnight = at("2026-05-01T00:00:00Z");
    const daily = new Schedule("@daily", "Etc/UTC");
    assert.equal(daily.last(midnight), midnight);
    assert.equal(daily.last(midnight - 1), midnight - 24 * HOUR);
  });

  it("refuses what is no schedule or no time zone", () => {
    assert.throws(() => new Schedule("61 * * * *", "Etc/UTC"), /minute/);
    assert.throws(() => new Schedule("0 0 0 * * *", "Etc/UTC"), /5 parts/);
    assert.throws(() => new Schedule("0 0 * * *", "Mars/Base"), /Mars\/Base/);
  });
});
