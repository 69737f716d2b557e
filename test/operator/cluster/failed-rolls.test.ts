/** What becomes of a cluster whose roll has failed: it is whole again in what ran before, and says what did not come about. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POD, QUORATE_CLUSTER } from "../../../operator/api/resources.ts";
import type { Condition } from "../../../operator/api/gen/types.ts";
import type { Pod } from "../../../operator/cluster/objects.ts";
import { RETRY_ANNOTATION } from "../../../operator/cluster/operation/failed-roll.ts";
import { versionOf } from "../world/pod-status.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

const SAYS = "no such thing";

function condition({ cluster }: Sandbox, type: string): Condition | undefined {
  return cluster.status?.conditions?.find((each) => each.type === type);
}

function hasFailed(sandbox: Sandbox): boolean {
  return condition(sandbox, "Stalled")?.reason === "RollFailed";
}

function versions({ api }: Sandbox): string[] {
  return (api.store.all(POD) as Pod[]).map(versionOf);
}

/** All members take part, though not as the spec has it. */
function isWhole({ cluster, world }: Sandbox, replicas: number): boolean {
  return cluster.status?.readyReplicas === replicas && world.isWhole(replicas);
}

async function failed(sandbox: Sandbox, replicas = 3, version = "1.4.3"): Promise<void> {
  sandbox.world.broken.set(version, SAYS);
  sandbox.edit({ version });
  await sandbox.time.until("told", 2 * MINUTE, () => hasFailed(sandbox));
  await sandbox.time.until("whole", 5 * MINUTE, () => isWhole(sandbox, replicas));
}

function drain({ api }: Sandbox, name: string): void {
  api.store.delete(POD, { namespace: NAMESPACE, name });
}

function annotate({ api }: Sandbox, word: string): void {
  const metadata = { annotations: { [RETRY_ANNOTATION]: word } };
  const ref = { namespace: NAMESPACE, name: CLUSTER };
  api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
}

/** Steps that changed the template or took a pod down. */
function strokes({ actions }: Sandbox): string[] {
  return actions.flatMap((action) => {
    if (action.kind === "deletePod") return [`delete ${action.name}`];
    if (action.kind !== "apply") return [];
    return action.objects.flatMap(({ object }) => (object.kind === "StatefulSet" ? ["apply"] : []));
  });
}

