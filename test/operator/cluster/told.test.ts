/** What is wrong is said where people look: in the status, and as an event. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POD, QUORATE_BACKUP_SCHEDULE } from "../../../operator/api/resources.ts";
import type { Condition, QuorateBackupSchedule } from "../../../operator/api/gen/types.ts";
import { KubeError } from "../../../operator/kube/api.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, lineageOf, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

function condition({ cluster }: Sandbox, type: string): Condition | undefined {
  return cluster.status?.conditions?.find((each) => each.type === type);
}

describe("the status", () => {
  it("says of a member that does not answer who it is and why, and so does an event", async () => {
    await settled(61, async (sandbox) => {
      sandbox.world.cut.add("kv-1");
      await sandbox.time.until("told", MINUTE, () => sandbox.condition("Degraded") === "True");
      await sandbox.time.run(10_000);
      const member = sandbox.cluster.status?.members?.find(({ name }) => name === "kv-1");
      assert.equal(member?.ready, false);
      assert.match(member?.reason ?? "", /does not answer/);
      for (const type of ["Ready", "Degraded"])
        assert.match(condition(sandbox, type)?.message ?? "", /kv-1.*does not answer/);
      assert.equal(sandbox.condition("Available"), "True", "two of three are a quorum");
      assert.ok(sandbox.events.some(({ note }) => /kv-1 does not take part/.test(note)));
    });
  });

  it("says what each member's log ends with, while there is nobody to lead and only then", async () => {
    await settled(64, async (sandbox) => {
      const logs = (): (number | undefined)[] =>
        (sandbox.cluster.status?.members ?? []).map(({ raftIndex }) => raftIndex);
      assert.deepEqual(logs(), [undefined, undefined, undefined]);
      const { world } = sandbox;
      world.cut.add("kv-0");
      const lineage = lineageOf(sandbox);
      for (let id = 0; id < 50; id++)
        lineage.propose({ kind: "write", id }, world.running(lineage));
      world.cut.add("kv-1");
      await sandbox.time.until(
        "lost",
        10 * MINUTE,
        () => sandbox.condition("QuorumLost") === "True",
      );
      assert.deepEqual(logs(), [undefined, undefined, lineage.entries.length]);
      assert.equal(sandbox.cluster.status?.members?.[2]?.raftTerm, lineage.term);
      assert.match(condition(sandbox, "QuorumLost")?.message ?? "", /survivor kv-2/);
      world.cut.delete("kv-1");
      await sandbox.time.until("back", MINUTE, () => sandbox.condition("QuorumLost") === "False");
      await sandbox.time.run(10_000);
      assert.deepEqual(logs(), [undefined, undefined, undefined]);
    });
  });

  it("says of a cluster that is put to sleep that it sleeps once no pod is left, and not before", async () => {
    await settled(65, async (sandbox) => {
      sandbox.edit({ replicas: 0 });
      const reason = (): string => condition(sandbox, "Ready")?.reason ?? "";
      await sandbox.time.until("told", MINUTE, () => reason() === "StoppingPods");
      assert.match(condition(sandbox, "Ready")?.message ?? "", /3 pods have not stopped yet/);
      await sandbox.time.until("asleep", MINUTE, () => reason() === "Hibernating");
      assert.equal(sandbox.api.store.all(POD).length, 0);
    });
  });

  it("says what Kubernetes refuses in its own words, until it does not any more", async () => {
    await settled(62, async (sandbox) => {
      sandbox.api.faults.plan({
        on: { verb: "apply", resource: "poddisruptionbudgets" },
        times: 5,
        error: new KubeError("forbidden", "exceeded quota: few-objects"),
      });
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("told", MINUTE, () => sandbox.condition("Stalled") === "True");
      assert.match(condition(sandbox, "Stalled")?.message ?? "", /refuses.*few-objects/);
      const told = sandbox.events.filter(({ note }) => note.includes("few-objects"));
      assert.equal(told[0]?.type, "Warning");
      await sandbox.time.until("five", 10 * MINUTE, () => sandbox.isSettled(5));
      assert.equal(sandbox.condition("Stalled"), "False");
    });
  });

  it("says that a schedule is overdue, though no backup has failed", async () => {
    await settled(63, async (sandbox) => {
      const spec = { clusterRef: { name: CLUSTER }, destination: { storeRef: { name: "s3" } } };
      const schedule: QuorateBackupSchedule = {
        apiVersion: "quorate.io/v1alpha1",
        kind: "QuorateBackupSchedule",
        metadata: { name: "often", namespace: NAMESPACE },
        spec: {
          schedule: "*/5 * * * *",
          startingDeadlineSeconds: 10,
          backupTemplate: { spec: { ...spec, activeDeadlineSeconds: 30 } },
        },
      };
      assert.equal(sandbox.condition("BackupHealthy"), "Unknown");
      sandbox.api.store.create(QUORATE_BACKUP_SCHEDULE, schedule, "person");
      await sandbox.time.until("told", 10 * MINUTE, () => {
        return condition(sandbox, "BackupHealthy")?.reason === "Overdue";
      });
      assert.equal(sandbox.condition("BackupHealthy"), "False");
      assert.match(condition(sandbox, "BackupHealthy")?.message ?? "", /schedule often/);
    });
  });
});
