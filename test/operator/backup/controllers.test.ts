/** The controllers of backups as they run: watches, queues and virtual time, from a schedule to what retention leaves. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  JOB,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  SECRET,
} from "../../../operator/api/resources.ts";
import type { QuorateBackup, QuorateBackupStore } from "../../../operator/api/gen/types.ts";
import { isTrue } from "../../../operator/api/conditions.ts";
import { backupControllers } from "../../../operator/backup/controllers.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import { readConfig } from "../../../operator/config.ts";
import type { OperatorContext } from "../../../operator/context.ts";
import { Controller } from "../../../operator/kube/controller.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { Prng } from "../../../src/base/prng.ts";
import { BackupSandbox, NAMESPACE, RESULT, at, backupSpec } from "./sandbox.ts";

const HOUR = 3_600_000;

/** Jobs end well a minute after they were made: backups with a result, deletions too. */
async function endJobs(sandbox: BackupSandbox): Promise<void> {
  const { items } = await sandbox.person.list<Job>(JOB, { namespace: NAMESPACE });
  for (const { metadata, status } of items) {
    if (status?.conditions !== undefined || metadata.deletionTimestamp !== undefined) continue;
    const isRemoval = metadata.name.endsWith("-delete");
    await sandbox.succeed(metadata.name, isRemoval ? { kind: "delete", deleted: 2 } : RESULT);
  }
}

describe("the controllers of backups", () => {
  it("make, watch, complete and delete backups for days, by events and timers alone", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    const data = { AWS_ACCESS_KEY_ID: "aWQ=", AWS_SECRET_ACCESS_KEY: "aWQ=" };
    await sandbox.make(SECRET, "keys", { data });
    const context: OperatorContext = {
      api: sandbox.api.operator,
      time: sandbox.time,
      random: new Prng(1),
      logger: silentLogger,
      recorder: sandbox.host.recorder,
      gauges: sandbox.gauges,
      config: readConfig([], { env: {}, resolvConf: "", namespace: null }),
      version: "1.2.3",
    };
    const controllers = backupControllers(async () => {}).map(
      ({ name, sources, build }) =>
        new Controller({
          name,
          sources,
          ...build(context),
          api: sandbox.api.operator,
          time: sandbox.time,
          random: new Prng(1),
          logger: silentLogger,
          namespaces: [NAMESPACE],
          workers: 2,
        }),
    );
    for (const controller of controllers) controller.watch();
    const working = Promise.all(controllers.map((controller) => controller.work()));
    await sandbox.time.run(1_000);
    await working;
    const store = await sandbox.person.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, at("s3"));
    assert.ok(isTrue(store?.status?.conditions, "Ready"));
    const spec = { ...backupSpec(), deletionPolicy: "Delete" as const };
    await sandbox.make(QUORATE_BACKUP_SCHEDULE, "kv", {
      spec: {
        schedule: "0 */6 * * *",
        immediate: true,
        retention: { keepLast: 2 },
        backupTemplate: { spec },
      },
    });
    for (let minute = 0; minute < 25 * 60; minute += 5) {
      await sandbox.time.run(5 * 60_000);
      await endJobs(sandbox);
    }
    await sandbox.time.run(HOUR / 2);
    const { items } = await sandbox.person.list<QuorateBackup>(QUORATE_BACKUP, {
      namespace: NAMESPACE,
    });
    assert.deepEqual(
      items.map(({ metadata, status }) => `${metadata.name} ${status?.phase}`),
      ["kv-20260105-180000 Complete", "kv-20260106-000000 Complete"],
    );
    const removals = sandbox.mutations.filter((each) => /^create jobs .*-delete$/.test(each));
    assert.equal(removals.length, 3, "files of those that expired were deleted");
    const gauge = async (name: string): Promise<string[]> => {
      const text = await sandbox.registry.getSingleMetricAsString(`quorate_operator_${name}`);
      return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    };
    const series = 'schedule_interval_seconds{namespace="data",schedule="kv",cluster="kv"}';
    const interval = await gauge("schedule_interval_seconds");
    assert.deepEqual(interval, [`quorate_operator_${series} ${6 * 3_600}`]);
    const [success = ""] = await gauge("schedule_last_success_timestamp_seconds");
    const age = sandbox.time.wall() / 1000 - Number(success.split(" ").at(-1));
    assert.ok(age > 0 && age < 6 * 3_600, success);
    await sandbox.person.delete(QUORATE_BACKUP_SCHEDULE, at("kv"));
    await sandbox.time.run(60_000);
    assert.deepEqual(await gauge("schedule_interval_seconds"), []);
    assert.deepEqual(await gauge("schedule_last_success_timestamp_seconds"), []);
    await Promise.all(controllers.map((controller) => controller.stop()));
  });
});
