import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Bucket } from "../../../src/backend/buckets.ts";
import type { Change } from "../../../src/mvcc/change.ts";
import { keyOf } from "../../../src/mvcc/record.ts";
import { type Revision, toRevisionKey } from "../../../src/mvcc/revision.ts";
import { bytes, Fixture, k, query, show, showOutcome } from "./fixture.ts";

async function changesFrom(f: Fixture, from: number): Promise<string[]> {
  const { changes } = await f.store.readChanges(
    from as Revision,
    (f.store.revision + 1) as Revision,
    1_000,
  );
  return changes.map(
    (of: Change) => `${of.tombstone ? "delete" : "put"} ${keyOf(of.record)} ${of.main}`,
  );
}

/** The state after each prefix of the batches that a compaction left unflushed. */
async function crashEverywhere(
  f: Fixture,
  at: number,
  check: (again: Fixture, kept: number) => Promise<void>,
): Promise<number> {
  await f.buffer.drain();
  await f.buffer.flush();
  await f.compacted(at);
  await f.store.close();
  await f.buffer.drain();
  const batches = f.backend.unflushedBatches;
  const images = Array.from({ length: batches + 1 }, (_, kept) => kept);
  for (const kept of images) {
    const again = await Fixture.open({ backend: f.backend.crash(kept), compactionRowsMax: 2 });
    await check(again, kept);
    assert.deepEqual(again.fatal, []);
    await again.store.close();
  }
  return batches;
}

async function settled(f: Fixture): Promise<void> {
  while (f.store.isCompacting) await new Promise((resolve) => setImmediate(resolve));
}

describe("compaction", () => {
  it("keeps the newest version at its revision of every live key, and all above", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.put("a", "2");
    f.put("b", "1");
    f.put("a", "3");
    await f.compacted(4);
    assert.equal(f.buffer.totals(Bucket.keys).count, 3);
    const then = await f.store.range(query("a", "", { revision: 4 }));
    assert.deepEqual(showOutcome(then), {
      count: 2,
      more: false,
      rows: ["a=2 2/3/2", "b=1 4/4/1"],
    });
  });

  it("answers a revision again, one below, and one to come as outcomes that change nothing", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.put("a", "2");
    await f.compacted(2);
    assert.deepEqual(f.compact(2), { kind: "compacted", compactRevision: 2 });
    assert.deepEqual(f.compact(1), { kind: "compacted", compactRevision: 2 });
    assert.deepEqual(f.compact(4), { kind: "future", revision: 3 });
    assert.equal(f.store.compactRevision, 2);
  });

  it("never lowers the revision when the newest change is a delete, wherever it crashes (R13)", async () => {
    const f = await Fixture.open({ compactionRowsMax: 1 });
    f.put("a", "1");
    f.put("b", "1");
    f.delete("b");
    const revision = f.delete("a");
    const batches = await crashEverywhere(f, revision, async (again, kept) => {
      assert.equal(again.store.revision, revision, `after ${kept} batches`);
      await settled(again);
      assert.equal(again.store.compactRevision, kept === 0 ? -1 : revision);
      assert.equal(again.put("c", "1"), revision + 1);
    });
    assert.ok(batches >= 3, "the compaction took several batches");
  });

  it("never lowers the revision below its own marks, even with no record left", async () => {
    const f = await Fixture.open();
    const mark = Buffer.alloc(8);
    mark.writeBigUInt64BE(50n);
    f.buffer.put(Bucket.meta, bytes("scheduledCompactRev"), mark);
    f.seal();
    const again = await f.reopened();
    assert.equal(again.store.revision, 50);
    assert.equal(again.store.compactRevision, 50);
    await settled(again);
    assert.equal(again.put("a", "1"), 51);
  });

  it("a watch from the compact revision sees the delete there, then the put (R14)", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.put("a", "2");
    f.put("x", "1");
    const deleted = f.delete("a");
    const again = f.put("a", "3");
    await f.compacted(deleted);
    const expected = [`delete a ${deleted}`, `put a ${again}`];
    assert.deepEqual(await changesFrom(f, deleted), expected);
    assert.deepEqual(await changesFrom(await f.reopened(), deleted), expected);
  });

  it("a tombstone at the compact revision outlives a crash between the batches (R15)", async () => {
    const f = await Fixture.open({ compactionRowsMax: 1 });
    for (let at = 0; at < 6; at++) f.put(`k${at}`, "1");
    for (let at = 0; at < 5; at++) f.delete(`k${at}`);
    const at = f.delete("k5");
    await crashEverywhere(f, at, async (again) => {
      assert.deepEqual(await changesFrom(again, at), [`delete k5 ${at}`]);
      await settled(again);
      assert.deepEqual(await changesFrom(again, at), [`delete k5 ${at}`]);
      assert.equal(again.store.keyCount, 0);
    });
  });

  it("waits for what is pinned, then goes on", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    const txn = f.store.beginWrite();
    const pin = f.store.pin(txn.position);
    txn.put(k("b"), bytes("1"), 0n);
    const inside = f.store.pin(txn.position);
    txn.deleteRange(k("a"), null, 1);
    const revision = txn.end();
    f.seal();
    const outcome = f.compact(revision);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(f.buffer.totals(Bucket.keys).count, 3);
    pin.release();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(
      f.buffer.totals(Bucket.keys).count,
      3,
      "a position inside needs what follows it to be undone",
    );
    const rows = await f.store.rangeAt(query("a", ""), inside);
    assert.deepEqual(rows.rows.map(show), ["a=1 2/2/1", "b=1 3/3/1"]);
    inside.release();
    if (outcome.kind === "scheduled") await outcome.done;
    assert.equal(f.buffer.totals(Bucket.keys).count, 2);
  });

  it("does not tear a long write", async () => {
    const f = await Fixture.open({ compactionRowsMax: 1 });
    for (let at = 0; at < 4; at++) f.put("a", String(at));
    await f.buffer.drain();
    const outcome = f.compact(5);
    while (f.buffer.totals(Bucket.keys).count === 4)
      await new Promise((resolve) => setImmediate(resolve));
    const txn = f.store.beginWrite();
    txn.put(k("b"), bytes("1"), 0n);
    assert.equal(f.store.isCompacting, true, "it is in the midst of its removals");
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    const key = toRevisionKey(txn.main, 0, false);
    const recordKey = Buffer.concat([Buffer.from([Bucket.keys]), key]);
    assert.equal(f.backend.getSync(recordKey), undefined, "nothing of it may have left");
    txn.end();
    f.seal();
    if (outcome.kind === "scheduled") await outcome.done;
    assert.equal(f.store.revision, 6);
    await f.buffer.drain();
    assert.notEqual(f.backend.getSync(recordKey), undefined);
  });

  it("a store that closes stops it, and the next one finishes it", async () => {
    const f = await Fixture.open({ compactionRowsMax: 1 });
    for (let at = 0; at < 20; at++) f.put("a", String(at));
    f.compact(20);
    const again = await f.reopened();
    await settled(again);
    assert.equal(again.buffer.totals(Bucket.keys).count, 2);
    assert.deepEqual(again.store.compactHashes, [], "a hash counts only where nothing was missed");
  });
});
