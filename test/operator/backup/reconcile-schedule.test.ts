/** Schedules over days of virtual time, with an operator that may die at any call. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QUORATE_BACKUP, QUORATE_BACKUP_SCHEDULE } from "../../../operator/api/resources.ts";
import type { QuorateBackup, QuorateBackupScheduleSpec } from "../../../operator/api/gen/types.ts";
import { isTrue } from "../../../operator/api/conditions.ts";
import { reconcileSchedule } from "../../../operator/backup/reconcile-schedule.ts";
import { Prng } from "../../../src/base/prng.ts";
import { BackupSandbox, NAMESPACE, RESULT, at, backupSpec } from "./sandbox.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How a backup ends as soon as it is seen. */
type Ending = (name: string, sandbox: BackupSandbox) => "Complete" | "Failed" | "stays";

async function scheduled(changes: Partial<QuorateBackupScheduleSpec>): Promise<BackupSandbox> {
  const sandbox = new BackupSandbox();
  const backupTemplate = { metadata: { labels: { team: "orders" } }, spec: backupSpec() };
  await sandbox.make(QUORATE_BACKUP_SCHEDULE, "kv", {
    spec: { schedule: "0 */6 * * *", backupTemplate, ...changes },
  });
  return sandbox;
}

async function backups(sandbox: BackupSandbox): Promise<readonly QuorateBackup[]> {
  return (await sandbox.person.list<QuorateBackup>(QUORATE_BACKUP, { namespace: NAMESPACE })).items;
}

async function names(sandbox: BackupSandbox): Promise<string[]> {
  return (await backups(sandbox)).map(({ metadata }) => metadata.name);
}

/** What the controller of backups would do. */
async function end(sandbox: BackupSandbox, ending: Ending): Promise<void> {
  for (const { metadata, status } of await backups(sandbox)) {
    if (status?.phase !== undefined) continue;
    const phase = ending(metadata.name, sandbox);
    if (phase === "stays") continue;
    const completedAt = `${new Date(sandbox.time.wall()).toISOString().slice(0, 19)}Z`;
    const told = { phase, completedAt, verified: phase === "Complete", revision: RESULT.revision };
    sandbox.api.setStatus(QUORATE_BACKUP, at(metadata.name), told);
  }
}

/** Lets time go by, with a pass whenever one is due, and one after each. */
async function live(
  sandbox: BackupSandbox,
  milliseconds: number,
  ending: Ending = () => "Complete",
): Promise<void> {
  const until = sandbox.time.wall() + milliseconds;
  while (sandbox.time.wall() < until) {
    const { afterMs } = await sandbox.settleSchedule("kv");
    await end(sandbox, ending);
    const left = until - sandbox.time.wall();
    await sandbox.time.run(Math.max(1, Math.min(left, afterMs ?? left)));
  }
  await sandbox.settleSchedule("kv");
}

