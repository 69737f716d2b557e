/** What the machine owes its member: members, alarms, refusals, long entries in slices, and an end at any moment. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { API_ERRORS } from "../../../src/api/catalogue.ts";
import {
  MembershipChangeKind,
  membershipChange,
  storedMember,
  type CommandKind,
} from "../../../src/api/gen/command.ts";
import { compare, putRequest, rangeRequest } from "../../../src/api/gen/kv.ts";
import { leaseGrantRequest, leaseRevokeRequest } from "../../../src/api/gen/lease.ts";
import { AlarmAction, AlarmType, alarmRequest } from "../../../src/api/gen/maintenance.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { AssertionError } from "../../../src/base/assert.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Reply } from "../../../src/machine/reply.ts";
import { deletion, entryData, MachineFixture, op, text } from "./fixture.ts";

function failure(reply: Reply): string | null {
  return reply.kind === "error" ? reply.error.text : null;
}

function membership(
  fixture: MachineFixture,
  kind: number,
  id: bigint,
  peerUrls: readonly string[] = [`http://m${id}:2380`],
): string | null {
  const member = storedMember({ id, peerUrls });
  return failure(fixture.apply({ kind: "membership", value: membershipChange({ kind, member }) }));
}

function alarm(fixture: MachineFixture, action: number, type: number, memberId = 7n): string[] {
  const reply = fixture.apply({
    kind: "alarm",
    value: alarmRequest({ action, alarm: type, memberId }),
  });
  assert.ok(reply.kind === "alarm");
  return reply.alarms.map((of) => `${of.alarm}/${of.memberId}`);
}

const { addVoter, addLearner, promote, remove, update } = MembershipChangeKind;

describe("Machine: members", () => {
  it("adds, promotes, updates and removes, and tells of each", async () => {
    const fixture = await MachineFixture.open();
    fixture.machine.bootstrap([storedMember({ id: 5n, peerUrls: ["http://m5:2380"] })], 1, 1);
    assert.equal(membership(fixture, addVoter, 9n), null);
    assert.equal(membership(fixture, addLearner, 2n), null);
    assert.deepEqual(fixture.machine.membership(), { voters: [5n, 9n], learners: [2n] });
    assert.equal(membership(fixture, promote, 2n), null);
    assert.deepEqual(fixture.machine.membership(), { voters: [2n, 5n, 9n], learners: [] });
    assert.equal(membership(fixture, update, 9n, ["http://other:1"]), null);
    assert.deepEqual(fixture.machine.members.get(9n)?.peerUrls, ["http://other:1"]);
    assert.equal(membership(fixture, remove, 5n), null);
    assert.deepEqual(fixture.machine.membership(), { voters: [2n, 9n], learners: [] });
    assert.equal(fixture.membersChanged, 5);
  });

  it("refuses what every member must refuse alike, and changes nothing then", async () => {
    const fixture = await MachineFixture.open();
    membership(fixture, addVoter, 1n);
    membership(fixture, addLearner, 2n);
    membership(fixture, addVoter, 3n);
    membership(fixture, remove, 3n);
    const before = fixture.machine.members.list();
    const refusals: readonly [number, bigint, readonly string[], string][] = [
      [addVoter, 1n, ["http://new:1"], API_ERRORS.memberExists.text],
      [addLearner, 3n, ["http://new:1"], API_ERRORS.memberExists.text],
      [addVoter, 3n, ["http://new:1"], API_ERRORS.memberExists.text],
      [addVoter, 4n, ["http://new:1", "http://m2:2380"], API_ERRORS.peerUrlExists.text],
      [promote, 1n, [], API_ERRORS.memberNotLearner.text],
      [promote, 3n, [], API_ERRORS.memberNotFound.text],
      [remove, 3n, [], API_ERRORS.memberNotFound.text],
      [remove, 1n, [], API_ERRORS.notEnoughStarted.text],
      [update, 8n, ["http://new:1"], API_ERRORS.memberNotFound.text],
      [update, 1n, ["http://m2:2380"], API_ERRORS.peerUrlExists.text],
      [77, 1n, [], API_ERRORS.memberNotFound.text],
    ];
    for (const [kind, id, urls, expected] of refusals) {
      assert.equal(membership(fixture, kind, id, urls), expected);
    }
    const none = fixture.apply({ kind: "membership", value: membershipChange({ kind: addVoter }) });
    assert.equal(failure(none), API_ERRORS.memberNotFound.text);
    assert.deepEqual(fixture.machine.members.list(), before);
  });

  it("remembers who was removed, over a restart too: such an id never comes back", async () => {
    const fixture = await MachineFixture.open();
    membership(fixture, addVoter, 1n);
    membership(fixture, addVoter, 3n);
    membership(fixture, remove, 3n);
    await fixture.machine.buffer.drain();
    const again = await fixture.crashed(0);
    assert.deepEqual([...again.machine.members.removed], [3n]);
    assert.equal(membership(again, addVoter, 3n), API_ERRORS.memberExists.text);
  });

  it("begins a cluster only in an empty store", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a");
    assert.throws(() => fixture.machine.bootstrap([], 1, 1), AssertionError);
  });
});

describe("Machine: alarms", () => {
  it("NOSPACE refuses what grows the store and lets pass what frees it", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a", "1");
    fixture.apply({ kind: "leaseGrant", value: leaseGrantRequest({ id: 1n, ttl: 9 }) });
    assert.deepEqual(alarm(fixture, AlarmAction.activate, AlarmType.nospace), ["1/7"]);
    const noSpace = API_ERRORS.noSpace.text;
    assert.equal(failure(fixture.put("b")), noSpace);
    const grant: CommandKind = { kind: "leaseGrant", value: leaseGrantRequest({ id: 2n, ttl: 9 }) };
    assert.equal(failure(fixture.apply(grant)), noSpace);
    const put = op({ kind: "requestPut", value: putRequest({ key: text("b") }) });
    assert.equal(failure(fixture.txn({ failure: [put] })), noSpace, "of the branch not taken too");
    const read = op({ kind: "requestRange", value: rangeRequest({ key: text("a") }) });
    assert.equal(failure(fixture.txn({ success: [read] })), null);
    const gone = op({ kind: "requestDeleteRange", value: deletion("a") });
    assert.equal(failure(fixture.txn({ success: [gone] })), null);
    assert.equal(failure(fixture.deleteRange("a")), null);
    assert.equal(failure(fixture.compact(2)), null);
    const revoke: CommandKind = { kind: "leaseRevoke", value: leaseRevokeRequest({ id: 1n }) };
    assert.equal(failure(fixture.apply(revoke)), null);
    alarm(fixture, AlarmAction.deactivate, AlarmType.nospace);
    assert.equal(failure(fixture.put("b")), null);
  });

  it("CORRUPT refuses every write, but not its own end", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a", "1");
    alarm(fixture, AlarmAction.activate, AlarmType.corrupt);
    const corrupt = API_ERRORS.corrupt.text;
    assert.equal(failure(fixture.put("b")), corrupt);
    assert.equal(failure(fixture.deleteRange("a")), corrupt);
    assert.equal(failure(fixture.txn({})), corrupt);
    assert.equal(failure(fixture.compact(1)), corrupt);
    assert.equal(membership(fixture, addVoter, 1n), null);
    assert.deepEqual(alarm(fixture, AlarmAction.deactivate, AlarmType.corrupt), ["2/7"]);
    assert.equal(failure(fixture.deleteRange("a")), null);
  });

  it("lists by type, raises none for NONE, and is the same after a restart, cleared ones included", async () => {
    const fixture = await MachineFixture.open();
    assert.deepEqual(alarm(fixture, AlarmAction.activate, AlarmType.none), []);
    alarm(fixture, AlarmAction.activate, AlarmType.nospace, 1n);
    alarm(fixture, AlarmAction.activate, AlarmType.nospace, 0xffffffffffffffffn);
    alarm(fixture, AlarmAction.activate, AlarmType.corrupt, 1n);
    assert.deepEqual(alarm(fixture, AlarmAction.deactivate, AlarmType.nospace, 2n), []);
    await fixture.machine.buffer.drain();
    await fixture.machine.buffer.flush();
    alarm(fixture, AlarmAction.deactivate, AlarmType.nospace, 1n);
    await fixture.machine.buffer.drain();
    const again = await fixture.crashed(0);
    assert.deepEqual(alarm(again, AlarmAction.get, AlarmType.nospace), ["1/18446744073709551615"]);
    assert.deepEqual(alarm(again, AlarmAction.get, AlarmType.none).toSorted(), [
      "1/18446744073709551615",
      "2/1",
    ]);
  });
});

describe("Machine: an entry it cannot apply", () => {
  it("ends the process rather than skip what a newer release wrote", async () => {
    const fixture = await MachineFixture.open();
    // Field 5000, which no release knows.
    assert.throws(
      () => fixture.applyData(Buffer.from([0x08, 1, 0xc2, 0xb8, 0x02, 0])),
      QuorateError,
    );
  });

  it("counts an empty entry, with which a leader opens its term", async () => {
    const fixture = await MachineFixture.open();
    fixture.applyData(new Uint8Array(), 3);
    assert.equal(fixture.machine.appliedIndex, 1);
    assert.equal(fixture.machine.appliedTerm, 3);
    assert.equal(fixture.machine.store.revision, 1);
  });
});

const KEYS = 100_000;

/** A machine with many keys, and one lease that has half of them. */
async function loaded(keys: number): Promise<MachineFixture> {
  const fixture = await MachineFixture.open({ backend: new MemoryBackend(), cacheBytes: 0 });
  fixture.apply({ kind: "leaseGrant", value: leaseGrantRequest({ id: 1n, ttl: 60 }) });
  for (let at = 0; at < keys; at++) {
    fixture.put(`k${String(at).padStart(6, "0")}`, "v", { lease: at % 2 === 0 ? 1n : 0n });
    fixture.replies.clear();
    fixture.changes.clear();
  }
  await fixture.machine.buffer.drain();
  return fixture;
}

