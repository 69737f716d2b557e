/** The controller on a modelled cluster: what a person asks for comes about, and in which steps. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "../../operator/cluster/action.ts";
import {
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  SECRET,
} from "../../operator/api/resources.ts";
import { CLUSTER } from "./world/sandbox.ts";
import { MINUTE, settled, voters } from "./world/settled.ts";
import { NAMESPACE } from "./world/world.ts";

function kinds(actions: readonly Action[], ...wanted: readonly Action["kind"][]): string[] {
  return actions.flatMap((action) => (wanted.includes(action.kind) ? [action.kind] : []));
}

describe("a cluster", () => {
  it("begins with one seed, and every other member joins as a learner", async () => {
    await settled(1, async (sandbox) => {
      assert.equal(voters(sandbox), 3);
      assert.equal(sandbox.world.lineages.size, 1);
      assert.deepEqual(
        sandbox.journal?.history.map(({ type, member }) => `${type} ${member ?? ""}`),
        ["Bootstrap ", "AddMember kv-1", "AddMember kv-2"],
      );
      const tickets = Object.values(sandbox.journal?.boot ?? {}).map(({ ticket }) => ticket);
      assert.deepEqual(tickets, [null, null, null], "no ticket is left");
      await sandbox.time.run(1);
    });
  });

  it("grows and shrinks one member at a time, from the top", async () => {
    await settled(2, async (sandbox) => {
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("five", 10 * MINUTE, () => sandbox.isSettled(5));
      assert.equal(voters(sandbox), 5);
      sandbox.edit({ replicas: 1 });
      await sandbox.time.until("one", 10 * MINUTE, () => sandbox.isSettled(1));
      assert.equal(voters(sandbox), 1);
      assert.equal(sandbox.api.store.all(PERSISTENT_VOLUME_CLAIM).length, 1, "their disks went");
      const removed = sandbox.journal?.history.filter(({ type }) => type === "RemoveMember");
      assert.deepEqual(
        removed?.map(({ member }) => member),
        ["kv-4", "kv-3", "kv-2", "kv-1"],
      );
    });
  });

  it("is rolled one pod at a time, the leader last", async () => {
    await settled(3, async (sandbox) => {
      const leader = sandbox.cluster.status?.leader;
      sandbox.edit({ server: { extraArgs: { "log-level": "debug" } } });
      await sandbox.time.until("rolled", 10 * MINUTE, () => sandbox.isSettled(3));
      const deleted = sandbox.actions.flatMap((action) =>
        action.kind === "deletePod" ? [action.name] : [],
      );
      assert.equal(new Set(deleted).size, 3);
      assert.equal(deleted.length, 3);
      assert.equal(deleted.at(-1), leader);
      assert.deepEqual(kinds(sandbox.actions, "moveLeader"), ["moveLeader"]);
    });
  });

  it("replaces a member whose disk was lost, under a new id", async () => {
    await settled(4, async (sandbox) => {
      const [lineage] = sandbox.world.lineages.values();
      const before = lineage?.seats.find(({ url }) => url.includes("kv-1"))?.id;
      const ref = { namespace: NAMESPACE, name: `data-${CLUSTER}-1` };
      sandbox.api.store.delete(PERSISTENT_VOLUME_CLAIM, ref);
      await sandbox.time.until("replaced", 10 * MINUTE, () => {
        const seat = lineage?.seats.find(({ url }) => url.includes("kv-1"));
        return seat !== undefined && seat.id !== before && sandbox.isSettled(3);
      });
      assert.equal(voters(sandbox), 3);
    });
  });

  it("does nothing about a pod that is deleted: it comes back with its disk", async () => {
    await settled(5, async (sandbox) => {
      sandbox.api.store.delete(POD, { namespace: NAMESPACE, name: `${CLUSTER}-2` });
      await sandbox.time.run(2_000);
      await sandbox.time.until("back", 5 * MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(kinds(sandbox.actions, "memberRemove", "memberAdd", "deletePod"), []);
    });
  });

  it("has certificates by its own authority, and a budget only where it has more than one member", async () => {
    await settled(
      7,
      async (sandbox) => {
        const secrets = sandbox.api.store.all(SECRET).map(({ metadata }) => metadata.name);
        assert.deepEqual(secrets, [
          "kv-ca",
          "kv-client-tls",
          "kv-operator-tls",
          "kv-peer-tls",
          "kv-server-tls",
        ]);
        const budgets = (): number => sandbox.api.store.all(POD_DISRUPTION_BUDGET).length;
        assert.equal(budgets(), 1);
        sandbox.edit({ replicas: 1 });
        await sandbox.time.until("one", 10 * MINUTE, () => sandbox.isSettled(1));
        assert.equal(budgets(), 0);
      },
      { unsafe: { plaintext: false } },
    );
  });

  it("does nothing once it has settled", async () => {
    await settled(6, async (sandbox) => {
      await sandbox.time.run(10 * MINUTE);
      const done = new Set(sandbox.actions.map(({ kind }) => kind));
      assert.deepEqual([...done], ["settled"]);
    });
  });
});
