import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { gate, NaiveHistory, RecordingSink, settled } from "./naive-history.ts";
import { end, INTERVAL_MS, request, Setup } from "./watch-fixture.ts";

describe("WatchStore, compaction", () => {
  it("creates, then cancels with the compact revision, a watcher that starts below it", async () => {
    const setup = new Setup();
    for (const value of ["1", "2", "3"]) setup.turn(["a", value]);
    setup.history.compactRevision = 3;
    setup.watch("a", { startRevision: 2 });
    await settled();
    assert.deepEqual(setup.sink.take(), ["0 created 4", "0 compacted 3"]);
    assert.equal(setup.store.cancel(setup.stream, 0), false, "it is gone");
  });

  it("cancels a watcher whose reading a compaction overtakes", async () => {
    const setup = new Setup();
    for (const value of ["1", "2", "3"]) setup.turn(["a", value]);
    const held = gate();
    setup.history.gate = held.promise;
    setup.watch("a", { startRevision: 2 });
    await settled();
    setup.history.compactRevision = 4;
    held.open();
    await settled();
    assert.deepEqual(setup.sink.take(), ["0 created 4", "0 compacted 4"]);
  });

  it("cancels 2000 watchers once each and keeps none (R21)", async () => {
    const setup = new Setup();
    for (const value of ["1", "2", "3"]) setup.turn(["a", value]);
    setup.history.compactRevision = 4;
    for (let at = 0; at < 2_000; at++) setup.watch("a", { startRevision: 2 });
    await settled(40);
    const canceled = setup.sink.take().filter((line) => line.includes("compacted"));
    assert.equal(canceled.length, 2_000);
    assert.equal(new Set(canceled).size, 2_000);
    assert.equal(setup.store.watcherCount + setup.store.slowWatcherCount, 0);
    assert.equal(setup.stream.watchers.size, 0);
  });
});

describe("WatchStore, slow streams", () => {
  it("queues nothing beyond the bound, reads on from history when drained, misses nothing (K1)", async () => {
    const setup = new Setup();
    const other = new RecordingSink();
    const quick = setup.store.open(other);
    setup.watch("a");
    setup.store.create(quick, request("a"));
    setup.sink.bytesEach = 60;
    setup.sink.drain();
    const expected: string[] = [];
    for (let at = 0; at < 50; at++) {
      setup.turn(["a", `${at}`]);
      expected.push(`a=${at}@${at + 2}`);
    }
    await settled();
    assert.ok(setup.sink.queuedBytes < 100 + 60, "one response over the bound at most");
    assert.deepEqual(other.eventsOf(0), expected, "others are not held up");
    for (let at = 0; at < 10; at++) {
      setup.sink.drain();
      await settled();
    }
    assert.deepEqual(setup.sink.eventsOf(0), expected);
    assert.equal(setup.store.slowWatcherCount, 0);
  });

  it("cancels a stalled watcher that a compaction overtook, never leaves a gap (R19)", async () => {
    for (const compact of [3, 30]) {
      const setup = new Setup();
      setup.watch("a");
      setup.sink.bytesEach = 60;
      for (let at = 0; at < 40; at++) setup.turn(["a", `${at}`]);
      const seen = setup.sink.eventsOf(0).length;
      setup.history.compactRevision = compact;
      setup.sink.bytesEach = 0;
      setup.sink.drain();
      await settled();
      const last = setup.sink.log.at(-1);
      if (compact === 30) {
        assert.equal(last, "0 compacted 30");
        assert.equal(setup.sink.eventsOf(0).length, seen);
      } else {
        assert.equal(setup.sink.eventsOf(0).length, 40);
      }
    }
  });

  it("gets nothing while its connection is crowded by others, and misses nothing of it", async () => {
    const setup = new Setup();
    setup.watch("a");
    setup.sink.isCrowded = true;
    for (const value of ["1", "2", "3"]) setup.turn(["a", value]);
    await settled();
    assert.deepEqual(setup.sink.take(), ["0 created 1"]);
    assert.equal(setup.store.slowWatcherCount, 1);
    setup.sink.isCrowded = false;
    setup.sink.drain();
    await settled();
    assert.deepEqual(setup.sink.take(), ["0 events a=1@2 a=2@3 a=3@4"], "in one response");
    assert.equal(setup.store.slowWatcherCount, 0);
  });

  it("has less of its own where the streams of its connection have much waiting", async () => {
    for (const crowd of [0, 16 * 1024 * 1024]) {
      const setup = new Setup(1024 * 1024);
      setup.sink.connectionQueuedBytes = crowd;
      setup.sink.bytesEach = 16_384;
      setup.watch("a");
      for (let at = 0; at < 80; at++) setup.turn(["a", `${at}`]);
      await settled();
      assert.equal(setup.sink.responses.length, (crowd === 0 ? 1024 * 1024 : 65_536) / 16_384);
      while (setup.sink.eventsOf(0).length < 80) {
        setup.sink.drain();
        await settled();
      }
    }
  });

  it("keeps the events of one revision together when the stream fills up between them", async () => {
    const setup = new Setup();
    setup.watch("a", end("z"));
    setup.sink.bytesEach = 200;
    setup.turn(["a", "0"]);
    setup.turn(["a", "1"], ["b", "1"], ["c", "1"]);
    setup.sink.drain();
    await settled();
    assert.deepEqual(
      setup.sink.take().slice(1),
      ["0 events a=0@2", "0 events a=1@3 b=1@3 c=1@3"].slice(0),
    );
  });
});

