import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AppendReply } from "../../../src/raft/message.ts";
import { EntryKind, makeEntry } from "../../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { Member, encodeText, entryText, id, index, term } from "./member.ts";

function acknowledge(from: number, upTo: number, at: number): AppendReply {
  return {
    kind: "appendReply",
    from: id(from),
    to: id(1),
    term: term(at),
    index: index(upTo),
    rejected: false,
    hintIndex: index(0),
    hintTerm: term(0),
  };
}

describe("a leader", () => {
  it("commits only entries of its own term by counting, and the former ones with them", () => {
    // Figure 8: 2/2 lies on a majority under the leader of term 4, and could still be replaced by 2/3 of a fifth member.
    const leader = new Member(id(1), {
      membership: { voters: [1, 2, 3, 4, 5].map(id), learners: [] },
    });
    leader.log.entriesHeld = [
      makeEntry(term(1), index(1), EntryKind.normal, encodeText("a")),
      makeEntry(term(2), index(2), EntryKind.normal, encodeText("b")),
    ];
    leader.log.hardState = { term: term(3), vote: id(5), commit: index(1) };
    leader.restart();
    leader.settle();
    leader.raft.step({ kind: "campaign" });
    leader.settle();
    for (const from of [id(2), id(3)]) {
      leader.receive({ kind: "voteReply", from, to: id(1), term: term(4), rejected: false });
    }
    leader.settle();
    assert.equal(leader.status.role, "leader");
    for (const from of [2, 3, 4]) leader.receive(acknowledge(from, 2, 4));
    leader.settle();
    assert.equal(leader.status.commit, 1);
    for (const from of [2, 3]) leader.receive(acknowledge(from, 3, 4));
    leader.settle();
    assert.equal(leader.status.commit, 3);
    assert.deepEqual(leader.history.map(entryText), ["1/1:a", "2/2:b", "3/4"]);
  });

  it("that elected itself alone sends nothing before its vote is durable", () => {
    const cluster = new Cluster(1, {}, 1);
    const leader = cluster.at(1);
    leader.raft.step({ kind: "campaign" });
    const { send, sendAfterSync, append } = leader.takeReady();
    assert.equal(leader.status.role, "leader");
    assert.deepEqual([send, sendAfterSync], [[], []]);
    assert.equal(append.length, 1);
    leader.tick(3);
    leader.propose("a");
    assert.deepEqual(leader.takeReady().send, [], "neither heartbeats nor entries");
    // The power goes: it was never the leader of term 1, and nobody heard that it was.
    leader.restart();
    assert.equal(leader.status.term, 0);
    leader.raft.step({ kind: "campaign" });
    leader.takeReady();
    leader.writeOne();
    assert.ok(leader.takeReady().send.length > 0, "once it is durable, it speaks");
  });
});

describe("a follower that accepted a state", () => {
  it("hands out nothing committed while the state waits for the write under way", () => {
    const membership = { voters: [id(1), id(2)], learners: [] };
    const follower = new Member(id(2), { membership });
    const from = id(1);
    const to = id(2);
    const entry = (at: number, of: number): ReturnType<typeof makeEntry> =>
      makeEntry(term(of), index(at), EntryKind.normal, encodeText(`e${at}`));
    const append = { kind: "append", from, to, quiet: false } as const;
    const start = { previousIndex: index(0), previousTerm: term(0) };
    const entries = [entry(1, 1), entry(2, 1)];
    follower.receive({ ...append, ...start, term: term(1), entries, commit: index(0) });
    follower.takeReady(); // their write is under way
    const mark = { index: index(5), term: term(2), membership };
    follower.receive({ kind: "snapshot", from, to, term: term(2), mark });
    follower.receive({
      ...append,
      term: term(2),
      previousIndex: index(5),
      previousTerm: term(2),
      entries: [entry(6, 2)],
      commit: index(6),
    });
    const waiting = follower.takeReady();
    assert.deepEqual([waiting.snapshot, waiting.append, waiting.committed], [null, [], []]);
    follower.writeOne();
    const adopted = follower.takeReady();
    assert.equal(adopted.snapshot?.index, 5);
    assert.deepEqual(adopted.committed, [], "6 is not durable yet");
    follower.settle();
    assert.deepEqual(follower.history.map(entryText), ["6/2:e6"]);
  });
});
