/** 1, 3, 5, 3, 1 members, under load: no step costs more than five seconds without a write, and nothing is lost. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PERSISTENT_VOLUME_CLAIM } from "../../operator/api/resources.ts";
import { api } from "./support/api.ts";
import type { ClusterUnderTest } from "./support/cluster.ts";
import type { Witness } from "./support/witness.ts";
import { startWitnessed } from "./support/witnessed.ts";

const STEP_MS_MAX = 120_000;

describe("a cluster that grows and shrinks under load", () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;

  before(async () => {
    ({ cluster, witness } = await startWitnessed("e2e-scale", { replicas: 1, members: 5 }));
  });
  after(async () => await cluster.remove());

  let from = 1;
  for (const to of [3, 5, 3, 1]) {
    const step = `${from} to ${to}`;
    from = to;
    it(`serves while it goes from ${step} members`, async () => {
      await cluster.patch({ replicas: to });
      const { status } = await cluster.ready(STEP_MS_MAX);
      assert.equal(status?.members?.filter(({ role }) => role === "Voter").length, to);
      await witness.assertServed(step);
      await witness.assertTrue();
    });
  }

  it("leaves no volume behind of members that were removed", async () => {
    const { items } = await api.list(PERSISTENT_VOLUME_CLAIM, { namespace: cluster.namespace });
    const names = items
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name);
    assert.deepEqual(names, ["data-kv-0"]);
  });
});
