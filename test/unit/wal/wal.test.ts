import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Index } from "../../../src/raft/types.ts";
import { GROUP_BYTES_MAX } from "../../../src/wal/queue.ts";
import { LogDisk } from "../../sim/log-device.ts";
import { append, contents, entry, openOn, reset, run, SMALL_SEGMENT, state } from "./harness.ts";

const at = (index: number): Index => index as Index;

describe("Wal", () => {
  it("starts empty on an empty disk, and again after closing without an append", async () => {
    const disk = new LogDisk();
    for (const fresh of [true, false]) {
      const { wal, recovery } = await openOn(disk);
      assert.equal(recovery.fresh, fresh);
      assert.deepEqual([wal.firstIndex(), wal.lastIndex(), wal.term(at(0))], [1, 0, 0]);
      assert.deepEqual(recovery.hardState, state(0, 0, 0));
      await wal.close();
    }
  });

  it("gives back entries, terms and hard state after a restart", async () => {
    const disk = new LogDisk();
    const first = await openOn(disk);
    await append(first.wal, [...run(1, 4, 1), ...run(4, 6, 3)], state(3, 9, 2));
    await append(first.wal, run(6, 7, 4), state(4, 0, 5));
    const expected = ["1:1:e1", "2:1:e2", "3:1:e3", "4:3:e4", "5:3:e5", "6:4:e6"];
    assert.deepEqual(contents(first.wal), expected);
    await first.wal.close();
    const { wal, recovery } = await openOn(disk);
    assert.deepEqual(contents(wal), expected);
    assert.deepEqual(recovery.hardState, state(4, 0, 5));
    assert.deepEqual(
      [0, 1, 3, 4, 5, 6, 7].map((i) => wal.term(at(i))),
      [0, 1, 1, 3, 3, 4, null],
    );
  });

  it("keeps the kind and every byte of an entry, empty data included", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    const data = Uint8Array.from({ length: 9000 }, (_, i) => i % 251);
    await append(wal, [entry(1, 1), { ...entry(2, 1, data), kind: 1 }]);
    const found = wal.entries(at(1), at(3), 1e9) ?? [];
    assert.equal(found[0]?.data.length, 0);
    assert.equal(found[1]?.kind, 1);
    assert.deepEqual(found[1]?.data, data);
  });

  it("makes one batch of what is queued while a write is in flight, and answers in order", async () => {
    const { wal } = await openOn(new LogDisk());
    const before = wal.counters.batches;
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 1; i <= 10; i++) {
        wal.append(run(i, i + 1, 1), null, () => {
          order.push(i);
          if (i === 10) resolve();
        });
      }
      assert.deepEqual(order, [], "nothing is durable before append returns");
    });
    assert.deepEqual(order, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(wal.counters.batches - before, 2);
  });

  it("counts nothing as durable before its write has ended", async () => {
    const { wal } = await openOn(new LogDisk());
    const done = append(wal, run(1, 3, 1));
    assert.equal(wal.lastIndex(), 0);
    await done;
    assert.equal(wal.lastIndex(), 2);
  });

  it("replaces a conflicting tail, also one that is still queued, and keeps to it after a restart", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 6, 1, "a"), state(1, 0, 0));
    const all = [
      append(wal, run(6, 9, 1, "a")),
      append(wal, run(4, 6, 2, "b"), state(2, 0, 0)),
      append(wal, run(5, 7, 3, "c"), state(3, 0, 0)),
    ];
    await Promise.all(all);
    const expected = ["1:1:a1", "2:1:a2", "3:1:a3", "4:2:b4", "5:3:c5", "6:3:c6"];
    assert.deepEqual(contents(wal), expected);
    assert.deepEqual(
      [3, 4, 5, 6, 7].map((i) => wal.term(at(i))),
      [1, 2, 3, 3, null],
    );
    await wal.close();
    assert.deepEqual(contents((await openOn(disk)).wal), expected);
  });

  it("replaces a tail that began in an earlier, already released segment's neighbour", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    for (let i = 1; i <= 20; i++) await append(wal, run(i, i + 1, 1, "a"));
    await append(wal, run(8, 10, 2, "b"));
    wal.release(at(8));
    const { first, held } = { first: wal.firstIndex(), held: contents(wal) };
    await wal.close();
    const again = await openOn(disk);
    assert.equal(again.wal.firstIndex(), first);
    assert.deepEqual(contents(again.wal), held);
    assert.equal(held.at(-1), "9:2:b9");
    assert.equal(again.wal.term(at(first - 1)), first === 1 ? 0 : 1);
  });

  it("restarts empty after a reset and goes on from there", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    for (let i = 1; i <= 20; i++) await append(wal, run(i, i + 1, 1));
    await reset(wal, 1000, 5, state(5, 3, 1000));
    assert.deepEqual([wal.firstIndex(), wal.lastIndex()], [1001, 1000]);
    assert.deepEqual([wal.term(at(1000)), wal.term(at(999)), wal.term(at(20))], [5, null, null]);
    assert.equal(wal.entries(at(20), at(21), 1), null);
    await append(wal, run(1001, 1003, 6), state(6, 0, 1001));
    await wal.close();
    const { wal: again, recovery } = await openOn(disk);
    assert.deepEqual(recovery.hardState, state(6, 0, 1001));
    assert.deepEqual(contents(again), ["1001:6:e1001", "1002:6:e1002"]);
    assert.equal(again.term(at(1000)), 5);
  });

  it("releases segments below an index and writes to their files again", async () => {
    const disk = new LogDisk();
    const { wal, failures } = await openOn(disk);
    for (let i = 1; i <= 200; i++) {
      await append(wal, run(i, i + 1, 1));
      wal.release(at(i - 10));
    }
    assert.deepEqual(failures, []);
    assert.ok(wal.firstIndex() <= 190 && wal.firstIndex() > 170, `first is ${wal.firstIndex()}`);
    assert.ok(wal.bytesOnDisk <= 6 * SMALL_SEGMENT, `${wal.bytesOnDisk} bytes on disk`);
    assert.ok(
      disk.operations.some((what) => what.startsWith("rename")),
      "a file was recycled",
    );
    const held = contents(wal);
    await wal.close();
    const again = await openOn(disk);
    assert.equal(again.recovery.tornBytes, 0, "bytes of an older generation are not data");
    assert.deepEqual(contents(again.wal), held);
  });

  it("never releases an entry at or above the index", async () => {
    const { wal } = await openOn(new LogDisk());
    for (let i = 1; i <= 60; i++) await append(wal, run(i, i + 1, 1));
    for (let i = 1; i <= 61; i++) {
      wal.release(at(i));
      assert.ok(wal.firstIndex() <= i, `first ${wal.firstIndex()} after release(${i})`);
      assert.equal(wal.term(at(wal.firstIndex() - 1)), wal.firstIndex() === 1 ? 0 : 1);
    }
  });

  it("says when what was appended is durable, in order with its appends, and without a write of its own", async () => {
    const { wal } = await openOn(new LogDisk());
    const said: string[] = [];
    const say = (what: string) => (): void => void said.push(what);
    wal.afterAppends(say("nothing under way"));
    assert.deepEqual(said, ["nothing under way"]);
    const { batches } = wal.counters;
    wal.append(run(1, 2, 1), null, say("1"));
    wal.afterAppends(say("after 1"));
    wal.append(run(2, 3, 1), null, say("2"));
    wal.afterAppends(say("after 2"));
    assert.equal(said.length, 1, "the writes have not ended");
    await append(wal, run(3, 4, 1));
    assert.deepEqual(said.slice(1), ["1", "after 1", "2", "after 2"]);
    assert.equal(wal.counters.batches - batches, 2);
  });

  it("cuts an append larger than a batch, announcing only all of it", async () => {
    const disk = new LogDisk();
    const segmentBytes = 16 * 1024 * 1024;
    const { wal } = await openOn(disk, { segmentBytes });
    const big = new Uint8Array(1024 * 1024).fill(7);
    const entries = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((index) => entry(index, 1, big));
    assert.ok(9 * big.length > 2 * GROUP_BYTES_MAX);
    await append(wal, entries, state(1, 0, 9));
    assert.equal(wal.lastIndex(), 9);
    assert.equal(wal.entries(at(1), at(10), 3 * big.length)?.length, 3);
    await wal.close();
    const { wal: again, recovery } = await openOn(disk, { segmentBytes });
    assert.deepEqual([again.lastIndex(), recovery.hardState.commit], [9, 9]);
  });

  it("takes an entry too large for the small first segment", async () => {
    const disk = new LogDisk();
    const segmentBytes = 32 * 1024 * 1024;
    const { wal } = await openOn(disk, { segmentBytes });
    const big = new Uint8Array(wal.entryBytesMax).fill(3);
    await append(wal, [entry(1, 1, big)], state(1, 0, 0));
    await append(wal, run(2, 4, 1));
    await wal.close();
    const again = await openOn(disk, { segmentBytes });
    assert.equal(again.wal.lastIndex(), 3);
    assert.equal(again.wal.entries(at(1), at(2), 0)?.[0]?.data.length, big.length);
  });

  it("says when there is no room for the next segment, writes on in the current one, and recovers by release", async () => {
    const disk = new LogDisk();
    disk.roomBytes = 8192 + 2 * SMALL_SEGMENT;
    const heard: boolean[] = [];
    const { wal, failures } = await openOn(disk, { onFull: (full) => heard.push(full) });
    let i = 1;
    while (!wal.full) await append(wal, run(i, ++i, 1));
    assert.deepEqual(heard, [true]);
    let written = 0;
    let waiting = Promise.resolve();
    for (let durable = true; durable; written++) {
      durable = false;
      waiting = append(wal, run(i, ++i, 1)).then(() => void (durable = true));
      await new Promise((settle) => setImmediate(settle));
    }
    assert.ok(written > 5, "the rest of the current segment still takes writes");
    assert.equal(wal.lastIndex(), i - 2);
    wal.release(wal.lastIndex());
    await waiting;
    assert.deepEqual(heard, [true, false]);
    assert.deepEqual(failures, []);
    await wal.close();
    assert.equal((await openOn(disk)).wal.lastIndex(), i - 1);
  });

  it("closes while there is no room, keeping what was durable", async () => {
    const disk = new LogDisk();
    disk.roomBytes = 8192 + SMALL_SEGMENT;
    const { wal } = await openOn(disk);
    for (let i = 1; i <= 8; i++) await append(wal, run(i, i + 1, 1));
    wal.append(run(9, 10, 1), null, () => assert.fail("never durable"));
    await wal.close();
    disk.roomBytes = Infinity;
    assert.equal((await openOn(disk)).wal.lastIndex(), 8);
  });

  it("refuses to start where there is no room for a first segment", async () => {
    const disk = new LogDisk();
    disk.roomBytes = 8192;
    await assert.rejects(openOn(disk), { code: "resourceExhausted" });
  });

  it("reports a failed write once and nothing as durable after it", async () => {
    const disk = new LogDisk();
    let broken = false;
    const { wal, failures } = await openOn(disk, {
      onOperation: (what) => {
        if (broken && what.startsWith("write")) throw new QuorateError("storage", "EIO");
      },
    });
    await append(wal, run(1, 2, 1));
    broken = true;
    wal.append(run(2, 3, 1), null, () => assert.fail("never durable"));
    wal.append(run(3, 4, 1), null, () => assert.fail("never durable"));
    await new Promise((settle) => setImmediate(settle));
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["storage"],
    );
    assert.equal(wal.lastIndex(), 1);
  });

  it("writes a new vote to its second copy before the log", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    const from = disk.operations.length;
    await append(wal, [], state(1, 5, 0));
    await append(wal, run(1, 2, 1), state(1, 5, 1));
    const files = disk.operations.slice(from).map((what) => what.split(" ")[1]);
    assert.deepEqual(
      files.filter((name) => name !== undefined && !name.endsWith("2.wal")),
      ["vote", "0000000000000001.wal", "0000000000000001.wal"],
    );
  });
});
