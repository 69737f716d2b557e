/** What makes no pod anew, and what does: a pod that is restarted for nothing is an outage for nothing. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POD, STATEFUL_SET } from "../../../operator/api/resources.ts";
import { parseJournal } from "../../../operator/cluster/journal.ts";
import { present } from "../../../src/base/assert.ts";
import type { ClusterReconciler } from "../../../operator/cluster/reconcile.ts";
import { Sandbox } from "../world/sandbox.ts";
import { MINUTE, seatOf, settled, voters } from "../world/settled.ts";
import { emptyDisk } from "../world/consensus.ts";

function podUids({ api }: Sandbox): Map<string, string> {
  return new Map(api.store.all(POD).map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

function template({ api }: Sandbox): string {
  const [set] = api.store.all(STATEFUL_SET);
  return JSON.stringify(set?.spec?.["template"]);
}

/** Until `act` is over. */
async function operated(
  sandbox: Sandbox,
  reconciler: ClusterReconciler,
  act: () => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const operating = sandbox.operate(reconciler, stop.signal);
  await act();
  stop.abort();
  await sandbox.time.run(10);
  await operating;
}

describe("a newer operator", () => {
  it("restarts no member, whatever versions and images it would begin with", async () => {
    const sandbox = new Sandbox(31);
    sandbox.create({ replicas: 3 });
    const older = sandbox.reconciler();
    await operated(sandbox, older, async () => {
      await sandbox.time.until("it settles", 10 * MINUTE, () => sandbox.isSettled(3));
    });
    const before = podUids(sandbox);
    const newer = {
      ...sandbox.reconciler(),
      defaults: { ...older.defaults, version: "1.5.0", repository: "elsewhere.example/quorate" },
    };
    sandbox.actions.length = 0;
    await operated(sandbox, newer, async () => await sandbox.time.run(10 * MINUTE));
    assert.deepEqual(podUids(sandbox), before);
    assert.deepEqual([...new Set(sandbox.actions.map(({ kind }) => kind))], ["settled"]);
    assert.equal(sandbox.condition("Updated"), "True");
    assert.equal(sandbox.cluster.status?.targetVersion, "1.4.2");
  });

  it("takes a journal that knows nothing between with TLS and without for what it says", async () => {
    for (const plaintext of [true, false])
      await settled(
        36,
        async (sandbox) => {
          const { transport, ...latched } = present(sandbox.journal, "a journal").latched;
          assert.deepEqual(
            [transport, latched.plaintext],
            [plaintext ? "Plaintext" : "Tls", plaintext],
          );
          const text = JSON.stringify({ ...sandbox.journal, latched });
          assert.deepEqual(parseJournal(text), sandbox.journal);
        },
        { unsafe: { plaintext } },
      );
  });
});

describe("a change of spec.replicas", () => {
  it("changes neither the template nor any pod that stays", async () => {
    await settled(32, async (sandbox) => {
      const before = podUids(sandbox);
      const made = template(sandbox);
      for (const replicas of [5, 3]) {
        sandbox.edit({ replicas });
        await sandbox.time.until(`${replicas}`, 10 * MINUTE, () => sandbox.isSettled(replicas));
        assert.equal(template(sandbox), made);
      }
      assert.deepEqual(podUids(sandbox), before);
    });
  });

  it("hands leadership over before it takes the leader away", async () => {
    await settled(33, async (sandbox) => {
      sandbox.task("lead", { moveLeader: { to: "kv-2" } });
      await sandbox.time.until(
        "moved",
        2 * MINUTE,
        () => sandbox.cluster.status?.leader === "kv-2",
      );
      await sandbox.time.until("settled", 2 * MINUTE, () => sandbox.isSettled(3));
      sandbox.actions.length = 0;
      sandbox.edit({ replicas: 1 });
      await sandbox.time.until("one", 10 * MINUTE, () => sandbox.isSettled(1));
      const steps = sandbox.actions.flatMap(({ kind }) =>
        kind === "moveLeader" || kind === "memberRemove" ? [kind] : [],
      );
      assert.equal(steps[0], "moveLeader");
      assert.equal(steps.filter((step) => step === "memberRemove").length, 2);
    });
  });

  it("takes back a learner that lost its disk while it joined, and lets another in", async () => {
    await settled(34, async (sandbox) => {
      let lost = false;
      sandbox.onAction = (action) => {
        const operation = action.kind === "journal" ? action.document.operation : null;
        if (lost || operation?.type !== "AddMember" || operation.step !== "CatchUp") return;
        const process = sandbox.world.processes.get(operation.member);
        if (process === undefined) return;
        sandbox.world.disks.set(process.claimUid, emptyDisk());
        sandbox.world.processes.delete(operation.member);
        lost = true;
      };
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("five", 20 * MINUTE, () => sandbox.isSettled(5));
      assert.ok(lost);
      const outcomes = sandbox.journal?.history.map(({ outcome }) => outcome) ?? [];
      assert.equal(outcomes.filter((outcome) => outcome === "Abandoned").length, 1);
      assert.equal(voters(sandbox), 5);
      assert.notEqual(seatOf(sandbox, "kv-3"), undefined);
    });
  });
});

describe("a change of spec.version", () => {
  it("that skips a minor version is refused in the status with the way there, and the next one rolls", async () => {
    await settled(35, async (sandbox) => {
      const before = podUids(sandbox);
      sandbox.edit({ version: "1.6.0" });
      await sandbox.time.until("told", MINUTE, () => sandbox.condition("Stalled") === "True");
      await sandbox.time.run(5 * MINUTE);
      const ready = sandbox.cluster.status?.conditions?.find(({ type }) => type === "Ready");
      assert.match(ready?.message ?? "", /skips a minor version after 1\.4\.2: go to 1\.5 first/);
      assert.deepEqual(podUids(sandbox), before);
      sandbox.edit({ version: "1.5.0" });
      await sandbox.time.until("rolled", 10 * MINUTE, () => sandbox.isSettled(3));
      for (const [name, uid] of podUids(sandbox)) assert.notEqual(uid, before.get(name));
      assert.match(template(sandbox), /"image":"example\.org\/quorate:1\.5\.0"/);
      assert.equal(sandbox.condition("Stalled"), "False");
    });
  });
});
