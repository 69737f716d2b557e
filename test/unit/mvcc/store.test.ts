import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Key } from "../../../src/base/bytes.ts";
import { leaseOf } from "../../../src/mvcc/record.ts";
import { bytes, Fixture, k, query, show, showOutcome } from "./fixture.ts";

async function rowsOf(
  fixture: Fixture,
  key: string,
  end: string | null,
  revision = 0,
): Promise<string[]> {
  const outcome = await fixture.store.range(query(key, end, { revision }));
  assert.equal(outcome.kind, "rows");
  return outcome.kind === "rows" ? outcome.rows.map(show) : [];
}

describe("Store", () => {
  it("an empty store is at revision 1 and was never compacted", async () => {
    const { store } = await Fixture.open();
    assert.equal(store.revision, 1);
    assert.equal(store.compactRevision, -1);
    assert.equal(store.keyCount, 0);
  });

  it("each write that changes something makes one revision, whatever it changes", async () => {
    const f = await Fixture.open();
    assert.equal(f.put("a", "1"), 2);
    assert.equal(
      f.write((txn) => {
        txn.put(k("b"), bytes("2"), 0n);
        txn.put(k("c"), bytes("3"), 0n);
        txn.deleteRange(k("a"), null, 10);
      }),
      3,
    );
    assert.equal(f.delete("a"), 3);
    assert.equal(
      f.write(() => {}),
      3,
    );
    assert.deepEqual(await rowsOf(f, "a", ""), ["b=2 3/3/1", "c=3 3/3/1"]);
  });

  it("create revision and version start again after a delete", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.put("a", "2");
    f.delete("a");
    f.put("a", "3");
    assert.deepEqual(await rowsOf(f, "a", null), ["a=3 5/5/1"]);
    assert.deepEqual(await rowsOf(f, "a", null, 4), []);
    assert.deepEqual(await rowsOf(f, "a", null, 3), ["a=2 2/3/2"]);
    assert.deepEqual(await rowsOf(f, "a", null, 2), ["a=1 2/2/1"]);
  });

  it("a put answers the version before, with its record", async () => {
    const f = await Fixture.open();
    f.put("a", "1", 7n);
    f.write((txn) => {
      const previous = txn.put(k("a"), bytes("2"), 0n);
      assert.equal(previous?.version, 1);
      assert.equal(show(f.store.recordSync(previous)), "a=1 2/2/1");
      assert.equal(leaseOf(f.store.recordSync(previous)), 7n);
      assert.equal(txn.put(k("b"), bytes(""), 0n), null);
    });
  });

  it("readers see nothing of a write until it ended", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.put("b", "1");
    const txn = f.store.beginWrite();
    txn.put(k("a"), bytes("2"), 0n);
    txn.deleteRange(k("b"), null, 1);
    txn.put(k("c"), bytes("2"), 0n);
    const during = await f.store.range(query("a", ""));
    assert.deepEqual(showOutcome(during), {
      count: 2,
      more: false,
      rows: ["a=1 2/2/1", "b=1 3/3/1"],
    });
    assert.deepEqual(await rowsOf(f, "a", null), ["a=1 2/2/1"]);
    assert.equal(f.store.revision, 3);
    txn.end();
    f.seal();
    assert.deepEqual(await rowsOf(f, "a", ""), ["a=2 2/4/2", "c=2 4/4/1"]);
  });

  it("a range inside a write sees what was done before it, also when read much later", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    const txn = f.store.beginWrite();
    const before = f.store.pin(txn.position);
    txn.put(k("b"), bytes("2"), 0n);
    const between = f.store.pin(txn.position);
    txn.deleteRange(k("a"), null, 1);
    txn.end();
    f.seal();
    f.put("b", "3");
    const done = f.compact(4);
    assert.equal(done.kind, "scheduled");
    await f.buffer.drain();
    const first = await f.store.rangeAt(query("a", ""), before);
    const second = await f.store.rangeAt(query("a", ""), between);
    assert.deepEqual(first.rows.map(show), ["a=1 2/2/1"]);
    assert.deepEqual(second.rows.map(show), ["a=1 2/2/1", "b=2 3/3/1"]);
    before.release();
    between.release();
    if (done.kind === "scheduled") await done.done;
    assert.deepEqual(await rowsOf(f, "a", ""), ["b=3 3/4/2"]);
  });

  it("a long delete goes in slices of one revision", async () => {
    const f = await Fixture.open();
    f.write((txn) => {
      for (let at = 0; at < 1000; at++)
        txn.put(k(`k${at.toString().padStart(4, "0")}`), bytes("v"), 0n);
    });
    const txn = f.store.beginWrite();
    let from = k("k0100");
    let deleted = 0;
    for (let slices = 1; ; slices++) {
      const slice = txn.deleteRange(from, k("k0900"), 77);
      deleted += slice.deleted.length;
      assert.ok(slice.deleted.length <= 77);
      if (slice.next === null) {
        assert.equal(slices, 11);
        break;
      }
      from = slice.next;
    }
    assert.equal(deleted, 800);
    assert.equal(txn.end(), 3);
    f.seal();
    assert.equal(f.store.keyCount, 200);
    assert.equal(txn.changes.length, 800);
    assert.ok(
      txn.changes.every(
        (change, sub) => change.tombstone && change.main === 3 && change.sub === sub,
      ),
    );
  });

  it("a slice of a delete removes 1000 keys at most, however many are asked for", async () => {
    const f = await Fixture.open();
    f.write((txn) => {
      for (let at = 0; at < 2_500; at++) txn.put(k(`k${at}`), bytes("v"), 0n);
    });
    const slices: number[] = [];
    f.write((txn) => {
      for (let from: Key | null = k("k"); from !== null;) {
        const slice = txn.deleteRange(from, k("l"), Number.MAX_SAFE_INTEGER);
        slices.push(slice.deleted.length);
        from = slice.next;
      }
    });
    assert.deepEqual(slices, [1_000, 1_000, 500]);
    assert.equal(f.store.keyCount, 0);
  });

  it("answers reads of the future and of the compacted past as outcomes", async () => {
    const f = await Fixture.open();
    for (let at = 0; at < 5; at++) f.put("a", String(at));
    assert.deepEqual(await f.store.range(query("a", null, { revision: 7 })), {
      kind: "future",
      revision: 6,
    });
    await f.compacted(4);
    assert.deepEqual(await f.store.range(query("a", null, { revision: 3 })), {
      kind: "compacted",
      compactRevision: 4,
    });
    assert.deepEqual(await rowsOf(f, "a", null, 4), ["a=2 2/4/3"]);
  });

  it("reopened, it holds what it held, and the leases of live keys", async () => {
    const f = await Fixture.open();
    f.put("a", "1", 5n);
    f.put("b", "2", -1n);
    f.put("c", "3", 6n);
    f.put("c", "4");
    f.put("d", "5", 9n);
    f.delete("d");
    const again = await f.reopened();
    assert.equal(again.store.revision, 7);
    assert.deepEqual(await rowsOf(again, "a", ""), ["a=1 2/2/1", "b=2 3/3/1", "c=4 4/5/2"]);
    assert.deepEqual(await rowsOf(again, "a", "", 6), [
      "a=1 2/2/1",
      "b=2 3/3/1",
      "c=4 4/5/2",
      "d=5 6/6/1",
    ]);
    assert.deepEqual(
      [...again.store.takeLeases()],
      [
        ["a", 5n],
        ["b", -1n],
      ],
    );
  });
});
