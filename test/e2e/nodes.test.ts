/** Machines that die, and machines that are cut off. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ClusterUnderTest, nodeOtherThan } from "./support/cluster.ts";
import { NO_NODES, harm } from "./support/nodes.ts";
import { installOperator } from "./support/operator.ts";
import { Witness } from "./support/witness.ts";

const NOTICED_MS_MAX = 60_000;
const BACK_MS_MAX = 180_000;

describe("a cluster of three whose machines fail", { skip: NO_NODES }, () => {
  let cluster: ClusterUnderTest;

  before(async () => {
    await installOperator();
    cluster = await ClusterUnderTest.create("e2e-nodes", { replicas: 3 });
    await cluster.ready(60_000);
  });
  after(async () => await cluster.remove());

  for (const [claim, verb, undo] of [
    ["serves while the leader's node is dead, and is whole again once it is back", "kill", "up"],
    [
      "serves while the leader's node is cut off, and is whole again once it is back",
      "cut",
      "join",
    ],
  ] as const)
    it(claim, async () => {
      const leader = await cluster.leader();
      const node = await cluster.nodeOf(leader);
      const ids = await cluster.ids();
      const witness = await Witness.start(cluster.ref, {
        members: 3,
        node: await nodeOtherThan(node),
      });
      await harm(verb, node);
      try {
        await cluster.until(
          "another member leads, and one is not ready",
          ({ status }) =>
            status?.leader !== undefined &&
            status.leader !== leader &&
            status.members?.find(({ name }) => name === leader)?.ready === false,
          NOTICED_MS_MAX,
        );
        await witness.assertServed(`${verb} of ${leader}'s node`);
      } finally {
        await harm(undo, node);
      }
      await cluster.ready(BACK_MS_MAX);
      await witness.assertServed(`${undo} of ${leader}'s node`);
      await witness.assertTrue();
      assert.deepEqual(await cluster.ids(), ids, "nobody was replaced");
      await witness.stop();
    });
});