/** Begins an entry and counts its slices, with real turns and `between` in between. */
async function inSlices(
  fixture: MachineFixture,
  kind: CommandKind,
  between: (slice: number) => Promise<void>,
): Promise<number> {
  const { machine } = fixture;
  const index = fixture.nextIndex;
  let slices = 1;
  let done = machine.apply({ index, term: 1, data: entryData(index, kind) });
  while (!done) {
    await between(slices);
    slices++;
    done = machine.resume();
  }
  return slices;
}

describe("Machine: a long entry", () => {
  it("deletes 100,000 keys in slices, as one revision that nobody sees before it is whole", async () => {
    const fixture = await loaded(KEYS);
    const { machine } = fixture;
    const before = machine.store.revision;
    const applied = machine.appliedIndex;
    const deleteAll: CommandKind = {
      kind: "deleteRange",
      value: deletion("k", "l", { prevKv: true }),
    };
    const slices = await inSlices(fixture, deleteAll, async (slice) => {
      assert.equal(machine.store.revision, before);
      assert.equal(machine.appliedIndex, applied);
      assert.throws(
        () => machine.apply({ index: applied + 1, term: 1, data: text("") }),
        AssertionError,
      );
      if (slice % 8 !== 1) return;
      await fixture.turns(1);
      assert.equal((await fixture.live()).length, KEYS, "a reader sees all or nothing");
      assert.equal(machine.buffer.committedIndex, applied, "no half of it reaches the store");
    });
    assert.ok(slices >= 20, `${slices} slices`);
    assert.equal(machine.store.revision, before + 1);
    assert.deepEqual(await fixture.live(), []);
    const reply = fixture.replies.get(machine.appliedIndex);
    assert.ok(reply?.kind === "op" && reply.op.kind === "deleteRange");
    assert.equal(reply.op.deleted, KEYS);
    assert.equal(reply.op.previous.length, KEYS);
    assert.equal(fixture.changes.get(before + 1)?.length, KEYS);
    assert.deepEqual(machine.lessor.keysOf(1n), []);
    assert.equal((await fixture.liveAt(before)).length, KEYS);
    reply.pin?.release();
    await machine.buffer.drain();
    const hash = await fixture.hash();
    assert.equal(await (await fixture.crashed(0)).hash(), hash);
  });

  it("revokes a lease of many keys in slices, as one revision", async () => {
    const keys = 20_000;
    const fixture = await loaded(keys);
    const before = fixture.machine.store.revision;
    const revoke: CommandKind = { kind: "leaseRevoke", value: leaseRevokeRequest({ id: 1n }) };
    const slices = await inSlices(fixture, revoke, async () => {
      await fixture.turns(1);
      assert.equal((await fixture.live()).length, keys);
    });
    assert.ok(slices > 1);
    assert.equal(fixture.machine.store.revision, before + 1);
    assert.equal((await fixture.live()).length, keys / 2);
    assert.equal(fixture.changes.get(before + 1)?.length, keys / 2);
  });

  it("that a crash cut short is applied again as a whole", async () => {
    const keys = 10_000;
    const fixture = await loaded(keys);
    await fixture.machine.buffer.flush();
    const index = fixture.nextIndex;
    const data = entryData(index, { kind: "deleteRange", value: deletion("k", "l") });
    assert.equal(fixture.machine.apply({ index, term: 1, data }), false);
    await fixture.turns(5);
    const again = await fixture.crashed(0);
    assert.equal(again.machine.appliedIndex, index - 1);
    assert.equal((await again.live()).length, keys);
    again.applyData(data);
    assert.deepEqual(await again.live(), []);
    assert.equal(again.machine.store.revision, keys + 2);
  });

  it(
    "does not keep a machine that is closed in its midst from ending",
    { timeout: 10_000 },
    async () => {
      const fixture = await loaded(10_000);
      fixture.put("z", "sealed, on its way");
      const index = fixture.nextIndex;
      const data = entryData(index, { kind: "deleteRange", value: deletion("k", "l") });
      assert.equal(fixture.machine.apply({ index, term: 1, data }), false);
      await fixture.machine.close();
    },
  );
});

