/** What a cluster says of its backups: in its status, and to Prometheus. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_CLUSTER,
} from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import type { Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

/** Of the one series that there is; null where there is none. */
async function gauge({ registry }: Sandbox, name: string): Promise<number | null> {
  const text = await registry.getSingleMetricAsString(`quorate_operator_${name}`);
  const line = text.split("\n").find((each) => each.includes('{namespace="data",cluster="kv"}'));
  return line === undefined ? null : Number(line.split(" ").at(-1));
}

describe("BackupHealthy", () => {
  it("is what the schedules have promised, not what the last backup was", async () => {
    await settled(27, async (sandbox) => {
      const { api, time } = sandbox;
      assert.equal(sandbox.condition("BackupHealthy"), "Unknown");
      const backupTemplate = {
        spec: { clusterRef: { name: "kv" }, destination: { storeRef: { name: "s3" } } },
      };
      const made = <T extends object>(kind: string, name: string, content: T): T & KubeObject => ({
        apiVersion: "quorate.io/v1alpha1",
        kind,
        metadata: { name, namespace: NAMESPACE },
        ...content,
      });
      const spec = { schedule: "0 * * * *", backupTemplate };
      const schedule = made("QuorateBackupSchedule", "hourly", { spec });
      api.store.create(QUORATE_BACKUP_SCHEDULE, schedule, "person");
      const metadata = {
        name: "hourly-1",
        namespace: NAMESPACE,
        labels: { "quorate.io/schedule": "hourly" },
      };
      const backup = { ...made("QuorateBackup", "hourly-1", backupTemplate), metadata };
      api.store.create(QUORATE_BACKUP, backup, "person");
      const completedAt = new Date(time.wall()).toISOString();
      const status = { phase: "Complete", verified: true, completedAt };
      api.setStatus(QUORATE_BACKUP, { namespace: NAMESPACE, name: "hourly-1" }, status);
      await time.until("healthy", MINUTE, () => sandbox.condition("BackupHealthy") === "True");
      assert.equal(await gauge(sandbox, "cluster_backup_healthy"), 1);
      const success = await gauge(sandbox, "cluster_backup_last_success_timestamp_seconds");
      assert.equal(success, Date.parse(completedAt) / 1000);
      await time.until("overdue", 180 * MINUTE, () => {
        return sandbox.condition("BackupHealthy") === "False";
      });
      assert.equal(await gauge(sandbox, "cluster_backup_healthy"), 0);
      api.store.delete(QUORATE_CLUSTER, { namespace: NAMESPACE, name: "kv" });
      await time.run(10_000);
      assert.equal(await gauge(sandbox, "cluster_backup_healthy"), null, "it is gone");
    });
  });
});
