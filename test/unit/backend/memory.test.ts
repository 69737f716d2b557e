import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MemoryBackend } from "../../../src/backend/memory.ts";
import { deferred } from "../../../src/base/deferred.ts";
import { describeContract, put, scan } from "./contract.ts";

describe("MemoryBackend", () => {
  describeContract(async () => await Promise.resolve(new MemoryBackend()));

  it("loses the newest unflushed batches at a crash, never a flushed one", async () => {
    for (let kept = 0; kept <= 2; kept++) {
      const backend = new MemoryBackend();
      await backend.commit([put("a", "1")]);
      await backend.flush();
      await backend.commit([put("b", "2")]);
      await backend.commit([put("a", "3")]);
      assert.equal(backend.unflushedBatches, 2);
      const after = backend.crash(kept);
      assert.deepEqual(await scan(after), [["a=1"], ["a=1", "b=2"], ["a=3", "b=2"]][kept]);
      assert.equal(after.unflushedBatches, 0, "what a crash left is on the disk");
    }
  });

  it("flushes what was committed when the flush began", async () => {
    const disk = deferred<void>();
    const backend = new MemoryBackend({
      disk: (work) => (work === "flush" ? disk.promise : Promise.resolve()),
    });
    await backend.commit([put("a", "1")]);
    const flushed = backend.flush();
    await backend.commit([put("b", "2")]);
    disk.resolve();
    await flushed;
    assert.deepEqual(await scan(backend.crash(0)), ["a=1"]);
  });

  it("never answers a commit that a crash overtook", async () => {
    const disk = deferred<void>();
    const backend = new MemoryBackend({ disk: () => disk.promise });
    let answered = false;
    void backend.commit([put("a", "1")]).then(() => (answered = true));
    const after = backend.crash(0);
    disk.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, false);
    assert.deepEqual(await scan(after), []);
  });
});