describe("Machine: its end", () => {
  it("waits for a flush that is under way", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a");
    await fixture.machine.buffer.drain();
    const flush = fixture.machine.buffer.flush();
    fixture.put("b");
    await fixture.machine.close();
    await flush;
    assert.equal(fixture.machine.buffer.durableIndex, 2);
  });
});

describe("Machine: transactions", () => {
  it("decides every branch before the first change, nested ones too", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a", "1");
    const isOne = compare({
      key: text("a"),
      target: 3,
      targetUnion: { kind: "value", value: text("1") },
    });
    const put = (key: string, value: string): ReturnType<typeof op> =>
      op({ kind: "requestPut", value: putRequest({ key: text(key), value: text(value) }) });
    const nested = op({
      kind: "requestTxn",
      value: { compare: [isOne], success: [put("b", "then")], failure: [put("b", "else")] },
    });
    const reply = fixture.txn({ compare: [isOne], success: [put("a", "2"), nested] });
    assert.ok(reply.kind === "op" && reply.op.kind === "txn" && reply.op.succeeded);
    assert.deepEqual(await fixture.live(), ["a=2", "b=then"]);
    assert.equal(fixture.machine.store.revision, 3);
  });

  it("does nothing at all where its last operation is refused", async () => {
    const fixture = await MachineFixture.open();
    fixture.put("a", "1");
    const put = op({ kind: "requestPut", value: putRequest({ key: text("a"), value: text("2") }) });
    const old = op({ kind: "requestRange", value: rangeRequest({ key: text("a"), revision: 99 }) });
    const reply = fixture.txn({ success: [put, old] });
    assert.equal(failure(reply), API_ERRORS.futureRevision.text);
    assert.deepEqual(await fixture.live(), ["a=1"]);
    assert.equal(fixture.machine.store.revision, 2);
  });
});
