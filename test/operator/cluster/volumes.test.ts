/** Full disks: room comes whatever else waits, and what cannot grow says so. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS } from "../../../operator/api/resources.ts";
import type { Claim } from "../../../operator/cluster/objects.ts";
import { reconcileCluster } from "../../../operator/cluster/reconcile.ts";
import { CLUSTER, Sandbox } from "../world/sandbox.ts";
import { MINUTE, seatOf, settled, voters } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

const SERVER = { server: { quotaBackend: "2Gi" } };

function sizes({ api }: Sandbox): (string | undefined)[] {
  const claims = api.store.all(PERSISTENT_VOLUME_CLAIM) as Claim[];
  return claims.map(({ spec }) => spec?.resources?.requests?.storage);
}

/** NOSPACE is raised while kv-1 does not answer, so that its repair waits. */
async function fullAndDown(sandbox: Sandbox): Promise<void> {
  sandbox.world.cut.add("kv-1");
  sandbox.world.alarms.add(`NOSPACE ${seatOf(sandbox, "kv-0")?.id}`);
  await sandbox.time.until("its repair waits", MINUTE, () => {
    const { operation } = sandbox.cluster.status ?? {};
    return operation?.type === "RepairSpace" && operation.step === "AwaitMembers";
  });
}

describe("a cluster whose disks are full", () => {
  it("gets larger ones although its repair waits for a member that is down", async () => {
    await settled(
      51,
      async (sandbox) => {
        await fullAndDown(sandbox);
        sandbox.edit({ storage: { size: "16Gi" } });
        await sandbox.time.until("grown", MINUTE, () =>
          sizes(sandbox).every((size) => size === "16Gi"),
        );
        assert.equal(sandbox.journal?.operation?.type, "RepairSpace", "which still waits");
        sandbox.world.cut.clear();
        await sandbox.time.until("well", 10 * MINUTE, () => sandbox.isSettled(3));
        assert.equal(sandbox.world.alarms.size, 0);
      },
      SERVER,
    );
  });

  it("has a member replaced that lost its disk, although its repair waits for that member", async () => {
    await settled(
      52,
      async (sandbox) => {
        const before = seatOf(sandbox, "kv-1")?.id;
        await fullAndDown(sandbox);
        const ref = { namespace: NAMESPACE, name: "data-kv-1" };
        sandbox.api.store.delete(PERSISTENT_VOLUME_CLAIM, ref);
        await sandbox.time.until("replacing", 5 * MINUTE, () => {
          return sandbox.journal?.operation?.type === "ReplaceMember";
        });
        sandbox.world.cut.clear();
        await sandbox.time.until("well", 10 * MINUTE, () => sandbox.isSettled(3));
        assert.notEqual(seatOf(sandbox, "kv-1")?.id, before);
        assert.equal(sandbox.world.alarms.size, 0);
      },
      SERVER,
    );
  });
});

describe("a storage class whose volumes cannot grow", () => {
  it("is named in the status with the way out, and keeps the cluster from nothing else", async () => {
    const sandbox = new Sandbox(53);
    const stop = new AbortController();
    const fixed = {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "fixed" },
      allowVolumeExpansion: false,
    };
    sandbox.api.store.create(STORAGE_CLASS, fixed, "person");
    sandbox.create({ ...SERVER, replicas: 3, storage: { size: "8Gi", storageClassName: "fixed" } });
    const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
    await sandbox.time.until("settled", 10 * MINUTE, () => sandbox.isSettled(3));
    sandbox.edit({ storage: { size: "16Gi" } });
    await sandbox.time.until("told", 5 * MINUTE, () => sandbox.condition("Stalled") === "True");
    const stalled = sandbox.cluster.status?.conditions?.find(({ type }) => type === "Stalled");
    assert.match(stalled?.message ?? "", /class fixed does not let volumes grow: .*QuorateTasks/);
    await sandbox.time.run(5 * MINUTE);
    const told = sandbox.events.filter(({ note }) => note.includes("does not let volumes grow"));
    assert.deepEqual(
      told.map(({ type, reason }) => [type, reason]),
      [["Warning", "SpecRefused"]],
      "once, as an event",
    );
    sandbox.edit({ replicas: 5 });
    await sandbox.time.until("five", 10 * MINUTE, () => sandbox.isSettled(5));
    assert.deepEqual(sizes(sandbox), ["8Gi", "8Gi", "8Gi", "16Gi", "16Gi"]);
    assert.equal(voters(sandbox), 5);
    assert.deepEqual(sandbox.failures, []);
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  });
});

describe("a database near its quota", () => {
  it("has the operator look again within seconds, and not after half a minute as where there is room", async () => {
    await settled(54, async (sandbox) => {
      const ref = { namespace: NAMESPACE, name: CLUSTER };
      const look = async (percent: number): Promise<number | null> => {
        sandbox.world.sizes.set(seatOf(sandbox, "kv-1")?.id ?? "", percent);
        return await reconcileCluster(sandbox.reconciler(), ref);
      };
      const waits = [await look(1), await look(79), await look(80), await look(79)];
      assert.deepEqual(waits, [30_000, 30_000, 5_000, 30_000]);
    });
  });
});