describe("a QuorateBackupSchedule", () => {
  it("makes a backup for each of its times, from its template, and says what it made", async () => {
    const sandbox = await scheduled({});
    await live(sandbox, 13 * HOUR);
    assert.deepEqual(await names(sandbox), ["kv-20260105-060000", "kv-20260105-120000"]);
    const [first] = await backups(sandbox);
    assert.deepEqual(first?.metadata.labels, {
      team: "orders",
      "quorate.io/schedule": "kv",
      "quorate.io/cluster": "kv",
    });
    assert.equal(first?.metadata.ownerReferences, undefined, "it outlives the schedule");
    assert.equal(first?.spec.destination.path, "kv/");
    const { status } = await sandbox.schedule("kv");
    assert.equal(status?.lastScheduleTime, "2026-01-05T12:00:00Z");
    assert.equal(status?.nextScheduleTime, "2026-01-05T18:00:00Z");
    assert.deepEqual([status?.kept, status?.missed, status?.active], [2, 0, []]);
    assert.equal(status?.lastBackup, "kv-20260105-120000");
    assert.ok(isTrue(status?.conditions, "Ready"));
  });

  it("keeps what its retention asks for, and deletes after a newer success alone", async () => {
    const sandbox = await scheduled({ retention: { keepLast: 2 } });
    await live(sandbox, 25 * HOUR);
    assert.deepEqual(await names(sandbox), ["kv-20260105-180000", "kv-20260106-000000"]);
    await live(sandbox, 24 * HOUR, () => "Failed");
    const kept = (await backups(sandbox)).filter(({ status }) => status?.phase === "Complete");
    assert.deepEqual(
      kept.map(({ metadata }) => metadata.name),
      ["kv-20260105-180000", "kv-20260106-000000"],
    );
    const { status } = await sandbox.schedule("kv");
    assert.match(status?.message ?? "", /kv-20260107-000000 failed/);
    assert.ok(!isTrue(status?.conditions, "Ready"));
  });

  it("with Forbid begins late once the one before is done, or not at all", async () => {
    const sandbox = await scheduled({ startingDeadlineSeconds: 3600 });
    let done = false;
    const hangs: Ending = (name) => (done || !name.endsWith("060000") ? "Complete" : "stays");
    await live(sandbox, 12 * HOUR + 10 * MINUTE, hangs);
    assert.deepEqual(await names(sandbox), ["kv-20260105-060000"]);
    assert.match((await sandbox.schedule("kv")).status?.message ?? "", /waits for the one before/);
    done = true;
    await end(sandbox, hangs);
    await live(sandbox, MINUTE, hangs);
    assert.deepEqual(await names(sandbox), ["kv-20260105-060000", "kv-20260105-120000"]);
    const stuck = await scheduled({ startingDeadlineSeconds: 3600 });
    await live(stuck, 25 * HOUR, () => "stays");
    assert.deepEqual(await names(stuck), ["kv-20260105-060000"]);
    assert.equal((await stuck.schedule("kv")).status?.missed, 3);
  });

  it("with Replace gives the one before up", async () => {
    const sandbox = await scheduled({ concurrencyPolicy: "Replace" });
    await live(sandbox, 13 * HOUR, () => "stays");
    assert.deepEqual(await names(sandbox), ["kv-20260105-120000"]);
    assert.ok(sandbox.events.includes("kv Normal BackupReplaced"));
  });

  it("makes one at once where it is told to, and then by its times", async () => {
    const sandbox = await scheduled({ immediate: true });
    await live(sandbox, 7 * HOUR);
    assert.deepEqual(await names(sandbox), ["kv-20260105-000000", "kv-20260105-060000"]);
  });

  it("suspended makes none, and goes on with the next time", async () => {
    const sandbox = await scheduled({ suspend: true });
    await live(sandbox, 13 * HOUR);
    assert.deepEqual(await names(sandbox), []);
    const { status } = await sandbox.schedule("kv");
    assert.match(status?.message ?? "", /suspend/);
    assert.equal(status?.nextScheduleTime, undefined);
    const spec = { suspend: false };
    await sandbox.person.mergePatch(QUORATE_BACKUP_SCHEDULE, at("kv"), { spec });
    await live(sandbox, 6 * HOUR);
    assert.deepEqual(await names(sandbox), ["kv-20260105-180000"]);
  });

  it("does not make one again that retention or a person deleted, nor after its status was lost", async () => {
    const sandbox = await scheduled({});
    await live(sandbox, 7 * HOUR);
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-20260105-060000"));
    await live(sandbox, HOUR);
    assert.deepEqual(await names(sandbox), []);
    await live(sandbox, 5 * HOUR);
    sandbox.api.setStatus(QUORATE_BACKUP_SCHEDULE, at("kv"), {});
    await live(sandbox, HOUR);
    assert.deepEqual(await names(sandbox), ["kv-20260105-120000"]);
  });

  it("that is no schedule says so and is left alone", async () => {
    const sandbox = await scheduled({ timeZone: "Mars/Base" });
    const { afterMs } = await sandbox.settleSchedule("kv");
    assert.equal(afterMs, null);
    const { status } = await sandbox.schedule("kv");
    assert.ok(isTrue(status?.conditions, "Stalled"));
    assert.match(status?.message ?? "", /Mars\/Base/);
  });

  it("with an operator that dies at random calls makes each backup once, and keeps what it must", async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const prng = new Prng(seed);
      const sandbox = await scheduled({ retention: { keepLast: 3 } });
      sandbox.api.faults.hook = ({ manager }) => {
        if (manager === "quorate-operator" && prng.chance(0.1)) throw new Error("killed");
      };
      const made = new Set<string>();
      const end3Days = sandbox.time.wall() + 73 * HOUR;
      while (sandbox.time.wall() < end3Days) {
        // As the queue does: again soon after a failure.
        const isKilled = await reconcileSchedule(sandbox.host, at("kv")).then(
          () => false,
          (error: unknown) => (error as Error).message === "killed" || assert.fail(String(error)),
        );
        for (const name of await names(sandbox)) made.add(name);
        await end(sandbox, () => (prng.chance(0.8) ? "Complete" : "Failed"));
        const [from, until] = isKilled ? [100, 5_000] : [MINUTE, 25 * MINUTE];
        await sandbox.time.run(prng.between(from, until));
      }
      sandbox.api.faults.hook = () => {};
      await sandbox.settleSchedule("kv");
      assert.equal(made.size, 12, `seed ${seed}: ${[...made].join(" ")}`);
      const left = await backups(sandbox);
      const complete = left.filter(({ status }) => status?.phase === "Complete");
      assert.equal(complete.length, 3, `seed ${seed}: ${(await names(sandbox)).join(" ")}`);
      const created = sandbox.mutations.filter((each) => each.startsWith("create"));
      assert.ok(new Set(created).size === 12, `seed ${seed}`);
    }
  });
});
