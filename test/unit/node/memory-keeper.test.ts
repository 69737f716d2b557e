import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { MemoryKeeper, type ProcessMemory } from "../../../node/memory-keeper.ts";

const MIB = 1024 * 1024;
const ELECTION_MS = 1000;

/** A process whose collections take `msPerMiB` and leave `liveMiB`. */
class World implements ProcessMemory {
  time = 0;
  load = 0;
  writesEach = 0;
  liveMiB = 40;
  garbageMiB = 60;
  msPerMiB = 1;
  /** How much longer a collection takes because others have the processor. */
  contention = 1;
  processor = 0;
  collections = 0;
  keeper = new MemoryKeeper(this, ELECTION_MS);

  now(): number {
    return this.time;
  }

  processorMs(): number {
    return this.processor;
  }

  residentBytes(): number {
    return this.heapBytes();
  }

  heapBytes(): number {
    return (this.liveMiB + this.garbageMiB) * MIB;
  }

  busy(): number {
    return this.load;
  }

  writes(): number {
    return this.writesEach;
  }

  collect(): void {
    const ms = this.heapBytes() * (this.msPerMiB / MIB);
    this.processor += ms;
    this.time += ms * this.contention;
    this.garbageMiB = 0;
    this.collections++;
  }

  ticks(count: number): number {
    const before = this.collections;
    for (let tick = 0; tick < count; tick++) {
      this.time += 500;
      this.keeper.tick();
    }
    return this.collections - before;
  }
}

/** A member's start with little garbage, which the first idle second takes. */
function started(): World {
  const world = new World();
  world.garbageMiB = 10;
  world.ticks(20);
  return world;
}

describe("the memory keeper", () => {
  it("collects once load ended, and not while it lasts", () => {
    const world = started();
    world.garbageMiB = 40;
    world.load = 0.6;
    assert.equal(world.ticks(100), 0);
    world.load = 0.01;
    assert.equal(world.ticks(1), 0, "a short pause of the load is not its end");
    assert.equal(world.ticks(1), 1);
  });

  it("leaves a start alone, whose elections wait", () => {
    const world = new World();
    world.time = 5_000;
    world.keeper = new MemoryKeeper(world, ELECTION_MS);
    assert.equal(world.ticks(19), 0);
    assert.equal(world.ticks(1), 1);
  });

  it("does not collect again until memory has grown", () => {
    const world = started();
    assert.equal(world.ticks(1000), 0);
    world.garbageMiB = 4;
    assert.equal(world.ticks(1000), 0);
    world.garbageMiB = 6;
    assert.equal(world.ticks(1000), 1);
  });

  it("waits for more where somebody is served now and then", () => {
    const world = started();
    world.load = 0.05;
    world.garbageMiB = 20;
    assert.equal(world.ticks(1000), 0);
    world.garbageMiB = 30;
    assert.equal(world.ticks(1000), 1);
  });

  it("lets few writes a second wait only for what a burst before them left", () => {
    const world = started();
    world.load = 0.01;
    world.writesEach = 1;
    world.garbageMiB = 90;
    assert.equal(world.ticks(1000), 0);
    world.writesEach = 0;
    assert.equal(world.ticks(1), 0, "one tick without a write is not their end");
    assert.equal(world.ticks(1), 1);
    world.writesEach = 1;
    world.garbageMiB = 100;
    assert.equal(world.ticks(1000), 1);
  });

  it("stops the loop for a twentieth of the time at most", () => {
    const world = started();
    world.msPerMiB = 2;
    const began = world.time;
    let stoppedMs = 0;
    for (let round = 0; round < 400; round++) {
      world.garbageMiB = 30;
      stoppedMs += world.ticks(1) * 140;
    }
    assert.ok(stoppedMs > 0);
    assert.ok(stoppedMs <= (world.time - began) / 20 + 140, `${stoppedMs} ms`);
  });

  it("leaves a heap alone whose collection would take long beside an election timeout", () => {
    const world = new World();
    world.liveMiB = 300;
    assert.equal(world.ticks(100), 0);
    const measured = started();
    measured.msPerMiB = 8;
    measured.garbageMiB = 30;
    assert.equal(measured.ticks(10), 1, "judged by the collection before");
    measured.garbageMiB = 30;
    measured.time += 60_000;
    assert.equal(measured.ticks(8), 0, "it took longer than thought");
    assert.equal(measured.ticks(400), 1, "which need not be so again");
  });

  it("waits a little where others had the processor, and does not take their time for its own", () => {
    const world = started();
    world.contention = 8;
    world.garbageMiB = 30;
    assert.equal(world.ticks(4), 1);
    world.garbageMiB = 30;
    world.time += 60_000;
    assert.equal(world.ticks(4), 0, "they may have it still");
    assert.equal(world.ticks(50), 1);
  });

  it("gives the pages of collected garbage back to the system", async () => {
    const keeper = new URL("../../../node/memory-keeper.ts", import.meta.url).href;
    const script = `
      import { MemoryKeeper, processMemory } from ${JSON.stringify(keeper)};
      const memory = processMemory();
      const keeper = new MemoryKeeper({ ...memory, now: () => memory.now() * 100 }, 4_000_000);
      const before = memory.residentBytes();
      let kept = [];
      for (let at = 0; at < 600_000; at++) kept.push({ at, around: [at] });
      const full = memory.residentBytes();
      kept = [];
      await new Promise((resolve) => {
        const timer = setInterval(() => {
          if (!keeper.tick()) return;
          clearInterval(timer);
          resolve();
        }, 50);
      });
      console.log(JSON.stringify({ before, full, after: memory.residentBytes() }));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--expose-gc",
      "--input-type=module",
      "--eval",
      script,
    ]);
    const { before, full, after } = JSON.parse(stdout) as Record<string, number> as {
      before: number;
      full: number;
      after: number;
    };
    assert.ok(full > before + 40 * MIB, `${full - before} bytes of garbage`);
    assert.ok(after < before + (full - before) / 2, `${after - before} bytes are left`);
  });
});
