/** A machine that starts over a store in which a compaction was cut short. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { BackendIterator, BackendView } from "../../../src/backend/backend.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import type { MemoryBackend } from "../../../src/backend/memory.ts";
import { MachineFixture } from "./fixture.ts";

/** Every part that is read of it takes so many turns, the first `quick` aside. */
function onSlowDisk(backend: MemoryBackend, quick: number): MemoryBackend {
  const view = backend.view.bind(backend);
  let reads = 0;
  backend.view = (): BackendView => {
    const point = view();
    const iterate: BackendView["iterate"] = (...range) => {
      const rows = point.iterate(...range);
      const next: BackendIterator["next"] = async (...size) => {
        for (let turn = reads++ < quick ? 10 : 0; turn < 10; turn++) await setImmediate();
        return await rows.next(...size);
      };
      return { next, close: async () => await rows.close() };
    };
    return {
      iterate,
      getMany: async (keys) => await point.getMany(keys),
      close: async () => await point.close(),
    };
  };
  return backend;
}

describe("Machine: a start after a compaction that was not finished", () => {
  for (let quick = 0; quick < 20; quick++)
    it(`takes nothing for damage that the compaction has changed since: a disk slow from read ${quick} on`, async () => {
      const fixture = await MachineFixture.open();
      for (let time = 0; time < 5; time++) fixture.put("a");
      await fixture.machine.buffer.drain();
      await fixture.machine.buffer.flush();
      fixture.compact(4);
      // The entry alone, and nothing of what follows in the background.
      await fixture.machine.buffer.drain();
      const backend = onSlowDisk(fixture.backend.crash(1), quick);
      const again = await MachineFixture.open({ backend });
      assert.equal(again.machine.store.isCompacting, true);
      while (again.machine.store.isCompacting) await again.turns(1);
      assert.deepEqual(again.fatal, []);
      const { count } = again.machine.buffer.totals(Bucket.keys);
      assert.equal(count, 3, "revisions 4, 5 and 6 are left");
    });
});
