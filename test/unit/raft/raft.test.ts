import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AppendMessage } from "../../../src/raft/message.ts";
import { EntryKind, makeEntry } from "../../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { Member, encodeText, entryText, id, index, term } from "./member.ts";

function append(to: number, previous: string, texts: readonly string[], at: number): AppendMessage {
  const [previousIndex = 0, previousTerm = 0] = previous.split("/").map(Number);
  const entries = texts.map((text, offset) =>
    makeEntry(
      term(Number(text)),
      index(previousIndex + 1 + offset),
      EntryKind.normal,
      encodeText(""),
    ),
  );
  return {
    kind: "append",
    from: id(1),
    to: id(to),
    term: term(at),
    previousIndex: index(previousIndex),
    previousTerm: term(previousTerm),
    entries,
    commit: index(0),
    quiet: false,
  };
}

describe("Raft", () => {
  it("builds one append a follower and turn, however many proposals came", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    for (let at = 0; at < 50; at++) leader.propose(`p${at}`);
    const { send, append: appended } = leader.takeReady();
    assert.equal(appended.length, 50);
    assert.equal(send.length, 2);
    const [one, two] = send;
    assert.ok(one?.kind === "append" && two?.kind === "append");
    assert.equal(one.entries, two.entries, "followers at one place share the entries");
  });

  it("acknowledges all appends of a turn at once", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    member.receive(append(2, "0/0", ["1"], 1));
    member.receive(append(2, "1/1", ["1", "1"], 1));
    member.receive(append(2, "3/1", ["1"], 1));
    const { sendAfterSync } = member.takeReady();
    assert.deepEqual(
      sendAfterSync.map((reply) => (reply.kind === "appendReply" ? reply.index : -1)),
      [4],
    );
  });

  it("hears no acknowledgement of the news of a commit, whose reader it knows to have everything", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.isolate(3);
    const leader = cluster.at(1);
    leader.propose("a");
    for (const number of [1, 2]) {
      cluster.at(number).settle();
      cluster.deliver(cluster.collect());
    }
    leader.settle();
    const news = cluster.collect();
    assert.deepEqual(
      news.map((message) => (message.kind === "append" ? message.quiet : null)),
      [true],
    );
    cluster.deliver(news);
    cluster.at(2).settle();
    assert.equal(cluster.at(2).status.commit, 2);
    assert.deepEqual(cluster.collect(), []);
    // Member 3 has not acknowledged: what it is told is answered, so that the leader learns where it is.
    cluster.heal();
    leader.settle();
    cluster.tick(2);
    assert.equal(cluster.at(3).status.commit, 2);
  });

  it("refuses what does not fit, even where it is to be quiet", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    member.receive({ ...append(2, "3/1", [], 1), quiet: true });
    member.settle();
    const [reply] = member.outbox;
    assert.ok(reply?.kind === "appendReply" && reply.rejected);
  });

  it("hands everything out once", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    leader.propose("a");
    assert.ok(leader.raft.hasReady());
    assert.equal(leader.takeReady().append.length, 1);
    assert.equal(leader.raft.hasReady(), false);
    const again = leader.raft.ready();
    assert.deepEqual([again.append, again.send, again.committed], [[], [], []]);
    assert.equal(again.hardState, null);
  });

  it("counts a leader's own entries only once they are on its disk", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.isolate(3);
    const leader = cluster.at(1);
    leader.propose("a");
    leader.takeReady(); // its own write is in flight
    cluster.deliver(cluster.collect());
    cluster.at(2).settle();
    cluster.deliver(cluster.collect());
    assert.equal(leader.status.commit, 1);
    leader.writeOne();
    assert.equal(leader.status.commit, 2);
  });

  it("commits without its own disk when the others are a quorum, and applies only what it has", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const leader = cluster.at(1);
    leader.propose("a");
    leader.takeReady();
    cluster.deliver(cluster.collect());
    for (const number of [2, 3]) cluster.at(number).settle();
    cluster.deliver(cluster.collect());
    assert.equal(leader.status.commit, 2);
    assert.deepEqual(leader.takeReady().committed, []);
    leader.writeOne();
    assert.deepEqual(leader.takeReady().committed.map(entryText), ["2/1:a"]);
  });

  it("drops messages for another id, of a member that it replaced", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    member.receive(append(9, "0/0", ["1"], 5));
    assert.equal(member.raft.hasReady(), false);
    assert.equal(member.status.term, 0);
  });

  it("refuses proposals beyond the budget, but takes one of any size", () => {
    const cluster = new Cluster(3, { config: { uncommittedBytesMax: 10 } });
    cluster.elect(1);
    const leader = cluster.at(1);
    assert.equal(leader.propose("0123456789abcdef"), "done");
    assert.equal(leader.propose("x"), "overBudget");
    cluster.settle();
    assert.equal(leader.status.uncommittedBytes, 0);
    assert.equal(leader.propose("x"), "done");
  });

  it("removes nothing that agrees when an old message comes late", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    member.receive(append(2, "0/0", ["1", "1", "1"], 1));
    member.settle();
    member.receive(append(2, "0/0", ["1"], 1));
    member.settle();
    assert.equal(member.logText(), "1/1 2/1 3/1");
  });

  it("never replaces a committed entry", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    member.receive({ ...append(2, "0/0", ["1", "1"], 1), commit: index(2) });
    member.settle();
    member.receive(append(2, "0/0", ["2", "2"], 2));
    member.settle();
    assert.equal(member.logText(), "1/1 2/1");
    assert.equal(member.status.commit, 2);
  });

  it("ends rather than commit what it does not have", () => {
    const member = new Member(id(2), { membership: { voters: [id(1), id(2)], learners: [] } });
    const [from, to] = [id(1), id(2)];
    assert.throws(
      () =>
        member.receive({
          kind: "heartbeat",
          from,
          to,
          term: term(1),
          commit: index(5),
          context: 0,
        }),
      { name: "QuorateError", code: "logCorruption" },
    );
  });

  it("ignores a report of a write that was replaced since", () => {
    const member = new Member(id(2), {
      membership: { voters: [id(1), id(2), id(3)], learners: [] },
    });
    member.receive(append(2, "0/0", ["1", "1"], 1));
    member.takeReady();
    member.receive({ ...append(2, "0/0", ["2"], 2), from: id(3) });
    const held = member.takeReady();
    assert.deepEqual([held.append, held.sendAfterSync], [[], []]);
    assert.equal(held.hardState?.term, 2);
    member.writeOne(); // reports (2, 1): the log ends at 1 by now
    assert.equal(member.status.persisted, 0);
    const freed = member.takeReady();
    assert.deepEqual(freed.append.map(entryText), ["1/2"]);
    assert.equal(freed.sendAfterSync.length, 1);
  });

  it("serves followers from the storage once the cache has let go", () => {
    const cluster = new Cluster(3, { config: { cachedBytesMax: 0 } });
    cluster.elect(1);
    cluster.isolate(3);
    for (let at = 0; at < 10; at++) {
      cluster.at(1).propose(`p${at}`);
      cluster.settle();
    }
    cluster.heal();
    cluster.tick(3);
    assert.equal(cluster.at(3).logText(), cluster.at(1).logText());
  });

  it("lets go of the cache when told to, but of nothing that the storage lacks", () => {
    const cluster = new Cluster(3, { config: { cachedBytesMax: 1 << 20 } });
    cluster.elect(1);
    cluster.isolate(3);
    const leader = cluster.at(1);
    leader.propose("a", "b");
    cluster.settle();
    leader.propose("c");
    leader.takeReady(); // its own write is in flight
    const { cachedBytes } = leader.status;
    leader.raft.trim(0);
    assert.ok(leader.status.cachedBytes > 0 && leader.status.cachedBytes < cachedBytes);
    leader.writeOne();
    cluster.settle();
    leader.raft.trim(0);
    assert.equal(leader.status.cachedBytes, 0);
    cluster.heal();
    cluster.tick(3);
    assert.equal(cluster.at(3).logText(), leader.logText());
  });

  it("sends no more than the window, and goes on as it is acknowledged", () => {
    const cluster = new Cluster(2, { config: { inflightMessagesMax: 2, appendBytesMax: 1 } });
    cluster.elect(1);
    const leader = cluster.at(1);
    leader.propose("aa", "bb", "cc", "dd", "ee");
    const { send } = leader.takeReady();
    assert.deepEqual(
      send.map((message) => (message.kind === "append" ? message.entries.length : 0)),
      [1, 1],
    );
    assert.equal(leader.status.progress[0]?.paused, true);
    cluster.settle();
    assert.equal(leader.status.progress[0]?.match, 6);
  });

  it("tries a state again after the next heartbeat's answer when one failed", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.at(1).propose("a", "b");
    cluster.settle();
    const leader = cluster.at(1);
    const { membership } = leader.applied;
    leader.log.compact(index(3), membership);
    leader.log.offered = { index: index(3), term: term(1), membership };
    cluster.heal();
    leader.tick();
    leader.settle();
    cluster.deliver(cluster.collect());
    cluster.at(3).settle();
    cluster.deliver(cluster.collect());
    leader.settle();
    cluster.deliver(cluster.collect());
    cluster.at(3).settle();
    cluster.deliver(cluster.collect()); // the rejection of the nudge
    leader.settle();
    const states = (): number =>
      leader.outbox.splice(0).filter((message) => message.kind === "snapshot").length;
    assert.equal(states(), 1);
    leader.raft.step({ kind: "snapshotResult", peer: id(3), ok: false });
    leader.settle();
    assert.equal(states(), 0);
    cluster.tick(2);
    assert.equal(cluster.at(3).status.applied, 3);
    assert.equal(leader.status.progress.find((peer) => peer.id === id(3))?.state, "replicate");
  });

  it("leads no more without a quorum, if it checks", () => {
    const cluster = new Cluster(3, { config: { checkQuorum: true, preVote: true } });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.at(1).tick(25);
    cluster.at(1).settle();
    assert.equal(cluster.at(1).status.role, "follower");
    assert.equal(cluster.at(1).propose("x"), "noLeader");
  });

  it("never campaigns as a learner, nor outside the membership, nor with a change unapplied", () => {
    const cluster = new Cluster(2, {}, 1);
    cluster.elect(1);
    const learner = cluster.at(3);
    assert.equal(learner.raft.step({ kind: "campaign" }), "notVoter");
    learner.tick(100);
    assert.equal(learner.status.role, "follower");
    const stranger = new Member(id(9), { membership: { voters: [id(1)], learners: [] } });
    assert.equal(stranger.raft.step({ kind: "campaign" }), "notVoter");
    cluster.at(1).proposeChange({ kind: "remove", id: id(3) });
    cluster.at(1).settle();
    cluster.deliver(cluster.collect());
    const follower = cluster.at(2);
    follower.takeReady();
    follower.writeOne();
    cluster.deliver(cluster.collect());
    cluster.at(1).settle();
    cluster.deliver(cluster.collect());
    assert.equal(follower.status.commit, 2);
    assert.equal(follower.raft.step({ kind: "campaign" }), "membershipPending");
    follower.settle();
    assert.equal(follower.raft.step({ kind: "campaign" }), "done");
  });

  it("writes a lone commit without asking for a sync", () => {
    const cluster = new Cluster(1);
    cluster.at(1).raft.step({ kind: "campaign" });
    const first = cluster.at(1).takeReady();
    assert.equal(first.mustSync, true);
    cluster.at(1).writeOne();
    const second = cluster.at(1).takeReady();
    assert.equal(second.mustSync, false);
    assert.equal(second.hardState?.commit, 1);
  });

  it("forwards a follower's proposals of a turn once, as one message", () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.at(2).propose("a");
    cluster.at(2).propose("b");
    const { send } = cluster.at(2).takeReady();
    assert.equal(send.length, 1);
    assert.equal(cluster.at(2).raft.hasReady(), false);
    cluster.settle();
    assert.equal(cluster.at(3).history.map(entryText).join(" "), "1/1 2/1:a 3/1:b");
  });

  it("hands no more to be applied than the budget while nothing is applied", () => {
    const cluster = new Cluster(1, { config: { uncommittedBytesMax: 1 << 30 } });
    cluster.elect(1);
    const member = cluster.at(1);
    const large = new Uint8Array(3 << 20);
    for (let at = 0; at < 10; at++) {
      member.raft.step({ kind: "propose", entries: [{ kind: EntryKind.normal, data: large }] });
    }
    member.takeReady();
    member.writeOne();
    let handed = 0;
    while (member.raft.hasReady()) {
      const { committed } = member.takeReady();
      assert.ok(committed.length <= 1, "4 MiB a Ready");
      handed += committed.length;
    }
    assert.equal(handed, 6, "16 MiB in all, and what overshoots");
    member.settle();
    assert.equal(member.status.applied, 11);
  });
});
