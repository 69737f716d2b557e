/** The loop: every request is answered once and applied at most once, and reads never see less than what was acknowledged. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Reads } from "../../../node/reads.ts";
import { EntryKind, type Index } from "../../../src/raft/types.ts";
import { Cluster, type Ending, TIMEOUT_MS } from "./loop-member.ts";

describe("a loop alone", () => {
  it("applies what is proposed and serves reads after it, many in one turn", async () => {
    const cluster = await Cluster.of(1);
    const only = await cluster.elect(0);
    const puts = Array.from({ length: 50 }, (_, at) => only.put(`k${at}`));
    const read = only.read("k49");
    assert.equal(only.dueTurns, 1, "all of it is one turn");
    await cluster.settle();
    assert.ok(puts.every((endings) => endings.join() === "applied"));
    assert.deepEqual(read.length, 1);
    assert.deepEqual(only.read("k49").length, 0, "a read waits for its turn");
    await cluster.settle();
    assert.equal(only.loop.proposals.count, 0);
    assert.equal(only.loop.proposals.bytes, 0);
    await cluster.close();
  });

  it("counts an apply beyond the limit, and knows for each entry when it was durable, committed and applied", async () => {
    const cluster = await Cluster.of(1);
    const member = await cluster.elect(0);
    member.put("quick");
    await cluster.settle();
    assert.equal(member.stats.slowApplies, 0);
    cluster.nowMs += 50;
    cluster.applyMs = 101;
    member.put("slow");
    await cluster.settle();
    assert.equal(member.stats.slowApplies, 1);
    const [puts] = [...member.stats.applies.outcomes()].filter(({ op }) => op === "Put");
    assert.deepEqual([puts?.seconds.count, puts?.seconds.sum], [2, 0.101]);
    const { timeline, applied } = member.loop;
    const passed = [timeline.appended, timeline.durable, timeline.committed, timeline.applied];
    assert.deepEqual(
      passed.map((marks) => marks.passedAt(applied)),
      [50, 50, 50, 151],
    );
    assert.equal(member.stats.proposalsATurn.count, 2);
    await cluster.close();
  });

  it("refuses at once what is beyond the budget, and all that comes after its end", async () => {
    const cluster = await Cluster.of(1);
    const only = cluster.member(0);
    const big = only.put("a", "x".repeat(9_000));
    assert.deepEqual(only.put("b", "x".repeat(2_000)), ["tooMany"]);
    const read = only.read("a");
    only.loop.stop();
    assert.deepEqual(big, ["stopped"]);
    assert.deepEqual(read, ["stopped"]);
    assert.deepEqual(only.put("c"), ["stopped"]);
    assert.deepEqual(only.read("c"), ["stopped"]);
    await cluster.settle();
    assert.equal(only.version("a"), 0);
    assert.equal(only.loop.proposals.bytes, 0);
    await only.machine.close();
  });
});

describe("a loop of three", () => {
  it("holds proposals and reads while there is no leader, and goes on by itself when there is", async () => {
    const cluster = await Cluster.of(3);
    const put = cluster.member(1).put("k");
    const read = cluster.member(2).read("k");
    await cluster.settle();
    assert.deepEqual([put, read], [[], []]);
    await cluster.elect(0);
    await cluster.tick(1);
    assert.deepEqual(put, ["applied"]);
    assert.equal(read.length, 1);
    assert.deepEqual(
      cluster.members.map((of) => of.version("k")),
      [1, 1, 1],
    );
    await cluster.close();
  });

  it("answers what finds no leader in time, and never applies it later", async () => {
    const cluster = await Cluster.of(3);
    const lonely = cluster.member(2);
    cluster.isolate(lonely);
    const put = lonely.put("k");
    const read = lonely.read("k");
    await cluster.tick(TIMEOUT_MS / 100 - 1, [lonely]);
    assert.deepEqual([put, read], [[], []]);
    await cluster.tick(1, [lonely]);
    assert.deepEqual(put, ["timedOutNoLeader"]);
    assert.deepEqual(read, ["timedOut"]);
    cluster.heal();
    await cluster.elect(0);
    await cluster.tick(3);
    assert.equal(cluster.member(0).version("k"), 0);
    await cluster.close();
  });

  it("does not send again what a deposed leader had: answered 'leader changed', applied nowhere", async () => {
    const cluster = await Cluster.of(3);
    const old = await cluster.elect(0);
    await cluster.tick(1);
    cluster.isolate(old);
    const put = old.put("k");
    const read = old.read("k");
    await cluster.settle();
    await cluster.tick(30);
    const next = cluster.members.find((of) => of !== old && of.loop.softState.role === "leader");
    assert.ok(next !== undefined, "the others have a leader");
    assert.deepEqual(put, ["leaderChanged"]);
    assert.deepEqual(read, [], "a read is asked again instead: nothing of it has happened");
    const other = next.put("other");
    await cluster.settle();
    assert.deepEqual(other, ["applied"]);
    cluster.heal();
    await cluster.tick(5);
    assert.deepEqual(put, ["leaderChanged"], "one answer");
    assert.equal(read.length, 1);
    assert.deepEqual(
      cluster.members.map((of) => of.version("k")),
      [0, 0, 0],
    );
    assert.deepEqual(
      cluster.members.map((of) => of.version("other")),
      [1, 1, 1],
    );
    await cluster.close();
  });

  it("applies once what was forwarded, committed, and whose follower lost the leader meanwhile", async () => {
    const cluster = await Cluster.of(3);
    const leader = await cluster.elect(0);
    await cluster.tick(1);
    const follower = cluster.member(1);
    cluster.cut.add(`${leader.id}>${follower.id}`);
    const put = follower.put("k");
    await cluster.settle();
    assert.equal(leader.version("k"), 1, "it arrived and was committed");
    assert.deepEqual(put, []);
    follower.loop.onUnreachable(leader.id);
    assert.deepEqual(put, ["linkLost"]);
    cluster.heal();
    await cluster.tick(40);
    assert.deepEqual(put, ["linkLost"]);
    assert.deepEqual(
      cluster.members.map((of) => of.version("k")),
      [1, 1, 1],
    );
    await cluster.close();
  });

  it("reads at any member what any member acknowledged before", async () => {
    const cluster = await Cluster.of(3);
    await cluster.elect(0);
    await cluster.tick(1);
    for (let round = 1; round <= 20; round++) {
      const put = cluster.member(round % 3).put("k");
      await cluster.settle();
      assert.deepEqual(put, ["applied"]);
      const reads = cluster.members.map((of) => of.read("k"));
      await cluster.settle();
      await cluster.tick(1);
      for (const read of reads) assert.deepEqual(read, [round]);
    }
    await cluster.close();
  });

  it("serves no read at a leader that was cut off, whatever it does not know yet", async () => {
    const cluster = await Cluster.of(3);
    const old = await cluster.elect(0);
    await cluster.tick(1);
    cluster.isolate(old);
    const others = cluster.members.slice(1);
    await cluster.tick(30, others);
    const next = others.find((of) => of.loop.softState.role === "leader");
    assert.ok(next !== undefined);
    const put = next.put("k");
    await cluster.settle();
    assert.deepEqual(put, ["applied"]);
    assert.equal(old.loop.softState.role, "leader", "no tick of its own has passed");
    const read = old.read("k");
    await cluster.settle();
    assert.deepEqual(read, []);
    cluster.heal();
    await cluster.tick(5);
    assert.deepEqual(read, [1]);
    await cluster.close();
  });

  it("writes the log once for a put, on each member: the news of its commit is no write", async () => {
    const cluster = await Cluster.of(3);
    const leader = await cluster.elect(0);
    await cluster.tick(1);
    const before = cluster.members.map(({ wal }) => wal.counters.batches);
    leader.put("k");
    await cluster.settle();
    assert.deepEqual(
      cluster.members.map(({ wal }, at) => wal.counters.batches - (before[at] ?? 0)),
      [1, 1, 1],
    );
    assert.deepEqual(
      cluster.members.map((of) => of.version("k")),
      [1, 1, 1],
    );
    await cluster.close();
  });

  it("steps one tick a turn, after what arrived: a stall is no missed heartbeat", async () => {
    const cluster = await Cluster.of(3);
    const leader = await cluster.elect(0);
    await cluster.tick(1);
    const slow = cluster.member(1);
    const { term } = slow.loop.softState;
    for (let at = 0; at < 500; at++) slow.loop.tick();
    assert.equal(slow.dueTurns, 1);
    await cluster.settle();
    assert.equal(slow.loop.softState.leader, leader.id);
    assert.equal(slow.loop.softState.role, "follower");
    assert.equal(slow.loop.softState.term, term);
    await cluster.close();
  });

  it("tells the second of two changes of membership at once that one is pending", async () => {
    const cluster = await Cluster.of(3);
    const leader = await cluster.elect(0);
    await cluster.tick(1);
    cluster.isolate(leader);
    const first: Ending[] = leader.put("a", "", EntryKind.membership);
    await cluster.settle();
    const second = leader.put("b", "", EntryKind.membership);
    await cluster.settle();
    assert.deepEqual([first, second], [[], ["membershipPending"]]);
    await cluster.close();
  });
});

describe("reads", () => {
  it("that join others who waited long have their own time", () => {
    const reads = new Reads(1000);
    const seen: string[] = [];
    const waiter = (name: string) => ({
      onReadable: (): void => void seen.push(`${name} read`),
      onReadFailure: (failure: string): void => void seen.push(`${name} ${failure}`),
    });
    reads.add(waiter("old"), 0);
    const first = reads.takeUnsent(0);
    assert.ok(first !== null);
    reads.hold(first);
    reads.add(waiter("new"), 900);
    const second = reads.takeUnsent(900);
    assert.ok(second !== null && second !== first, "asked again under a fresh number");
    assert.equal(reads.confirm(first, 5 as Index, 950), null);
    reads.release(9 as Index, 950);
    assert.deepEqual(seen, [], "an answer to the first attempt says nothing");
    reads.expire(1000);
    assert.deepEqual(seen, ["old timedOut"]);
    assert.equal(reads.confirm(second, 5 as Index, 1010), 110, "since it was asked");
    reads.release(4 as Index, 1010);
    assert.deepEqual(seen, ["old timedOut"]);
    reads.release(5 as Index, 1010);
    assert.deepEqual(seen, ["old timedOut", "new read"]);
  });

  it("count as slow once, when their index takes half a second", () => {
    const reads = new Reads(7000);
    let readAt = -1;
    reads.add(
      { onReadable: (times) => (readAt = times.readableAtMs), onReadFailure: () => assert.fail() },
      0,
    );
    const request = reads.takeUnsent(10) ?? assert.fail();
    assert.equal(reads.waitingCount, 1);
    reads.expire(500);
    assert.equal(reads.slowCount, 0);
    reads.expire(511);
    reads.expire(900);
    assert.equal(reads.slowCount, 1);
    reads.confirm(request, 5 as Index, 950);
    reads.release(5 as Index, 960);
    assert.equal(readAt, 960);
    assert.deepEqual([reads.waitingCount, reads.failedCount], [0, 0]);
  });
});
