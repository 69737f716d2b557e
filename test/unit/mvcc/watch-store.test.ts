import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { gate, settled } from "./naive-history.ts";
import { end, request, Setup } from "./watch-fixture.ts";

describe("WatchStore, creating", () => {
  it("picks ids from 0 upward, skips used ones, reuses none; id 0 works as any other (R22)", () => {
    const { store, stream, sink } = new Setup();
    const create = (watchId: number): unknown => store.create(stream, request("a", { watchId }));
    assert.deepEqual(create(0), { kind: "created", watchId: 0 });
    assert.deepEqual(create(1), { kind: "created", watchId: 1 });
    assert.deepEqual(create(0), { kind: "created", watchId: 2 });
    assert.deepEqual(create(1), { kind: "duplicateId" });
    assert.equal(store.cancel(stream, 0), true);
    assert.deepEqual(create(0), { kind: "created", watchId: 3 });
    assert.equal(store.cancel(stream, 0), false, "unknown by now: silence");
    assert.deepEqual(sink.take().slice(3), ["0 canceled 1", "3 created 1"]);
  });

  it("refuses empty ranges and negative start revisions, and delivers nothing for them (R22)", () => {
    const { store, stream, sink } = new Setup();
    assert.deepEqual(store.create(stream, request("b", end("b"))), { kind: "emptyRange" });
    assert.deepEqual(store.create(stream, request("b", end("a"))), { kind: "emptyRange" });
    assert.deepEqual(store.create(stream, request("a", { startRevision: -1 })), {
      kind: "compacted",
    });
    assert.deepEqual(sink.take(), []);
    assert.equal(store.watcherCount, 0);
  });

  it("knows points, ranges, open ends and the empty key", () => {
    const setup = new Setup();
    setup.watch("b");
    setup.watch("b", end("d"));
    setup.watch("c", end("\0"));
    setup.watch("", end("\0"));
    setup.watch("");
    setup.sink.take();
    setup.turn(["a", "1"], ["b", "1"], ["b\0", "1"], ["d", "1"], ["\0", "1"]);
    assert.deepEqual(setup.sink.eventsOf(0), ["b=1@2"]);
    assert.deepEqual(setup.sink.eventsOf(1), ["b=1@2", "b\0=1@2"]);
    assert.deepEqual(setup.sink.eventsOf(2), ["d=1@2"]);
    assert.equal(setup.sink.eventsOf(3).length, 5);
    assert.deepEqual(setup.sink.eventsOf(4), ["\0=1@2"]);
  });
});

describe("WatchStore, delivering", () => {
  it("sends a turn's events as one response, whole revisions in order", () => {
    const setup = new Setup();
    setup.watch("a", end("z"));
    setup.write(["a", "1"], ["b", "1"]);
    setup.write(["a", null]);
    setup.store.flush();
    assert.deepEqual(setup.sink.take(), ["0 created 1", "0 events a=1@2 b=1@2 -a@3"]);
  });

  it("filters after all else, and sends no empty response", () => {
    const setup = new Setup();
    setup.watch("a", { noPut: true });
    setup.watch("a", { noDelete: true });
    setup.turn(["a", "1"]);
    setup.turn(["a", null]);
    assert.deepEqual(setup.sink.take().slice(2), ["1 events a=1@2", "0 events -a@3"]);
  });

  it("adds the previous value where asked for, read from disk too, and none for a creation", async () => {
    for (const cold of [false, true]) {
      const setup = new Setup();
      setup.history.cold = cold;
      setup.watch("a", { prevKv: true });
      setup.watch("a");
      setup.turn(["a", "1"]);
      setup.turn(["a", "2"]);
      setup.turn(["a", null]);
      setup.turn(["a", "3"]);
      await settled();
      const expected = ["a=1@2", "a=2@3<a=1@2", "-a@4<a=2@3", "a=3@5"];
      assert.deepEqual(setup.sink.eventsOf(0), expected, `cold: ${cold}`);
      assert.deepEqual(setup.sink.eventsOf(1), ["a=1@2", "a=2@3", "-a@4", "a=3@5"]);
      assert.deepEqual(setup.fatal, []);
    }
  });

  it("reads history from the start revision, then joins without gap or repeat", async () => {
    const setup = new Setup();
    for (let at = 0; at < 5; at++) setup.turn(["a", `${at}`]);
    setup.history.revisionsMax = 2;
    const held = gate();
    setup.history.gate = held.promise;
    setup.watch("a", { startRevision: 3 });
    await settled();
    setup.turn(["a", "5"]);
    held.open();
    await settled();
    setup.turn(["a", "6"]);
    assert.deepEqual(setup.sink.eventsOf(0), [
      "a=1@3",
      "a=2@4",
      "a=3@5",
      "a=4@6",
      "a=5@7",
      "a=6@8",
    ]);
    assert.equal(setup.store.slowWatcherCount, 0);
  });

  it("sees the delete at the compaction revision and the put after it (R14)", async () => {
    const setup = new Setup();
    for (const value of ["1", "2", "3", null, "5"]) setup.turn(["a", value]);
    setup.history.compactRevision = 5;
    setup.watch("a", { startRevision: 5 });
    await settled();
    assert.deepEqual(setup.sink.eventsOf(0), ["-a@5", "a=5@6"]);
  });

  it("is silent until a future start revision, and delivers it", () => {
    const setup = new Setup();
    setup.watch("a", { startRevision: 4 });
    for (const value of ["1", "2", "3", "4"]) setup.turn(["a", value]);
    assert.deepEqual(setup.sink.eventsOf(0), ["a=3@4", "a=4@5"]);
  });

  it("delivers nothing after cancel and after close, not even what was pending", async () => {
    const setup = new Setup();
    setup.turn(["a", "1"]);
    setup.watch("a", { startRevision: 2 });
    setup.watch("a");
    setup.write(["a", "2"]);
    setup.store.cancel(setup.stream, 0);
    setup.store.cancel(setup.stream, 1);
    setup.store.flush();
    await settled();
    assert.deepEqual(setup.sink.take(), [
      "0 created 2",
      "1 created 2",
      "0 canceled 3",
      "1 canceled 3",
    ]);
    setup.watch("a");
    setup.write(["a", "3"]);
    setup.store.close(setup.stream);
    setup.store.flush();
    assert.deepEqual(setup.sink.take(), ["2 created 3"]);
    assert.equal(
      setup.store.watcherCount + setup.store.slowWatcherCount + setup.store.streamCount,
      0,
    );
  });
});

describe("WatchStore, failing", () => {
  it("reports a history that cannot be read", async () => {
    const setup = new Setup();
    setup.turn(["a", "1"]);
    setup.history.gate = Promise.reject(new Error("bad record"));
    setup.history.gate.catch(() => {});
    setup.watch("a", { startRevision: 2 });
    await settled();
    assert.equal(setup.fatal.length, 1);
  });
});
