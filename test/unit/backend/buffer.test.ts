import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { FLUSH_BYTES, FLUSH_INTERVAL_MS } from "../../../src/backend/flush-policy.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { BucketTotals, toRecordKey } from "../../../src/backend/record.ts";
import { deferred, type Deferred } from "../../../src/base/deferred.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString("latin1");

/** A store whose commits wait to be let through, one by one. */
function held(): { backend: MemoryBackend; letThrough: () => Promise<void> } {
  const gates: Deferred<void>[] = [];
  const backend = new MemoryBackend({
    disk: async (work) => {
      if (work === "flush") return;
      const gate = deferred<void>();
      gates.push(gate);
      await gate.promise;
    },
  });
  const letThrough = async (): Promise<void> => {
    gates.shift()?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { backend, letThrough };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

describe("BackendBuffer", () => {
  it("reads through the filling, the waiting and the flying batch", async () => {
    const { backend, letThrough } = held();
    const buffer = BackendBuffer.open(backend);
    buffer.put(Bucket.keys, bytes("r1"), bytes("one"));
    buffer.put(Bucket.lease, bytes("a"), bytes("1"));
    buffer.seal(1, 1);
    await turn(); // The first batch flies.
    buffer.put(Bucket.lease, bytes("a"), bytes("2"));
    buffer.delete(Bucket.keys, bytes("r1"), bytes("one"));
    assert.equal(text(buffer.getSync(Bucket.lease, bytes("a"))), "2");
    assert.equal(buffer.getSync(Bucket.keys, bytes("r1")), undefined);
    buffer.put(Bucket.keys, bytes("r2"), bytes("two"));
    const keys = [bytes("r2"), bytes("r1"), bytes("r3")];
    assert.deepEqual((await buffer.getMany(Bucket.keys, keys)).map(text), [
      "two",
      undefined,
      undefined,
    ]);
    buffer.seal(2, 1);
    assert.equal(buffer.committedIndex, 0);
    await letThrough();
    assert.equal(buffer.committedIndex, 1);
    await letThrough();
    assert.equal(buffer.committedIndex, 2);
    assert.equal(buffer.pendingBytes, 0);
    assert.equal(text(buffer.getSync(Bucket.lease, bytes("a"))), "2");
    assert.deepEqual((await buffer.getMany(Bucket.keys, keys)).map(text), [
      "two",
      undefined,
      undefined,
    ]);
  });

  it("sends all entries of a turn in one batch, and never half an entry", async () => {
    const { backend, letThrough } = held();
    const buffer = BackendBuffer.open(backend);
    for (let index = 1; index <= 5; index++) {
      buffer.put(Bucket.keys, bytes(`r${index}`), bytes("v"));
      buffer.seal(index, 1);
    }
    await turn();
    buffer.put(Bucket.keys, bytes("r6"), bytes("v"));
    buffer.seal(6, 1);
    buffer.put(Bucket.keys, bytes("r7"), bytes("half"));
    await letThrough();
    assert.equal(backend.unflushedBatches, 1);
    assert.equal(buffer.committedIndex, 5);
    await letThrough();
    assert.equal(buffer.committedIndex, 5, "half of entry 7 keeps the batch back");
    buffer.put(Bucket.keys, bytes("r8"), bytes("rest"));
    buffer.seal(7, 1);
    await turn();
    await letThrough();
    assert.equal(buffer.committedIndex, 7);
  });

  it("stores the index of entries that changed nothing (R4)", async () => {
    const backend = new MemoryBackend();
    const buffer = BackendBuffer.open(backend);
    for (let index = 1; index <= 3; index++) {
      buffer.seal(index, 2);
      await buffer.drain();
    }
    await buffer.flush();
    const again = BackendBuffer.open(backend.crash(0));
    assert.equal(again.appliedIndex, 3);
    assert.equal(again.term, 2);
    assert.equal(again.durableIndex, 3);
  });

  it("closes long batches at the end of an entry, so that one commit stays short", async () => {
    const { backend, letThrough } = held();
    const buffer = BackendBuffer.open(backend);
    for (let index = 1; index <= 5_000; index++) {
      buffer.put(Bucket.keys, bytes(`r${index}`), bytes("v"));
      buffer.seal(index, 1);
    }
    await turn();
    await letThrough();
    assert.ok(buffer.committedIndex >= 1_000 && buffer.committedIndex < 5_000);
    assert.equal(text(buffer.getSync(Bucket.keys, bytes("r5000"))), "v");
    assert.equal(text(buffer.getSync(Bucket.keys, bytes("r1"))), "v");
  });

  it("says when a batch landed, and moves the durable index only by a flush", async () => {
    const buffer = BackendBuffer.open(new MemoryBackend());
    const landed: number[] = [];
    buffer.onCommitted((index) => landed.push(index));
    buffer.put(Bucket.keys, bytes("r1"), bytes("v"));
    buffer.seal(4, 1);
    await buffer.drain();
    assert.deepEqual(landed, [4]);
    assert.equal(buffer.durableIndex, 0);
    await buffer.flush();
    assert.equal(buffer.durableIndex, 4);
  });

  it("asks for a flush after enough bytes or time, not without anything to flush", async () => {
    const buffer = BackendBuffer.open(new MemoryBackend());
    assert.equal(buffer.flushDue(0), false);
    assert.equal(buffer.flushDue(FLUSH_INTERVAL_MS * 2), false, "nothing to flush");
    buffer.put(Bucket.keys, bytes("r1"), bytes("v"));
    buffer.seal(1, 1);
    await buffer.drain();
    assert.equal(buffer.flushDue(FLUSH_INTERVAL_MS * 3), true);
    await buffer.flush();
    assert.equal(buffer.flushDue(FLUSH_INTERVAL_MS * 5), false, "all is durable");
    buffer.put(Bucket.keys, bytes("r2"), Buffer.alloc(FLUSH_BYTES));
    buffer.seal(2, 1);
    await buffer.drain();
    assert.equal(buffer.flushDue(FLUSH_INTERVAL_MS * 3 + 1), true, "by bytes");
  });

  it("counts live records and bytes through overwrites and deletes", async () => {
    const buffer = BackendBuffer.open(new MemoryBackend());
    buffer.put(Bucket.lease, bytes("a"), bytes("12345"));
    buffer.put(Bucket.lease, bytes("a"), bytes("123"));
    buffer.put(Bucket.users, bytes("u"), bytes(""));
    buffer.seal(1, 1);
    assert.equal(buffer.totals(Bucket.lease).count, 1);
    assert.equal(buffer.totals(Bucket.lease).bytes, 2 + 3 + 4);
    assert.equal(buffer.liveBytes, 9 + 6);
    await buffer.drain();
    buffer.put(Bucket.lease, bytes("a"), bytes("1"));
    buffer.delete(Bucket.users, bytes("u"));
    buffer.delete(Bucket.users, bytes("never"));
    buffer.seal(2, 1);
    assert.equal(buffer.liveBytes, 7);
    buffer.delete(Bucket.lease, bytes("a"), bytes("1"));
    assert.ok(buffer.totals(Bucket.lease).equals(new BucketTotals()), "empty is empty again");
    assert.ok(buffer.totals(Bucket.users).equals(new BucketTotals()));
  });

  it("counts the bytes that the store took, apart from those on their way", async () => {
    const { backend, letThrough } = held();
    const buffer = BackendBuffer.open(backend);
    buffer.put(Bucket.keys, bytes("r1"), Buffer.alloc(1000));
    buffer.seal(1, 1);
    await turn();
    assert.equal(buffer.landedBytes, 0);
    const { pendingBytes } = buffer;
    assert.ok(pendingBytes > 1000);
    await letThrough();
    assert.equal(buffer.landedBytes, pendingBytes);
    assert.equal(buffer.pendingBytes, 0);
  });

  it("names bucket and key of a record that fails its CRC, on every path of reading", async () => {
    const backend = new MemoryBackend();
    const buffer = BackendBuffer.open(backend);
    buffer.put(Bucket.keys, bytes("k"), bytes("payload"));
    buffer.seal(1, 1);
    await buffer.drain();
    backend.damage(toRecordKey(Bucket.keys, bytes("k")), (value) => {
      value[2] = (value[2] ?? 0) ^ 1;
      return value;
    });
    const expected = { code: "corruption", message: /bucket 1, key 6b/ };
    assert.throws(() => buffer.getSync(Bucket.keys, bytes("k")), expected);
    await assert.rejects(buffer.getMany(Bucket.keys, [bytes("k")]), expected);
    backend.damage(toRecordKey(Bucket.keys, bytes("k")), () => bytes("abc"));
    assert.throws(() => buffer.getSync(Bucket.keys, bytes("k")), expected, "too short for a CRC");
    backend.damage(toRecordKey(Bucket.meta, bytes("applied")), (value) => value.fill(0));
    assert.throws(() => BackendBuffer.open(backend), { code: "corruption" });
  });

  it("takes a view between entries, with their index and totals", async () => {
    const { backend, letThrough } = held();
    const buffer = BackendBuffer.open(backend);
    buffer.put(Bucket.keys, bytes("r1"), bytes("v"));
    buffer.seal(1, 1);
    const asked = buffer.sealedView();
    await turn();
    buffer.put(Bucket.keys, bytes("r2"), bytes("v"));
    buffer.seal(2, 1);
    await letThrough();
    const taken = await asked;
    assert.equal(taken.appliedIndex, 1);
    assert.equal(taken.totals[Bucket.keys]?.count, 1);
    const rows = taken.view.iterate(Uint8Array.of(Bucket.keys), Uint8Array.of(Bucket.keys + 1));
    assert.equal((await rows.next(10)).length, 1);
    await taken.view.close();
  });

  it("fails everybody once when the store refuses a batch", async () => {
    const backend = new MemoryBackend({
      disk: async () => await Promise.reject(new Error("disk is full")),
    });
    const buffer = BackendBuffer.open(backend);
    const seen: unknown[] = [];
    buffer.onFatal((error) => seen.push(error));
    buffer.put(Bucket.keys, bytes("k"), bytes("v"));
    buffer.seal(1, 1);
    await assert.rejects(buffer.drain(), /disk is full/);
    await assert.rejects(buffer.sealedView(), /disk is full/);
    assert.equal(seen.length, 1);
    assert.equal(buffer.committedIndex, 0);
  });
});
