import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";

import { Prng } from "../../../src/base/prng.ts";
import type { Key } from "../../../src/base/bytes.ts";
import type { MemoryBackend } from "../../../src/backend/memory.ts";
import type { CheckpointMark } from "../../../src/mvcc/checkpoint.ts";
import type { Pace } from "../../../src/mvcc/pace.ts";
import type { CheckpointSource } from "../../../src/mvcc/restore.ts";
import { bytes, Fixture, k, query, showOutcome } from "../../unit/mvcc/fixture.ts";

const RUNS = 30;
const KEYS = 700;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Every look at the clock ends a slice. */
function restlessPace(): Pace {
  let now = 0;
  return {
    now: () => (now += 10),
    turn: async () => await setImmediate(),
    sleep: async () => await setImmediate(),
  };
}

class Source implements CheckpointSource {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(blocks: readonly Uint8Array[]) {
    this.#bytes = Buffer.concat(blocks);
  }

  async read(size: number): Promise<Buffer | null> {
    if (this.#at + size > this.#bytes.length) return await Promise.resolve(null);
    this.#at += size;
    return await Promise.resolve(this.#bytes.subarray(this.#at - size, this.#at));
  }
}

/** A store whose keys hang on leases, as a lessor would have them, with copies of its index made on the way. */
class Run {
  readonly random: Prng;
  readonly leases = new Map<string, bigint>();
  fixture: Fixture;
  blocks: Uint8Array[] = [];
  mark: CheckpointMark | null = null;
  #copying: Promise<void> | null = null;

  constructor(random: Prng, fixture: Fixture) {
    this.random = random;
    this.fixture = fixture;
  }

  key(): string {
    return `k${this.random.between(0, KEYS)}`;
  }

  write(ops: number): void {
    this.fixture.write((txn) => {
      for (let at = 0; at < ops; at++) {
        const key = this.key();
        if (this.random.chance(0.3)) {
          txn.deleteRange(k(key), null, 1);
          this.leases.delete(key);
        } else {
          const lease = this.random.chance(0.4) ? BigInt(this.random.between(1, 4)) : 0n;
          txn.put(k(key), bytes("v"), lease);
          if (lease === 0n) this.leases.delete(key);
          else this.leases.set(key, lease);
        }
      }
    });
  }

  /** Begins a copy; it goes on while other steps are taken. */
  copy(): void {
    if (this.#copying !== null) return;
    const blocks: Uint8Array[] = [];
    this.#copying = this.fixture.store
      .writeCheckpoint(
        (key) => this.leases.get(key) ?? 0n,
        async (block) => {
          blocks.push(block);
          await Promise.resolve();
        },
      )
      .then((mark) => {
        this.#copying = null;
        if (mark === null) return;
        this.mark = mark;
        this.blocks = blocks;
      });
  }

  async settle(): Promise<void> {
    await this.#copying;
  }

  async step(): Promise<void> {
    const { random, fixture } = this;
    const { store } = fixture;
    const roll = random.next();
    if (roll < 0.5) this.write(random.between(1, 8));
    else if (roll < 0.6) this.copy();
    else if (roll < 0.62) fixture.compact(Math.max(1, store.revision - random.between(0, 12)));
    else if (roll < 0.7) {
      await fixture.buffer.drain();
      await fixture.buffer.flush();
    } else await setImmediate();
  }
}

/** All that can be read of a store: every revision, and the leases of keys. */
async function picture(fixture: Fixture, leases: Map<Key, bigint>): Promise<unknown> {
  const { store } = fixture;
  const pages: unknown[] = [];
  for (let main = Math.max(1, store.compactRevision); main <= store.revision; main++) {
    pages.push(showOutcome(await store.range(query("k", "l", { revision: main }))));
  }
  const attached = [...leases].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    revision: store.revision,
    compacted: store.compactRevision,
    keys: store.keyCount,
    pages,
    attached,
  };
}

async function reopened(backend: MemoryBackend, source: CheckpointSource | null): Promise<Fixture> {
  return await Fixture.open({ backend: backend.crash(0), checkpoint: source });
}

async function oneRun(random: Prng): Promise<{ readonly run: Run; readonly image: MemoryBackend }> {
  const run = new Run(random, await Fixture.open({ pace: restlessPace() }));
  run.write(KEYS);
  for (let steps = random.between(10, 60); steps > 0; steps--) await run.step();
  run.copy();
  for (let steps = random.between(0, 20); steps > 0; steps--) await run.step();
  await run.settle();
  if (random.chance(0.8)) {
    await run.fixture.buffer.drain();
    await run.fixture.buffer.flush();
  }
  for (let steps = random.between(0, 20); steps > 0; steps--) await run.step();
  await run.settle();
  const { backend } = run.fixture;
  return { run, image: backend.crash(random.between(0, backend.unflushedBatches + 1)) };
}

describe("a start from a copy of the index", () => {
  it("finds what a start from all records finds, whenever the copy was made and the process ended", async () => {
    let restored = 0;
    for (let at = 0; at < RUNS; at++) {
      const { run, image } = await oneRun(new Prng(seed).fork(`run ${at}`));
      const name = `SEED=${seed}, run ${at}`;
      const whole = await reopened(image, null);
      const copied = await reopened(image, new Source(run.blocks));
      if (copied.store.restored !== null) restored++;
      const [a, b] = [whole.store.takeLeases(), copied.store.takeLeases()];
      assert.deepEqual(await picture(copied, b), await picture(whole, a), name);
      // Both go on from there, and stay alike.
      for (const fixture of [whole, copied]) {
        const more = new Run(new Prng(seed).fork(`more ${at}`), fixture);
        for (let writes = 0; writes < 5; writes++) more.write(20);
        await fixture.compacted(fixture.store.revision - 2);
        assert.deepEqual(fixture.fatal, [], name);
      }
      assert.deepEqual(await picture(copied, new Map()), await picture(whole, new Map()), name);
    }
    assert.ok(restored >= RUNS / 4, `${restored} of ${RUNS} starts used the copy`);
  });

  it("reads every record where a byte of the copy is wrong or missing", async () => {
    const random = new Prng(seed).fork("damage");
    const f = await Fixture.open();
    const run = new Run(random, f);
    for (let writes = 0; writes < 10; writes++) run.write(60);
    run.copy();
    await run.settle();
    await f.buffer.drain();
    await f.buffer.flush();
    const image = f.backend.crash(0);
    const good = await reopened(image, new Source(run.blocks));
    assert.equal(good.store.restored?.main, f.store.revision);
    const expected = await picture(good, new Map());
    const copy = Buffer.concat(run.blocks);
    for (let round = 0; round < 80; round++) {
      const damaged = Buffer.from(copy);
      const at = random.between(0, damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << random.between(0, 8));
      const part = round % 4 === 0 ? copy.subarray(0, at) : damaged;
      const opened = await reopened(image, new Source([part]));
      assert.equal(opened.store.restored, null, `SEED=${seed}, round ${round}, byte ${at}`);
      assert.deepEqual(await picture(opened, new Map()), expected);
    }
  });

  it("is not made over a compaction", async () => {
    const f = await Fixture.open({ pace: restlessPace() });
    const run = new Run(new Prng(1), f);
    run.write(KEYS);
    run.write(5);
    const copying = f.store.writeCheckpoint(
      () => 0n,
      async () => await setImmediate(),
    );
    await setImmediate();
    f.compact(2);
    assert.equal(await copying, null);
  });
});
