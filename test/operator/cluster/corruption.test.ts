/** Histories that differ: who is replaced, who is not, and what a person decides. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE, idOf, settled, voters } from "../world/settled.ts";

describe("CORRUPT", () => {
  it("has the member replaced that differs, not the one that the alarm names", async () => {
    await settled(15, async (sandbox) => {
      const before = { 1: idOf(sandbox, "kv-1"), 2: idOf(sandbox, "kv-2") };
      sandbox.world.odd.add(before[2]);
      sandbox.world.alarms.add(`CORRUPT ${before[1]}`);
      await sandbox.time.until("mended", 10 * MINUTE, () => {
        return sandbox.world.alarms.size === 0 && voters(sandbox) === 3 && sandbox.isSettled(3);
      });
      assert.equal(idOf(sandbox, "kv-1"), before[1]);
      assert.notEqual(idOf(sandbox, "kv-2"), before[2]);
    });
  });

  it("of one whom no alarm names any more is not forgotten over another spec", async () => {
    await settled(15, async (sandbox) => {
      const { world, time } = sandbox;
      const [named, odd] = ["kv-1", "kv-2"].map((pod) => idOf(sandbox, pod));
      world.odd.add(odd ?? "");
      world.alarms.add(`CORRUPT ${named}`);
      const step = (): unknown => sandbox.journal?.operation?.step;
      await time.until(
        "the one that is named is acquitted",
        10 * MINUTE,
        () => step() === "Acquit",
      );
      sandbox.edit({ replicas: 5 });
      await time.until("mended", 20 * MINUTE, () => voters(sandbox) === 5 && sandbox.isSettled(5));
      assert.equal(idOf(sandbox, "kv-1"), named);
      assert.notEqual(idOf(sandbox, "kv-2"), odd);
    });
  });

  it("without a majority of one history is left to a person", async () => {
    await settled(
      16,
      async (sandbox) => {
        const ids = ["kv-0", "kv-1"].map((pod) => idOf(sandbox, pod));
        sandbox.world.odd.add(ids[1] ?? "");
        sandbox.world.alarms.add(`CORRUPT ${ids[1]}`);
        await sandbox.time.until("told", 5 * MINUTE, () => sandbox.condition("Stalled") === "True");
        await sandbox.time.run(2 * MINUTE);
        assert.deepEqual(
          ["kv-0", "kv-1"].map((pod) => idOf(sandbox, pod)),
          ids,
        );
        const stalled = sandbox.cluster.status?.conditions?.find(({ type }) => type === "Stalled");
        assert.match(stalled?.message ?? "", /kv-0 against kv-1|kv-1 against kv-0/);
      },
      { replicas: 2, unsafe: { plaintext: true, evenReplicas: true } },
    );
  });

  it("without a majority lets a person name whom to replace, and ends once they have", async () => {
    await settled(
      18,
      async (sandbox) => {
        const [kept, odd] = ["kv-0", "kv-1"].map((pod) => idOf(sandbox, pod));
        sandbox.world.odd.add(odd ?? "");
        sandbox.world.alarms.add("CORRUPT 0");
        await sandbox.time.until("told", 5 * MINUTE, () => sandbox.condition("Stalled") === "True");
        sandbox.task("out", { replaceMember: { member: "kv-1" } });
        await sandbox.time.until("mended", 10 * MINUTE, () => {
          return sandbox.world.alarms.size === 0 && voters(sandbox) === 2 && sandbox.isSettled(2);
        });
        assert.equal(sandbox.taskStatus("out")?.phase, "Complete");
        assert.equal(idOf(sandbox, "kv-0"), kept);
      },
      { replicas: 2, unsafe: { plaintext: true, evenReplicas: true } },
    );
  });

  it("of a member that cannot be read either has it replaced, although an alarm names another", async () => {
    await settled(19, async (sandbox) => {
      const { world, time } = sandbox;
      const [named, odd] = ["kv-1", "kv-2"].map((pod) => idOf(sandbox, pod));
      world.odd.add(odd ?? "");
      world.alarms.add(`CORRUPT ${named}`);
      const disk = world.disks.get(world.processes.get("kv-2")?.claimUid ?? "");
      assert.ok(disk !== undefined);
      disk.isDamaged = true;
      await time.until("mended", 10 * MINUTE, () => {
        return world.alarms.size === 0 && voters(sandbox) === 3 && sandbox.isSettled(3);
      });
      assert.equal(idOf(sandbox, "kv-1"), named);
      assert.notEqual(idOf(sandbox, "kv-2"), odd);
    });
  });
});
