import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HeartbeatReply, Message } from "../../../src/raft/message.ts";
import { Cluster } from "./cluster.ts";
import { Member, id, index } from "./member.ts";

const isReply = (message: Message): message is HeartbeatReply => message.kind === "heartbeatReply";

describe("a linearizable read", () => {
  it("of a turn shares one context with all others of it, and one heartbeat a follower", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    for (let request = 1; request <= 100; request++) leader.raft.step({ kind: "read", request });
    const { send } = leader.takeReady();
    const contexts = send.map((message) => (message.kind === "heartbeat" ? message.context : -1));
    assert.deepEqual(contexts, [1, 1]);
    assert.equal(leader.status.pendingReads, 100);
    cluster.settle();
    assert.equal(leader.reads.length, 100);
    assert.equal(leader.status.pendingReads, 0);
  });

  it("is not confirmed by what was echoed before it came", () => {
    // A late duplicate of a confirmed read must not queue behind a newer one on a leader that is cut off, and let old
    // acknowledgements confirm both.
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    const asked: Message = {
      kind: "readIndex",
      from: id(3),
      to: id(1),
      term: leader.status.term,
      request: 77,
    };
    leader.receive(asked);
    leader.settle();
    cluster.deliver(cluster.collect());
    for (const number of [2, 3]) cluster.at(number).settle();
    const echoes = cluster.collect().filter(isReply);
    assert.equal(echoes.length, 2);
    cluster.deliver(echoes);
    leader.settle();
    const answers = leader.outbox.splice(0).filter((message) => message.kind === "readIndexReply");
    assert.equal(answers.length, 1);
    // 1 is cut off; 2 leads and commits.
    cluster.isolate(1);
    cluster.elect(2);
    cluster.at(2).propose("newer");
    cluster.settle();
    // 1 still believes to lead: a new read, the duplicate, and the old echoes come.
    assert.equal(leader.status.role, "leader");
    leader.raft.step({ kind: "read", request: 5 });
    leader.settle();
    leader.receive(asked);
    leader.settle();
    for (const echo of echoes) leader.receive(echo);
    leader.settle();
    assert.deepEqual(leader.reads, []);
    const wrong = leader.outbox.filter((message) => message.kind === "readIndexReply");
    assert.deepEqual(wrong, []);
  });

  it("that is confirmed when the leader changes in the same turn is lost, once", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    leader.raft.step({ kind: "read", request: 9 });
    leader.settle();
    cluster.deliver(cluster.collect());
    cluster.at(2).settle();
    cluster.deliver(cluster.collect()); // confirmed, and not yet taken
    const { term } = leader.status;
    const [from, to] = [id(3), id(1)];
    const higher = (term + 1) as typeof term;
    leader.receive({ kind: "heartbeat", from, to, term: higher, commit: index(0), context: 0 });
    const ready = leader.takeReady();
    assert.deepEqual(ready.readsLost, [9]);
    assert.deepEqual(ready.reads, []);
    assert.equal(ready.softState?.leader, id(3));
  });

  it("of a lone voter waits, after a restart, for the first entry of the new term", () => {
    const member = new Member(id(1), { membership: { voters: [id(1)], learners: [] } });
    member.raft.step({ kind: "campaign" });
    member.settle();
    member.propose("a", "b");
    member.takeReady();
    member.writeOne();
    member.takeReady(); // committed and acknowledged; the commit itself is not durable
    assert.equal(member.status.commit, 3);
    member.restart({ appliedLost: true });
    assert.ok(member.status.commit < 3);
    assert.equal(member.raft.step({ kind: "read", request: 1 }), "noLeader");
    member.settle();
    member.raft.step({ kind: "campaign" });
    assert.equal(member.raft.step({ kind: "read", request: 2 }), "done");
    assert.deepEqual(member.takeReady().reads, []);
    member.settle();
    assert.deepEqual(member.reads, [{ request: 2, index: 4 }]);
  });

  it("asked of a leader that never answers is given up", () => {
    const cluster = new Cluster(3, { config: { electionTicks: 10 } });
    cluster.elect(1);
    const follower = cluster.at(2);
    follower.raft.step({ kind: "read", request: 1 });
    follower.raft.step({ kind: "read", request: 2 });
    follower.settle();
    assert.equal(follower.outbox.splice(0).filter((one) => one.kind === "readIndex").length, 1);
    cluster.tick(60);
    assert.deepEqual(follower.readsLost, [1, 2]);
    assert.equal(follower.status.pendingReads, 0);
  });

  it("is lost with its leader at a follower, which answers nothing later", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const follower = cluster.at(2);
    follower.raft.step({ kind: "read", request: 4 });
    follower.settle();
    const [asked] = follower.outbox.splice(0);
    assert.ok(asked?.kind === "readIndex");
    cluster.elect(3);
    assert.deepEqual(follower.readsLost, [4]);
    const { term } = follower.status;
    const { request } = asked;
    const [from, to] = [id(3), id(2)];
    follower.receive({ kind: "readIndexReply", from, to, term, request, index: index(1) });
    follower.settle();
    assert.deepEqual(follower.reads, []);
  });

  it("of a turn that ends under another term is not confirmed by a heartbeat's answer held over", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const follower = cluster.at(2);
    const { term } = follower.status;
    const later = (term + 1) as typeof term;
    const [to, commit] = [id(2), index(0)];
    follower.receive({ kind: "heartbeat", from: id(1), to, term, commit, context: 8 });
    const vote = { lastIndex: index(9), lastTerm: term, transfer: true };
    follower.receive({ kind: "vote", from: id(1), to, term: later, ...vote });
    const replies = follower.takeReady().send.filter(isReply);
    assert.deepEqual(replies, []);
  });

  it("is not confirmed by learners", () => {
    const cluster = new Cluster(3, {}, 2);
    cluster.elect(1);
    for (const voter of [2, 3]) cluster.isolate(voter);
    const leader = cluster.at(1);
    leader.raft.step({ kind: "read", request: 6 });
    cluster.settle();
    cluster.tick(3);
    assert.deepEqual(leader.reads, []);
    assert.equal(leader.status.pendingReads, 1);
    cluster.heal();
    cluster.tick(1);
    assert.deepEqual(leader.reads, [{ request: 6, index: 1 }]);
  });

  it("that is confirmed at a follower when the leader changes in the same turn is lost, once", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const follower = cluster.at(2);
    follower.raft.step({ kind: "read", request: 8 });
    follower.settle();
    cluster.deliver(cluster.collect()); // asked
    cluster.at(1).settle();
    cluster.deliver(cluster.collect()); // heartbeats
    cluster.at(3).settle();
    cluster.deliver(cluster.collect()); // the echo
    cluster.at(1).settle();
    cluster.deliver(cluster.collect()); // confirmed, and not yet taken
    const later = (follower.status.term + 1) as typeof follower.status.term;
    const [from, to] = [id(3), id(2)];
    follower.receive({ kind: "heartbeat", from, to, term: later, commit: index(0), context: 0 });
    follower.settle();
    assert.deepEqual([follower.reads, follower.readsLost], [[], [8]]);
  });
});
