import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cluster } from "./cluster.ts";
import { Member, id } from "./member.ts";

/** Voters 1 and 2; leader 1 has applied its removal at 2, and holds 3/1 uncommitted; 2 has neither 3/1 nor the news. */
function wedged(config: { checkQuorum?: boolean; preVote?: boolean } = {}): Cluster {
  const cluster = new Cluster(2, { config });
  cluster.elect(1);
  const leader = cluster.at(1);
  leader.proposeChange({ kind: "remove", id: id(1) });
  leader.settle();
  cluster.deliver(cluster.collect());
  cluster.at(2).settle();
  leader.propose("behind");
  leader.takeReady();
  leader.outbox.length = 0; // 3/1 is lost
  leader.writeOne();
  // 2's acknowledgement of the removal arrives; the news of its commit is lost.
  for (const message of cluster.at(2).outbox.splice(0)) leader.receive(message);
  leader.settle();
  leader.outbox.length = 0;
  assert.deepEqual(leader.status.membership.voters, [id(2)]);
  assert.equal(leader.logText(), "1/1 2/1:remove 1 3/1:behind");
  assert.equal(cluster.at(2).logText(), "1/1 2/1:remove 1");
  assert.equal(cluster.at(2).status.commit, 1);
  return cluster;
}

describe("a leader that applied its own removal", () => {
  it("leads on, so that one who stays alone gets the rest of its log and takes over", () => {
    const cluster = wedged();
    assert.equal(cluster.at(1).status.role, "leader");
    cluster.tick(3);
    const { role, membership } = cluster.at(2).status;
    assert.deepEqual([role, membership.voters], ["leader", [id(2)]]);
    assert.equal(cluster.at(2).logText(), "1/1 2/1:remove 1 3/1:behind 4/2");
    cluster.at(2).propose("next");
    cluster.settle();
    assert.equal(cluster.at(2).status.commit, 5);
  });

  it("does not count itself: nothing is committed by it and the minority", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.at(1).proposeChange({ kind: "remove", id: id(1) });
    cluster.at(1).propose("behind");
    cluster.at(1).takeReady();
    cluster.at(1).writeOne();
    const [toTwo] = cluster.collect();
    assert.ok(toTwo?.kind === "append" && toTwo.to === id(2));
    // 2 acknowledges the removal alone, which with 1 is a quorum of three.
    cluster.deliver([{ ...toTwo, entries: toTwo.entries.slice(0, 1) }]);
    cluster.at(2).settle();
    cluster.cut.add("1>3");
    cluster.deliver(cluster.collect());
    cluster.at(1).settle();
    assert.deepEqual(cluster.at(1).status.membership.voters, [id(2), id(3)]);
    cluster.cut.add("2>3");
    cluster.settle();
    assert.equal(cluster.at(2).log.lastIndex(), 3);
    assert.equal(cluster.at(1).status.commit, 2);
  });

  it("refuses proposals and hands over to the voter that has most of its log", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.isolate(2);
    cluster.at(1).propose("a");
    cluster.settle();
    cluster.at(1).proposeChange({ kind: "remove", id: id(1) });
    cluster.settle();
    assert.equal(cluster.at(1).propose("late"), "transferring");
    assert.equal(cluster.at(1).proposeChange({ kind: "remove", id: id(2) }), "transferring");
    assert.equal(cluster.at(1).status.transferTarget, id(3));
    cluster.heal();
    cluster.tick(3);
    assert.equal(cluster.at(3).status.role, "leader");
  });

  it("tells its successor again when that had not applied the removal yet", () => {
    const cluster = new Cluster(2);
    cluster.elect(1);
    const [leader, other] = [cluster.at(1), cluster.at(2)];
    leader.proposeChange({ kind: "remove", id: id(1) });
    leader.settle();
    cluster.deliver(cluster.collect());
    other.settle();
    cluster.deliver(cluster.collect());
    leader.settle();
    cluster.deliver(cluster.collect()); // the commit and the order in one turn
    other.takeReady();
    assert.equal(other.status.role, "follower");
    other.settle();
    cluster.tick(1);
    assert.equal(other.status.role, "leader");
  });
});

describe("a removed voter", () => {
  it("that lost the lead stands for election by the votes of those who stay", () => {
    const cluster = wedged({ checkQuorum: true, preVote: true });
    const removed = cluster.at(1);
    removed.restart();
    // 2 alone can never be elected: it counts 1 as a voter, whose log is longer.
    cluster.tick(80);
    assert.deepEqual(cluster.at(2).status.membership.voters, [id(2)]);
    assert.equal(cluster.at(2).status.role, "leader");
    assert.ok(cluster.at(2).logText().includes("3/1:behind"), "no entry was dropped");
  });

  it("that nobody votes for does not lead, its own vote counts for nothing", () => {
    const membership = { voters: [id(2)], learners: [] };
    const removed = new Member(id(1), { membership, config: { removed: true } });
    assert.equal(removed.raft.step({ kind: "campaign" }), "done");
    removed.settle();
    removed.tick(40);
    removed.settle();
    assert.equal(removed.status.role, "candidate");
  });
});
