import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cluster } from "./cluster.ts";

const CONFIG = { preVote: true, checkQuorum: true };

describe("A candidate", () => {
  it("is elected as soon as the other has not heard the leader either, not an election timeout later", () => {
    const cluster = new Cluster(3, { config: CONFIG });
    cluster.elect(1);
    cluster.cut.add("1>3");
    cluster.at(1).propose("only 2 has it");
    cluster.settle();
    cluster.isolate(1);
    // The clocks tick apart: 3 is one tick behind, and refuses to unseat a leader that it heard lately.
    for (let at = 0; at < 10; at++) cluster.at(2).tick();
    for (let at = 0; at < 9; at++) cluster.at(3).tick();
    cluster.settle();
    assert.equal(cluster.at(2).status.role, "preCandidate");
    cluster.at(3).raft.step({ kind: "tick" });
    cluster.at(2).tick();
    cluster.settle();
    assert.equal(cluster.at(2).status.role, "leader");
  });

  it("asks again only who has not answered", () => {
    const cluster = new Cluster(5, { config: CONFIG });
    cluster.elect(1);
    for (const number of [1, 4, 5]) cluster.isolate(number);
    cluster.at(2).raft.step({ kind: "campaign" });
    cluster.at(3).tick(10);
    cluster.settle();
    cluster.at(2).tick();
    cluster.at(2).settle();
    const asked = cluster.at(2).outbox.map(({ kind, to }) => `${kind} ${to}`);
    assert.deepEqual(asked.toSorted(), ["preVote 1", "preVote 4", "preVote 5"]);
  });
});