describe("WatchStore, progress", () => {
  it("answers a request after all events up to its revision, for the stream as a whole (R20)", () => {
    const setup = new Setup();
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), [], "without watchers: silence");
    setup.watch("a");
    setup.watch("quiet");
    setup.write(["a", "1"]);
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take().slice(2), ["0 events a=1@2", "-1 progress 2"]);
    setup.write(["other", "1"]);
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), ["-1 progress 3"], "also on quiet keys");
  });

  it("says nothing while a watcher lags, waits for the future, or the stream is full", async () => {
    const setup = new Setup();
    setup.turn(["a", "1"]);
    setup.watch("a", { startRevision: 2 });
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), ["0 created 2"]);
    await settled();
    setup.watch("a", { startRevision: 5 });
    setup.sink.take();
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), []);
    setup.store.cancel(setup.stream, 1);
    setup.sink.queuedBytes = 1_000;
    setup.sink.take();
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), []);
    setup.sink.drain();
    setup.store.requestProgress(setup.stream);
    assert.deepEqual(setup.sink.take(), ["-1 progress 2"]);
  });

  it("notifies each interval, except watchers that got events in it or are behind", () => {
    const setup = new Setup();
    setup.watch("a", { progressNotify: true });
    setup.watch("b", { progressNotify: true });
    setup.watch("a", { progressNotify: true, startRevision: 9 });
    setup.watch("a");
    setup.sink.take();
    for (const now of [0, 1, INTERVAL_MS - 1]) setup.store.tick(now);
    assert.deepEqual(setup.sink.take(), []);
    setup.store.tick(INTERVAL_MS);
    setup.sink.take();
    setup.turn(["b", "1"]);
    setup.sink.take();
    setup.store.tick(2 * INTERVAL_MS);
    assert.deepEqual(setup.sink.take(), ["0 progress 2"]);
    setup.store.tick(3 * INTERVAL_MS);
    assert.deepEqual(setup.sink.take(), ["0 progress 2", "1 progress 2"]);
  });
});

describe("WatchStore, when a snapshot replaces the store", () => {
  it("keeps a watcher of a future revision silent until then (R17)", async () => {
    const setup = new Setup();
    setup.watch("a", { startRevision: 10 });
    const installed = new NaiveHistory();
    for (let at = 2; at <= 6; at++) installed.write(["a", `${at}`]);
    setup.history = installed;
    setup.store.rebase(installed);
    await settled();
    setup.store.requestProgress(setup.stream);
    for (let at = 7; at <= 11; at++) setup.turn(["a", `${at}`]);
    assert.deepEqual(setup.sink.take(), ["0 created 1", "0 events a=10@10", "0 events a=11@11"]);
  });

  it("reads on where it was, ordered, unique and complete (R18)", async () => {
    const setup = new Setup();
    setup.watch("a");
    setup.turn(["a", "2"]);
    setup.watch("a", { startRevision: 2 });
    const installed = new NaiveHistory();
    for (let at = 2; at <= 6; at++) installed.write(["a", `${at}`]);
    const old = setup.history;
    const held = gate();
    old.gate = held.promise;
    await settled();
    setup.history = installed;
    setup.store.rebase(installed);
    held.open();
    await settled();
    setup.turn(["a", "7"]);
    const all = ["a=2@2", "a=3@3", "a=4@4", "a=5@5", "a=6@6", "a=7@7"];
    assert.deepEqual(setup.sink.eventsOf(0), all);
    assert.deepEqual(setup.sink.eventsOf(1), all);
  });

  it("cancels a watcher that the new history no longer covers", async () => {
    const setup = new Setup();
    setup.watch("a");
    const installed = new NaiveHistory();
    for (let at = 2; at <= 6; at++) installed.write(["a", `${at}`]);
    installed.compactRevision = 5;
    setup.store.rebase(installed);
    await settled();
    assert.deepEqual(setup.sink.take(), ["0 created 1", "0 compacted 5"]);
  });
});
