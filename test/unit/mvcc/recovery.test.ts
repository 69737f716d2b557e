import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Bucket } from "../../../src/backend/buckets.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { toKey } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import { recordSize, writeRecord } from "../../../src/mvcc/record.ts";
import type { Revision } from "../../../src/mvcc/revision.ts";
import { toRevisionKey } from "../../../src/mvcc/revision.ts";
import { bytes, Fixture, query, show, showOutcome } from "./fixture.ts";

function recordKey(main: number): Uint8Array {
  return Buffer.concat([Buffer.from([Bucket.keys]), toRevisionKey(main as Revision, 0, false)]);
}

const isCorruption = (error: unknown): boolean =>
  error instanceof QuorateError && error.code === "corruption";

async function closed(): Promise<Fixture> {
  const f = await Fixture.open();
  f.put("a", "1");
  f.put("b", "2");
  f.put("a", "3");
  await f.buffer.drain();
  await f.buffer.flush();
  return f;
}

describe("recovery", () => {
  it("a flipped bit in any byte of a record stops the store from opening", async () => {
    const f = await closed();
    const size = f.backend.getSync(recordKey(3))?.length ?? 0;
    assert.ok(size > 10);
    for (let at = 0; at < size; at++) {
      const image = f.backend.crash(0);
      image.damage(recordKey(3), (value) => {
        value[at] = (value[at] ?? 0) ^ 0x10;
        return value;
      });
      await assert.rejects(Fixture.open({ backend: image }), isCorruption);
    }
  });

  it("a record that is lost without a trace stops the store from opening", async () => {
    const f = await closed();
    const image = f.backend.crash(0);
    image.damage(recordKey(2), () => null);
    await assert.rejects(Fixture.open({ backend: image }), /holds? 2 records/);
  });

  it("a record damaged later fails the read that needs it, and no other", async () => {
    const f = await closed();
    const again = await Fixture.open({ backend: f.backend.crash(0), cacheBytesMax: 0 });
    again.backend.damage(recordKey(3), (value) => {
      value[value.length - 6] = 0;
      return value;
    });
    const [bad, good] = await Promise.allSettled([
      again.store.range(query("b", null)),
      again.store.range(query("a", null)),
    ]);
    assert.equal(bad.status, "rejected");
    assert.ok(bad.status === "rejected" && isCorruption(bad.reason));
    assert.equal(good.status === "fulfilled" && good.value.kind, "rows");
  });

  it("a record lost later fails previous values and the history, and ends the process", async () => {
    const f = await closed();
    const again = await Fixture.open({ backend: f.backend.crash(0), cacheBytesMax: 0 });
    const { changes } = await again.store.readChanges(2 as Revision, 5 as Revision, 10);
    const last = changes.at(-1);
    assert.ok(last !== undefined);
    again.backend.damage(recordKey(2), () => null);
    await assert.rejects(async () => again.store.previousRecord(last), isCorruption);
    assert.ok(isCorruption(again.fatal[0]), "whoever reads it, the member stops serving");
    await assert.rejects(again.store.readChanges(2 as Revision, 5 as Revision, 10), isCorruption);
    again.backend.damage(recordKey(4), () => null);
    await assert.rejects(again.store.readChanges(3 as Revision, 5 as Revision, 10), isCorruption);
  });

  it("a revision that no key has is no loss: a restored snapshot may begin far above its own", async () => {
    const f = await closed();
    const bumped = { key: toKey(bytes("z")), create: 100, mod: 100, version: 1, lease: 0n };
    const revisionKey = toRevisionKey(100 as Revision, 0, false);
    const size = recordSize(bumped, bytes("9"));
    writeRecord(f.buffer.place(Bucket.keys, revisionKey, size), bumped, bytes("9"));
    f.buffer.placed();
    f.buffer.seal(f.buffer.appliedIndex + 1, f.buffer.term);
    const again = await f.reopened();
    const { changes } = await again.store.readChanges(2 as Revision, 101 as Revision, 10);
    assert.deepEqual(
      changes.map((of) => of.main),
      [2, 3, 4, 100],
    );
  });

  it("a crash leaves a prefix of the writes, and the revision that belongs to it", async () => {
    const f = await Fixture.open();
    for (let at = 0; at < 5; at++) {
      f.put("a", String(at));
      await f.buffer.drain();
    }
    assert.equal(f.backend.unflushedBatches, 5);
    for (let kept = 0; kept <= 5; kept++) {
      const again = await Fixture.open({ backend: f.backend.crash(kept) });
      assert.equal(again.store.revision, 1 + kept);
      const { count } = (await again.store.range(query("a", null))) as { count: number };
      assert.equal(count, kept === 0 ? 0 : 1);
    }
  });
});

describe("reads while the disk is slow", () => {
  it("see what has not arrived, in ranges, at old revisions and in the history", async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let held = false;
    const backend = new MemoryBackend({ disk: async () => (held ? await gate : undefined) });
    const f = await Fixture.open({ backend, cacheBytesMax: 0 });
    f.put("a", "1");
    await f.buffer.drain();
    held = true;
    f.put("a", "2");
    await new Promise((resolve) => setImmediate(resolve)); // in flight
    f.put("b", "3");
    f.delete("a");
    const check = async (): Promise<void> => {
      const now = await f.store.range(query("a", ""));
      assert.deepEqual(showOutcome(now), { count: 1, more: false, rows: ["b=3 4/4/1"] });
      const then = await f.store.range(query("a", "", { revision: 3 }));
      assert.deepEqual(showOutcome(then), { count: 1, more: false, rows: ["a=2 2/3/2"] });
      const { changes, next } = await f.store.readChanges(1 as Revision, 6 as Revision, 10);
      assert.deepEqual(
        changes.map((of) => of.main),
        [2, 3, 4, 5],
      );
      assert.equal(next, 6);
      const last = changes[3];
      assert.ok(last !== undefined && last.tombstone);
      const previous = await f.store.previousRecord(last);
      assert.equal(previous && show(previous), "a=2 2/3/2");
    };
    await check();
    open();
    await f.buffer.drain();
    await check();
  });

  it("see what follows a batch that has just landed", async () => {
    const gates: (() => void)[] = [];
    const disk = async (): Promise<void> => await new Promise((resolve) => gates.push(resolve));
    const f = await Fixture.open({ backend: new MemoryBackend({ disk }), cacheBytesMax: 0 });
    const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));
    f.put("a", "1");
    await turn(); // in flight
    f.put("a", "2");
    gates.shift()?.();
    await turn(); // landed, and the next is in flight
    assert.equal(f.buffer.committedIndex, 1);
    assert.equal(gates.length, 1);
    const now = await f.store.range(query("a", null));
    assert.deepEqual(showOutcome(now), { count: 1, more: false, rows: ["a=2 2/3/2"] });
    const { changes } = await f.store.readChanges(1 as Revision, 4 as Revision, 10);
    assert.equal(changes.length, 2);
    gates.shift()?.();
    await f.buffer.drain();
  });

  it("a batch that landed but is not yet known to have is read once", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    await f.buffer.drain();
    f.put("a", "2");
    // The memory backend takes effect in microtasks: every interleaving of read and landing.
    for (let ticks = 0; ticks < 12; ticks++) {
      f.put("b", bytes("x").toString());
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      const end = (f.store.revision + 1) as Revision;
      const { changes } = await f.store.readChanges(2 as Revision, end, 100);
      assert.deepEqual(
        changes.map((of) => of.main),
        Array.from({ length: end - 2 }, (_, at) => at + 2),
      );
    }
  });
});
