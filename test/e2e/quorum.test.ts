/** Two of three members lose their disks for good: nothing happens by itself, and a person's word brings the cluster back. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PERSISTENT_VOLUME_CLAIM, POD } from "../../operator/api/resources.ts";
import { api } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { installOperator } from "./support/operator.ts";
import { Toolbox } from "./support/toolbox.ts";

const LOST_MS_MAX = 420_000;
const RECOVERED_MS_MAX = 240_000;

describe("a cluster that lost two of its three disks", () => {
  let cluster: ClusterUnderTest;
  let box: Toolbox;

  before(async () => {
    await installOperator();
    cluster = await ClusterUnderTest.create("e2e-quorum", { replicas: 3 });
    await cluster.ready(60_000);
    box = await Toolbox.start(cluster.ref);
    for (let i = 0; i < 20; i++) await box.ctl("put", `key/${i}`, `value ${i}`);
  });
  after(async () => await cluster.remove());

  it("waits for a person, and says so", async () => {
    const survivor = await api.get(PERSISTENT_VOLUME_CLAIM, cluster.claim(2));
    // Together, so that no quorum is left to replace the first of them.
    await Promise.all(
      [0, 1].flatMap((ordinal) => [
        api.delete(PERSISTENT_VOLUME_CLAIM, cluster.claim(ordinal)),
        api.delete(POD, cluster.pod(ordinal), { gracePeriodSeconds: 0 }),
      ]),
    );
    await cluster.untilCondition("QuorumLost", "True", LOST_MS_MAX);
    const now = await api.get(PERSISTENT_VOLUME_CLAIM, cluster.claim(2));
    assert.equal(now?.metadata.uid, survivor?.metadata.uid);
    assert.equal(now?.metadata.deletionTimestamp, undefined);
  });

  it("goes on with what the survivor has, and is three again", async () => {
    const action = { survivor: "kv-2", acknowledgeDataLoss: true };
    await cluster.task("recover", { recoverQuorum: action }, RECOVERED_MS_MAX);
    const { status } = await cluster.ready(RECOVERED_MS_MAX);
    assert.equal(status?.members?.filter(({ role }) => role === "Voter").length, 3);
    assert.equal(status?.incarnation, 2);
    for (const i of [0, 7, 19])
      assert.equal(await box.ctl("get", `key/${i}`, "--print-value-only"), `value ${i}`);
    await box.ctl("put", "key/20", "value 20");
  });
});
