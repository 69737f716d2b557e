/** Other builds of the members: a roll from one to the next and back, and rolls that must not go on. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { POD } from "../../operator/api/resources.ts";
import type { Condition, QuorateCluster } from "../../operator/api/gen/types.ts";
import { api } from "./support/api.ts";
import { APART, BROKEN, BROKEN_SAYS, NEXT, NO_BUILDS, type Variant } from "./support/builds.ts";
import type { ClusterUnderTest } from "./support/cluster.ts";
import { IMAGE } from "./support/image.ts";
import type { Witness } from "./support/witness.ts";
import { startWitnessed } from "./support/witnessed.ts";

const STEP_MS_MAX = 120_000;
/** From the edit: the old pod has to go, and the new one to come, before there is anything to tell. */
const TOLD_MS_MAX = 60_000;
/** Some seconds, for as long as which a roll that has failed is seen to stand still. */
const WRITES = 300;

function conditionIn({ status }: QuorateCluster, type: string): Condition | undefined {
  return status?.conditions?.find((each) => each.type === type);
}

describe("a cluster of three whose version changes, under load", { skip: NO_BUILDS }, () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;

  before(async () => {
    ({ cluster, witness } = await startWitnessed("e2e-versions", { replicas: 3 }));
  });
  after(async () => await cluster.remove());

  const changed = async (before: Readonly<Record<string, string>>): Promise<string[]> =>
    Object.entries(await cluster.lives()).flatMap(([name, life]) =>
      life === before[name] ? [] : [name],
    );

  /** All members are of this version, and the status says so. */
  const assertVersion = (cluster: QuorateCluster, version: string): void => {
    const { status } = cluster;
    assert.deepEqual(
      [status?.version, status?.targetVersion, status?.image, status?.updatedReplicas],
      [version, version, `${IMAGE.repository}:${version}`, 3],
    );
    const versions = status?.members?.map((member) => member.version);
    assert.deepEqual(versions, [version, version, version]);
  };

  /** All three take part, in the version of before, though the spec asks for this build. */
  const whole = async (build: Variant): Promise<QuorateCluster> =>
    await cluster.until(
      `all take part without ${build.version}`,
      ({ status }) =>
        status?.targetVersion === build.version &&
        status.members?.length === 3 &&
        status.members.every(({ ready, version }) => ready && version === IMAGE.tag),
      STEP_MS_MAX,
    );

  /** A roll to this build ends at its first pod with these words and is taken back; the spec of before ends it. */
  const assertStops = async (build: Variant, says: RegExp): Promise<void> => {
    const [before, leader] = [await cluster.lives(), await cluster.leader()];
    const began = performance.now();
    await cluster.patch({ version: build.version });
    const failed = await cluster.until(
      "the roll has failed",
      (now) => conditionIn(now, "Stalled")?.reason === "RollFailed",
      TOLD_MS_MAX,
    );
    console.log(`    told ${((performance.now() - began) / 1000).toFixed(1)} s after the edit`);
    for (const type of ["Stalled", "Ready"])
      assert.match(conditionIn(failed, type)?.message ?? "", says, type);
    await cluster.told("RollFailed", says, 10_000);
    await whole(build);
    await witness.writes(WRITES);
    const [victim, ...others] = await changed(before);
    assert.deepEqual(others, [], "one alone");
    assert.notEqual(victim, leader);
    await witness.assertServed(`roll to ${build.version}, which stops`);
    // Whoever dies for another reason comes back in the build that works.
    const bystander = [0, 1, 2].find((at) => ![victim, leader].includes(cluster.pod(at).name)) ?? 0;
    await cluster.replacePod(bystander, null, STEP_MS_MAX);
    const after = await whole(build);
    assert.equal(conditionIn(after, "Stalled")?.reason, "RollFailed");
    const lives = await cluster.lives();
    await cluster.patch({ version: IMAGE.tag });
    assertVersion(await cluster.ready(STEP_MS_MAX), IMAGE.tag);
    assert.deepEqual(await changed(lives), [], "nothing was left to be made anew");
    await witness.assertServed(`back from ${build.version}`);
    await witness.assertTrue();
  };

  it("stops at the first member whose build does not start, says what that said, and is whole again without it", async () => {
    await assertStops(BROKEN, new RegExp(BROKEN_SAYS));
  });

  it("stops at the first member that speaks no protocol of the others, whom they refuse, and is whole again without it", async () => {
    const [theirs, ours] = [APART.protocolMin, BROKEN.protocolMax];
    const says = `speaks peer protocol ${theirs} to ${theirs}, member \\w+ of version [\\d.]+ speaks \\d+ to ${ours}`;
    await assertStops(APART, new RegExp(says));
  });

  it("rolls to the next minor version, which speaks one peer protocol more: the leader last, serving all along", async () => {
    const leader = await cluster.leader();
    await cluster.patch({ version: NEXT.version });
    const mixed = await cluster.until(
      "members of both versions take part",
      ({ status }) =>
        new Set(status?.members?.flatMap(({ ready, version }) => (ready ? [version] : []))).size ===
        2,
      STEP_MS_MAX,
    );
    assert.equal(mixed.status?.version, IMAGE.tag, "the lowest of those that run");
    assertVersion(await cluster.ready(STEP_MS_MAX), NEXT.version);
    const pods = await Promise.all(
      [0, 1, 2].map(async (at) => await api.get(POD, cluster.pod(at))),
    );
    const [last] = pods
      .flatMap((pod) => (pod === null ? [] : [pod.metadata]))
      .toSorted((a, b) => (b.creationTimestamp ?? "").localeCompare(a.creationTimestamp ?? ""));
    assert.equal(last?.name, leader);
    await witness.assertServed(`${IMAGE.tag} to ${NEXT.version}`);
    await witness.assertTrue();
  });

  it("goes back to the minor version before once a task allows it, and not sooner", async () => {
    const before = await cluster.lives();
    await cluster.patch({ version: IMAGE.tag });
    const refused = await cluster.until(
      "the spec is refused",
      (now) => conditionIn(now, "Ready")?.reason === "SpecRefused",
      STEP_MS_MAX,
    );
    assert.match(conditionIn(refused, "Stalled")?.message ?? "", /make a QuorateTask downgrade/);
    assert.deepEqual(await changed(before), []);
    await cluster.task("down", { downgrade: { version: IMAGE.tag } }, STEP_MS_MAX);
    assertVersion(await cluster.ready(STEP_MS_MAX), IMAGE.tag);
    await witness.assertServed(`${NEXT.version} to ${IMAGE.tag}`);
    await witness.assertTrue();
  });
});
