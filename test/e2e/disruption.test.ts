/** What happens to pods, volumes and the operator in the life of a cluster, under load. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { NODE, PERSISTENT_VOLUME_CLAIM, POD } from "../../operator/api/resources.ts";
import type { QuorateCluster } from "../../operator/api/gen/types.ts";
import { KubeError } from "../../operator/kube/api.ts";
import { api } from "./support/api.ts";
import type { ClusterUnderTest } from "./support/cluster.ts";
import { OPERATOR_NAMESPACE, operatorPods } from "./support/operator.ts";
import type { Witness } from "./support/witness.ts";
import { startWitnessed } from "./support/witnessed.ts";

const STEP_MS_MAX = 120_000;
const ORDINALS = [0, 1, 2];
/** Within one roll. */
const KILLS = 3;

/** What changes with each step of an operation, and with nothing else. */
function progressOf({ status }: QuorateCluster): string {
  const members = status?.members?.map(({ name, phase, ready }) => [name, phase, ready]);
  return JSON.stringify([status?.operation?.step, status?.updatedReplicas, members]);
}

describe("a cluster of three, under load", () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;

  before(async () => {
    ({ cluster, witness } = await startWitnessed("e2e-disruption", { replicas: 3 }));
  });
  after(async () => await cluster.remove());

  const idOf = async (pod: string): Promise<string | undefined> =>
    (await cluster.members()).find(({ name }) => name === pod)?.id;

  for (const [manner, grace] of [
    ["in good order", null],
    ["at once", 0],
  ] as const)
    it(`serves while each of its pods is deleted ${manner}, and each stays the member that it was`, async () => {
      for (const ordinal of ORDINALS) {
        const before = await idOf(`kv-${ordinal}`);
        await cluster.replacePod(ordinal, grace, STEP_MS_MAX);
        await cluster.ready(STEP_MS_MAX);
        assert.equal(await idOf(`kv-${ordinal}`), before);
        await witness.assertServed(`kv-${ordinal} deleted ${manner}`);
      }
      await witness.assertTrue();
    });

  it("puts an empty member in the place of one that lost its volume", async () => {
    const leader = await cluster.leader();
    const ordinal = Number(leader.slice("kv-".length));
    const before = await idOf(leader);
    await api.delete(PERSISTENT_VOLUME_CLAIM, cluster.claim(ordinal));
    await api.delete(POD, cluster.pod(ordinal), { gracePeriodSeconds: 0 });
    await cluster.until(
      "another member has its name",
      ({ status }) => {
        const member = status?.members?.find(({ name }) => name === leader);
        return member?.ready === true && member.role === "Voter" && member.id !== before;
      },
      STEP_MS_MAX,
    );
    await cluster.ready(STEP_MS_MAX);
    await witness.assertServed("volume and pod of the leader deleted");
    await witness.assertTrue();
  });

  it("rolls one pod at a time where its template changes", async () => {
    await cluster.patch({
      podTemplate: { metadata: { annotations: { "example.test/roll": "1" } } },
    });
    const { status } = await cluster.ready(STEP_MS_MAX);
    assert.equal(status?.updatedReplicas, 3);
    const annotations = await Promise.all(
      ORDINALS.map(
        async (ordinal) => (await api.get(POD, cluster.pod(ordinal)))?.metadata.annotations,
      ),
    );
    for (const each of annotations) assert.equal(each?.["example.test/roll"], "1");
    await witness.assertServed("roll");
    await witness.assertTrue();
  });

  it("finishes what it began where the operator is killed again and again", async () => {
    await cluster.patch({
      podTemplate: { metadata: { annotations: { "example.test/roll": "2" } } },
    });
    for (let kill = 0; kill < KILLS; kill++) {
      const before = progressOf(await cluster.get());
      await cluster.until("it goes on", (now) => progressOf(now) !== before, STEP_MS_MAX);
      for (const { metadata } of await operatorPods())
        await api.delete(
          POD,
          { namespace: OPERATOR_NAMESPACE, name: metadata.name },
          { gracePeriodSeconds: 0 },
        );
    }
    const { status } = await cluster.ready(2 * STEP_MS_MAX);
    assert.equal(status?.updatedReplicas, 3);
    await witness.assertServed("operator killed during a roll");
    await witness.assertTrue();
  });

  it("gives one pod to a drain and refuses the second until the first is back", async () => {
    const [first = "", second = ""] = await Promise.all(
      ["kv-0", "kv-1"].map(async (pod) => await cluster.nodeOf(pod)),
    );
    const cordon = async (node: string, unschedulable: boolean): Promise<unknown> =>
      await api.mergePatch(NODE, { namespace: null, name: node }, { spec: { unschedulable } });
    const old = await api.get(POD, cluster.pod(0));
    await cordon(first, true);
    try {
      await api.evict(cluster.pod(0));
      await cordon(second, true);
      await assert.rejects(
        async () => await api.evict(cluster.pod(1)),
        (thrown) => thrown instanceof KubeError && thrown.code === "tooManyRequests",
      );
    } finally {
      await cordon(second, false);
      await cordon(first, false);
    }
    await cluster.podReady(cluster.pod(0), old?.metadata.uid ?? null, STEP_MS_MAX);
    await cluster.ready(STEP_MS_MAX);
    await witness.assertServed("drain");
    await witness.assertTrue();
  });
});
