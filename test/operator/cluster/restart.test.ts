/** What a cluster survives as the cluster that it was: the loss of every pod at once, and its own deletion. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CONFIG_MAP,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  QUORATE_BACKUP,
  QUORATE_CLUSTER,
  STATEFUL_SET,
} from "../../../operator/api/resources.ts";
import type { QuorateBackup } from "../../../operator/api/gen/types.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, lineageOf, settled, voters } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

const WRITES = [1, 2, 3, 4, 5];

/** The cluster's id, its members' ids, and what was written. */
function written(sandbox: Sandbox): { readonly clusterId: string; readonly ids: string[] } {
  const lineage = lineageOf(sandbox);
  for (const id of WRITES) lineage.propose({ kind: "write", id }, sandbox.world.running(lineage));
  return { clusterId: lineage.clusterId, ids: idsOf(sandbox) };
}

function idsOf(sandbox: Sandbox): string[] {
  return lineageOf(sandbox)
    .seats.map(({ id }) => id)
    .toSorted((a, b) => (a < b ? -1 : 1));
}

function assertSame(sandbox: Sandbox, before: ReturnType<typeof written>): void {
  assert.equal(lineageOf(sandbox).clusterId, before.clusterId);
  assert.deepEqual(idsOf(sandbox), before.ids);
  assert.ok(WRITES.every((id) => lineageOf(sandbox).has(id)));
  assert.equal(voters(sandbox), 3);
}

describe("a cluster", () => {
  it("whose pods all go at once comes back with its members and what they had", async () => {
    await settled(41, async (sandbox) => {
      const before = written(sandbox);
      for (const { metadata } of sandbox.api.store.all(POD))
        sandbox.api.store.delete(POD, { namespace: NAMESPACE, name: metadata.name });
      await sandbox.time.until("none is ready", MINUTE, () => !sandbox.isSettled(3));
      await sandbox.time.until("they are back", 10 * MINUTE, () => sandbox.isSettled(3));
      assertSame(sandbox, before);
      const history = sandbox.journal?.history.map(({ type }) => type);
      assert.deepEqual(history, ["Bootstrap", "AddMember", "AddMember"], "nothing was done");
    });
  });

  it("that is deleted keeps its volumes and backups, and made again it is the one that it was", async () => {
    await settled(42, async (sandbox) => {
      const { store } = sandbox.api;
      const before = written(sandbox);
      const backup: QuorateBackup = {
        apiVersion: "quorate.io/v1alpha1",
        kind: "QuorateBackup",
        metadata: { name: "kept", namespace: NAMESPACE },
        spec: { clusterRef: { name: CLUSTER }, destination: { storeRef: { name: "s3" } } },
      };
      store.create(QUORATE_BACKUP, backup, "person");
      store.delete(QUORATE_CLUSTER, { namespace: NAMESPACE, name: CLUSTER });
      await sandbox.time.until("all of it is gone", 10 * MINUTE, () =>
        [STATEFUL_SET, POD, CONFIG_MAP].every((resource) => store.all(resource).length === 0),
      );
      assert.equal(store.all(PERSISTENT_VOLUME_CLAIM).length, 3);
      sandbox.create({ replicas: 3 });
      await sandbox.time.until("it is back", 10 * MINUTE, () => sandbox.isSettled(3));
      assertSame(sandbox, before);
      assert.equal(store.all(QUORATE_BACKUP).length, 1);
    });
  });

  it("that is made again at once, while what it owned is still going, is the one that it was", async () => {
    await settled(43, async (sandbox) => {
      const { store } = sandbox.api;
      const before = written(sandbox);
      const pods = new Set(store.all(POD).map(({ metadata }) => metadata.uid));
      store.delete(QUORATE_CLUSTER, { namespace: NAMESPACE, name: CLUSTER });
      sandbox.create({ replicas: 3 });
      assert.equal(store.all(POD).filter(({ metadata }) => pods.has(metadata.uid)).length, 3);
      await sandbox.time.until("it is back", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.ok(!store.all(POD).some(({ metadata }) => pods.has(metadata.uid)), "with new pods");
      assertSame(sandbox, before);
    });
  });
});
