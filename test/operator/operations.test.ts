/** Single operations on a modelled cluster that has settled: what comes about, in which steps, and what is refused. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { JOB, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET } from "../../operator/api/resources.ts";
import type { Job } from "../../operator/backup/objects.ts";
import type { Claim } from "../../operator/cluster/objects.ts";
import { NAMESPACE } from "./world/world.ts";
import { Sandbox } from "./world/sandbox.ts";
import { MINUTE, idOf, lineageOf, settled, voters } from "./world/settled.ts";

describe("a cluster that sleeps", () => {
  it("keeps its disks, wakes with the members it had, and grows from there", async () => {
    await settled(11, async (sandbox) => {
      const { clusterId } = lineageOf(sandbox);
      const ids = ["kv-0", "kv-1", "kv-2"].map((pod) => idOf(sandbox, pod));
      sandbox.edit({ replicas: 0 });
      await sandbox.time.until("asleep", 5 * MINUTE, () => sandbox.api.store.all(POD).length === 0);
      assert.equal(sandbox.api.store.all(PERSISTENT_VOLUME_CLAIM).length, 3);
      await sandbox.time.run(MINUTE);
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("awake", 10 * MINUTE, () => sandbox.isSettled(5));
      assert.equal(lineageOf(sandbox).clusterId, clusterId);
      assert.deepEqual(
        ["kv-0", "kv-1", "kv-2"].map((pod) => idOf(sandbox, pod)),
        ids,
      );
      const done = sandbox.journal?.history.map(({ type }) => type).slice(-4);
      assert.deepEqual(done, ["Hibernate", "Wake", "AddMember", "AddMember"]);
    });
  });
});

describe("volumes", () => {
  it("grow, and the StatefulSet is made again around its pods", async () => {
    await settled(
      12,
      async (sandbox) => {
        const pods = sandbox.api.store.all(POD).map(({ metadata }) => metadata.uid);
        const [set] = sandbox.api.store.all(STATEFUL_SET);
        // The quota is a share of the volume, unless it is said.
        sandbox.edit({ storage: { size: "16Gi" } });
        await sandbox.time.until("grown", 5 * MINUTE, () => {
          const claims = sandbox.api.store.all(PERSISTENT_VOLUME_CLAIM) as Claim[];
          const sizes = claims.map(({ spec }) => spec?.resources?.requests?.storage);
          return sizes.every((size) => size === "16Gi") && sandbox.isSettled(3);
        });
        const [made] = sandbox.api.store.all(STATEFUL_SET);
        assert.notEqual(made?.metadata.uid, set?.metadata.uid);
        const template = made?.spec?.["volumeClaimTemplates"] as Claim[];
        assert.equal(template[0]?.spec?.resources?.requests?.storage, "16Gi");
        assert.deepEqual(
          sandbox.api.store.all(POD).map(({ metadata }) => metadata.uid),
          pods,
        );
      },
      { server: { quotaBackend: "2Gi" } },
    );
  });
});

describe("NOSPACE", () => {
  it("is met by compaction and defragmentation, followers first, and ended when there is room", async () => {
    await settled(13, async (sandbox) => {
      const leader = sandbox.cluster.status?.leader ?? "";
      for (const pod of ["kv-0", "kv-1", "kv-2"]) sandbox.world.sizes.set(idOf(sandbox, pod), 98);
      sandbox.world.alarms.add(`NOSPACE ${idOf(sandbox, "kv-1")}`);
      const { care } = sandbox.world;
      await sandbox.time.until("room", 5 * MINUTE, () => care.includes("disarm NOSPACE"));
      assert.equal(care.length, 5);
      assert.equal(care[0], "compact");
      assert.equal(care[3], `defragment ${leader}`);
    });
  });

  it("is not ended while the database is full of what is in use: a person is told", async () => {
    await settled(14, async (sandbox) => {
      for (const pod of ["kv-0", "kv-1", "kv-2"]) sandbox.world.sizes.set(idOf(sandbox, pod), 101);
      sandbox.world.alarms.add(`NOSPACE ${idOf(sandbox, "kv-1")}`);
      await sandbox.time.until("told", 5 * MINUTE, () => sandbox.condition("Stalled") === "True");
      await sandbox.time.run(2 * MINUTE);
      const { care, alarms } = sandbox.world;
      assert.equal(alarms.size, 1);
      assert.equal(care.filter((each) => each === "compact").length, 1, "once is enough");
    });
  });
});

describe("NOSPACE that could not be ended", () => {
  it("is met again once keys were deleted, without a word to the operator", async () => {
    await settled(29, async (sandbox) => {
      const fill = (percent: number): void => {
        for (const pod of ["kv-0", "kv-1", "kv-2"])
          sandbox.world.sizes.set(idOf(sandbox, pod), percent);
      };
      fill(101);
      sandbox.world.alarms.add(`NOSPACE ${idOf(sandbox, "kv-1")}`);
      await sandbox.time.until("told", 5 * MINUTE, () => sandbox.condition("Stalled") === "True");
      fill(98);
      await sandbox.time.until("room", 15 * MINUTE, () => sandbox.world.alarms.size === 0);
      await sandbox.time.until("well", 5 * MINUTE, () => sandbox.condition("Stalled") === "False");
    });
  });
});

describe("a task", () => {
  it("moves the lead, defragments, and replaces a member, each once", async () => {
    await settled(17, async (sandbox) => {
      const over = (name: string) => () => sandbox.taskStatus(name)?.phase === "Complete";
      const follower = sandbox.cluster.status?.leader === "kv-1" ? "kv-2" : "kv-1";
      sandbox.task("lead", { moveLeader: { to: follower }, ttlSecondsAfterFinished: 300 });
      await sandbox.time.until("moved", 2 * MINUTE, over("lead"));
      assert.equal(lineageOf(sandbox).leader, idOf(sandbox, follower));
      sandbox.task("shrink", { defragment: {} });
      await sandbox.time.until("shrunk", 2 * MINUTE, over("shrink"));
      assert.equal(sandbox.world.care.length, 3);
      assert.equal(sandbox.world.care.at(-1), `defragment ${follower}`);
      const before = idOf(sandbox, follower);
      sandbox.task("new", { replaceMember: { member: follower } });
      await sandbox.time.until("replaced", 5 * MINUTE, over("new"));
      await sandbox.time.until("whole", 5 * MINUTE, () => sandbox.isSettled(3));
      assert.notEqual(idOf(sandbox, follower), before);
      await sandbox.time.run(6 * MINUTE);
      assert.equal(sandbox.taskStatus("lead"), undefined, "tasks go when their time is over");
    });
  });

  it("to recover a quorum is refused while there is one", async () => {
    await settled(18, async (sandbox) => {
      sandbox.task("rescue", { recoverQuorum: { survivor: "kv-0", acknowledgeDataLoss: true } });
      await sandbox.time.until("refused", MINUTE, () => {
        return sandbox.taskStatus("rescue")?.phase === "Failed";
      });
      assert.match(sandbox.taskStatus("rescue")?.message ?? "", /a quorum answers/);
    });
  });

  it("to recover a quorum goes on with the survivor, fences who comes back, and fills up", async () => {
    await settled(19, async (sandbox) => {
      const before = lineageOf(sandbox).clusterId;
      sandbox.world.cut.add("kv-0").add("kv-1");
      await sandbox.time.run(6 * MINUTE);
      assert.equal(sandbox.condition("QuorumLost"), "True");
      const told = sandbox.events.filter(({ reason }) => reason === "QuorumLost");
      assert.equal(told.length, 1, "an event says so too");
      assert.match(told[0]?.note ?? "", /survivor kv-2/);
      const removed = sandbox.actions.filter(({ kind }) => kind.startsWith("delete"));
      assert.deepEqual(removed, [], "nothing is done by itself");
      sandbox.task("rescue", { recoverQuorum: { survivor: "kv-2", acknowledgeDataLoss: true } });
      await sandbox.time.until("rescued", 5 * MINUTE, () => {
        return sandbox.taskStatus("rescue")?.phase === "Complete";
      });
      sandbox.world.cut.clear();
      await sandbox.time.until("whole", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.notEqual(lineageOf(sandbox).clusterId, before);
      assert.equal(voters(sandbox), 3);
      assert.equal(sandbox.condition("QuorumLost"), "False");
    });
  });
});

describe("a restore", () => {
  const source = { pvc: { claimName: "shelf", path: "kv.db" } };
  const shelve = ({ api }: Sandbox): void => {
    const metadata = { name: "shelf", namespace: NAMESPACE };
    api.store.create(
      PERSISTENT_VOLUME_CLAIM,
      { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata },
      "person",
    );
  };

  it("is what a new cluster begins with, and the others join it", async () => {
    const sandbox = new Sandbox(21);
    const stop = new AbortController();
    shelve(sandbox);
    sandbox.restores.snapshot = [7, 8, 9];
    sandbox.create({ replicas: 3, bootstrap: { restoreFrom: source } });
    const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
    await sandbox.time.until("restored", 10 * MINUTE, () => sandbox.isSettled(3));
    assert.ok([7, 8, 9].every((id) => lineageOf(sandbox).has(id)));
    assert.equal(voters(sandbox), 3);
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  });

  it("runs where the members may run: a new volume is bound to that place", async () => {
    const sandbox = new Sandbox(28);
    const stop = new AbortController();
    shelve(sandbox);
    const placed = { nodeSelector: { disk: "fast" }, tolerations: [{ key: "stores" }] };
    const podTemplate = { spec: { ...placed, hostNetwork: true } };
    sandbox.create({ replicas: 1, bootstrap: { restoreFrom: source }, podTemplate });
    const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
    await sandbox.time.until("a Job", 2 * MINUTE, () => sandbox.api.store.all(JOB).length === 1);
    const [job] = sandbox.api.store.all(JOB) as unknown as Job[];
    const pod: Readonly<Record<string, unknown>> = job?.spec.template.spec ?? {};
    const { nodeSelector, tolerations, hostNetwork } = pod;
    assert.deepEqual({ nodeSelector, tolerations }, placed);
    assert.equal(hostNetwork, undefined);
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  });

  it("in place stops the members, and wipes the other disks only when it has succeeded", async () => {
    await settled(22, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.snapshot = [7];
      const before = lineageOf(sandbox).clusterId;
      sandbox.task("back", { restore: { from: source, acknowledgeDataLoss: true } });
      await sandbox.time.until("restored", 10 * MINUTE, () => {
        return sandbox.taskStatus("back")?.phase === "Complete";
      });
      await sandbox.time.until("whole", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.ok(lineageOf(sandbox).has(7));
      assert.notEqual(lineageOf(sandbox).clusterId, before);
      assert.equal(sandbox.journal?.incarnation, 2);
      const kinds = sandbox.actions.map(({ kind }) => kind);
      assert.ok(kinds.indexOf("deleteClaim") > kinds.indexOf("restoreJob"));
    });
  });

  it("from a source that is not there stops nobody, and is given up after a while", async () => {
    await settled(24, async (sandbox) => {
      const from = { backupRef: { name: "nowhere" } };
      const before = lineageOf(sandbox).clusterId;
      sandbox.task("back", { restore: { from, acknowledgeDataLoss: true } });
      await sandbox.time.run(2 * MINUTE);
      assert.equal(sandbox.taskStatus("back")?.phase, "Running");
      assert.equal(sandbox.api.store.all(POD).length, 3);
      await sandbox.time.until("given up", 15 * MINUTE, () => {
        return sandbox.taskStatus("back")?.phase === "Failed";
      });
      assert.match(sandbox.taskStatus("back")?.message ?? "", /no QuorateBackup nowhere/);
      assert.equal(lineageOf(sandbox).clusterId, before);
      const sizes = sandbox.actions.filter(({ kind }) => kind === "scale");
      assert.deepEqual(sizes, []);
    });
  });

  it("that was killed after it put its data in place is finished, not given up", async () => {
    await settled(25, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.snapshot = [7];
      sandbox.restores.kills = 2;
      sandbox.task("back", { restore: { from: source, acknowledgeDataLoss: true } });
      await sandbox.time.until("restored", 10 * MINUTE, () => {
        return sandbox.taskStatus("back")?.phase === "Complete";
      });
      await sandbox.time.until("whole", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.ok(lineageOf(sandbox).has(7));
    });
  });

  it("is what a new cluster begins with over disks that turn out to be empty", async () => {
    const sandbox = new Sandbox(26);
    const stop = new AbortController();
    shelve(sandbox);
    sandbox.restores.snapshot = [7];
    const metadata = { name: "data-kv-1", namespace: NAMESPACE };
    const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata };
    sandbox.api.store.create(PERSISTENT_VOLUME_CLAIM, claim, "person");
    sandbox.create({ replicas: 3, bootstrap: { restoreFrom: source } });
    const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
    await sandbox.time.until("restored", 10 * MINUTE, () => sandbox.isSettled(3));
    assert.ok(lineageOf(sandbox).has(7));
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  });

  it("that fails in place leaves the members with what they had", async () => {
    await settled(23, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.damage.set(source.pvc.path, "late");
      const before = lineageOf(sandbox).clusterId;
      sandbox.task("back", { restore: { from: source, acknowledgeDataLoss: true } });
      await sandbox.time.until("failed", 10 * MINUTE, () => {
        return sandbox.taskStatus("back")?.phase === "Failed";
      });
      assert.match(sandbox.taskStatus("back")?.message ?? "", /start again with what they had/);
      await sandbox.time.until("as before", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.equal(lineageOf(sandbox).clusterId, before);
      assert.equal(voters(sandbox), 3);
      assert.deepEqual(
        sandbox.actions.filter(({ kind }) => kind === "deleteClaim"),
        [],
      );
    });
  });
});

describe("a paused cluster", () => {
  it("is not touched, and its status goes on", async () => {
    await settled(20, async (sandbox) => {
      sandbox.edit({ paused: true, replicas: 5 });
      sandbox.api.store.delete(PERSISTENT_VOLUME_CLAIM, {
        namespace: NAMESPACE,
        name: "data-kv-1",
      });
      await sandbox.time.run(5 * MINUTE);
      const kinds = new Set(sandbox.actions.map(({ kind }) => kind));
      kinds.delete("settled");
      assert.deepEqual([...kinds], ["wait"]);
      assert.equal(sandbox.cluster.status?.observedGeneration, sandbox.cluster.metadata.generation);
      sandbox.edit({ paused: false });
      await sandbox.time.until("five", 10 * MINUTE, () => sandbox.isSettled(5));
    });
  });
});