describe("a cluster whose roll has failed", () => {
  it("has whoever dies afterwards come back in the build that works", async () => {
    await settled(61, async (sandbox) => {
      sandbox.world.broken.set("1.4.3", SAYS);
      sandbox.edit({ version: "1.4.3" });
      await sandbox.time.until("told", 2 * MINUTE, () => hasFailed(sandbox));
      await sandbox.time.run(MINUTE);
      const [victim] = ["kv-0", "kv-1"].filter((pod) => pod !== sandbox.cluster.status?.leader);
      drain(sandbox, victim ?? "");
      await sandbox.time.run(2 * MINUTE);
      assert.equal(sandbox.condition("Available"), "True");
      assert.deepEqual(versions(sandbox), ["1.4.2", "1.4.2", "1.4.2"]);
      assert.ok(isWhole(sandbox, 3));
    });
  });

  it("is whole again in the build of before, says what failed, and leaves it at that", async () => {
    await settled(62, async (sandbox) => {
      await failed(sandbox);
      assert.equal(strokes(sandbox).filter((stroke) => stroke === "apply").length, 2);
      sandbox.actions.length = 0;
      await sandbox.time.run(30 * MINUTE);
      assert.deepEqual(strokes(sandbox), []);
      assert.deepEqual(versions(sandbox), ["1.4.2", "1.4.2", "1.4.2"]);
      const stalled = condition(sandbox, "Stalled");
      assert.equal(stalled?.reason, "RollFailed");
      assert.match(
        stalled?.message ?? "",
        /the roll to example\.org\/quorate:1\.4\.3 failed: kv-\d/,
      );
      assert.match(stalled?.message ?? "", /no such thing.*Correct the spec/s);
      const told = ["Ready", "Available", "Degraded", "Updated"].map((type) =>
        sandbox.condition(type),
      );
      assert.deepEqual(told, ["False", "True", "False", "False"]);
      assert.match(condition(sandbox, "Ready")?.message ?? "", /3 of 3 members.*no such thing/s);
      assert.equal(sandbox.cluster.status?.targetVersion, "1.4.3");
      assert.equal(sandbox.cluster.status?.updatedReplicas, 0);
      const events = sandbox.events.filter(({ reason }) => reason === "RollFailed");
      assert.deepEqual([events.length, events[0]?.type], [1, "Warning"]);
    });
  });

  it("is not rolled again by another edit, scales in what works, and follows a mended spec", async () => {
    await settled(63, async (sandbox) => {
      await failed(sandbox);
      sandbox.actions.length = 0;
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("five", 10 * MINUTE, () => isWhole(sandbox, 5));
      assert.ok(hasFailed(sandbox));
      assert.deepEqual(new Set(versions(sandbox)), new Set(["1.4.2"]));
      assert.deepEqual(strokes(sandbox), []);
      sandbox.edit({ version: "1.4.4" });
      await sandbox.time.until("rolled", 10 * MINUTE, () => sandbox.isSettled(5));
      assert.deepEqual(new Set(versions(sandbox)), new Set(["1.4.4"]));
      assert.equal(sandbox.condition("Stalled"), "False");
    });
  });

  it("tries the same again when a person says so, once each time", async () => {
    await settled(64, async (sandbox) => {
      await failed(sandbox);
      sandbox.actions.length = 0;
      annotate(sandbox, "1");
      const deleted = (): number => strokes(sandbox).filter((stroke) => stroke !== "apply").length;
      await sandbox.time.until("tried", 5 * MINUTE, () => deleted() === 2 && hasFailed(sandbox));
      await sandbox.time.run(10 * MINUTE);
      assert.equal(deleted(), 2, "the roll's, and the one that takes it back");
      sandbox.world.broken.clear();
      annotate(sandbox, "2");
      await sandbox.time.until("rolled", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(versions(sandbox), ["1.4.3", "1.4.3", "1.4.3"]);
    });
  });

  it("has nothing to do where the spec of before comes back, and a later roll goes back to what is newer then", async () => {
    await settled(65, async (sandbox) => {
      await failed(sandbox);
      sandbox.actions.length = 0;
      sandbox.edit({ version: "1.4.2" });
      await sandbox.time.until("healed", MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(strokes(sandbox), []);
      sandbox.edit({ version: "1.4.5" });
      await sandbox.time.until("rolled", 10 * MINUTE, () => sandbox.isSettled(3));
      await failed(sandbox, 3, "1.4.6");
      assert.deepEqual(versions(sandbox), ["1.4.5", "1.4.5", "1.4.5"]);
    });
  });

  it("that is its only member serves again", async () => {
    await settled(
      66,
      async (sandbox) => {
        await failed(sandbox, 1);
        assert.equal(sandbox.condition("Available"), "True");
        assert.deepEqual(versions(sandbox), ["1.4.2"]);
      },
      { replicas: 1 },
    );
  });

  it("to the next minor version goes back to the one of before without a downgrade, once no pod is of it", async () => {
    await settled(67, async (sandbox) => {
      sandbox.world.broken.set("1.5.0", SAYS);
      sandbox.edit({ version: "1.5.0" });
      await sandbox.time.until("told", 2 * MINUTE, () => hasFailed(sandbox));
      await sandbox.time.run(30 * MINUTE);
      assert.deepEqual(versions(sandbox).toSorted(), ["1.4.2", "1.4.2", "1.5.0"]);
      assert.match(
        condition(sandbox, "Stalled")?.message ?? "",
        /kv-\d stays as it is: 1\.4\.2 may not read/,
      );
      assert.equal(sandbox.events.filter(({ reason }) => reason === "RollFailed").length, 1);
      sandbox.edit({ version: "1.4.2" });
      const refused = (): boolean => condition(sandbox, "Ready")?.reason === "SpecRefused";
      await sandbox.time.until("refused", MINUTE, refused);
      sandbox.task("down", { downgrade: { version: "1.4.2" } });
      await sandbox.time.until("healed", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(versions(sandbox), ["1.4.2", "1.4.2", "1.4.2"]);
    });
  });
});
