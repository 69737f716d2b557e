/** A quorum that is lost for good while something else goes on: what a person then says is not kept waiting by that. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PERSISTENT_VOLUME_CLAIM } from "../../operator/api/resources.ts";
import { emptyDisk } from "./world/consensus.ts";
import type { Sandbox } from "./world/sandbox.ts";
import { MINUTE, settled, voters } from "./world/settled.ts";
import { NAMESPACE } from "./world/world.ts";

function loseDisks({ api, world }: Sandbox, ...pods: readonly string[]): void {
  for (const pod of pods) {
    const ref = { namespace: NAMESPACE, name: `data-${pod}` };
    world.disks.set(api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid ?? "", emptyDisk());
    world.stop(pod);
  }
}

async function rescue(sandbox: Sandbox): Promise<void> {
  const { time } = sandbox;
  await time.until("lost", 10 * MINUTE, () => sandbox.condition("QuorumLost") === "True");
  sandbox.task("rescue", { recoverQuorum: { survivor: "kv-2", acknowledgeDataLoss: true } });
  await time.until("rescued", 5 * MINUTE, () => {
    return sandbox.taskStatus("rescue")?.phase === "Complete";
  });
}

describe("a recovery of the quorum", () => {
  it("is not kept waiting by an operation that waits for members which are lost", async () => {
    await settled(71, async (sandbox) => {
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("growing", 5 * MINUTE, () => {
        return sandbox.journal?.operation?.type === "AddMember";
      });
      loseDisks(sandbox, "kv-0", "kv-1");
      await rescue(sandbox);
      const given = sandbox.journal?.history.find(({ outcome }) => outcome === "Abandoned");
      assert.equal(given?.type, "AddMember");
      await sandbox.time.until("whole", 15 * MINUTE, () => sandbox.isSettled(5));
      assert.equal(voters(sandbox), 5);
    });
  });

  it("is not kept waiting by an older task that needs a quorum", async () => {
    await settled(72, async (sandbox) => {
      loseDisks(sandbox, "kv-0", "kv-1");
      sandbox.task("older", { defragment: {} });
      await rescue(sandbox);
      await sandbox.time.until("whole", 15 * MINUTE, () => sandbox.isSettled(3));
      await sandbox.time.until("then the other", 5 * MINUTE, () => {
        return sandbox.taskStatus("older")?.phase === "Complete";
      });
    });
  });

  it("is refused as long as a quorum may come back by itself and something is under way", async () => {
    await settled(73, async (sandbox) => {
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("growing", 5 * MINUTE, () => {
        return sandbox.journal?.operation?.type === "AddMember";
      });
      sandbox.world.cut.add("kv-0").add("kv-1");
      sandbox.task("rescue", { recoverQuorum: { survivor: "kv-2", acknowledgeDataLoss: true } });
      await sandbox.time.run(MINUTE);
      assert.equal(sandbox.journal?.operation?.type, "AddMember", "nobody called it lost yet");
      sandbox.world.cut.clear();
      await sandbox.time.until("five", 15 * MINUTE, () => sandbox.isSettled(5));
      assert.equal(sandbox.taskStatus("rescue")?.phase, "Failed");
    });
  });
});
