import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { BLOCK, toBlocks } from "../../../src/wal/format.ts";
import { LogDisk } from "../../sim/log-device.ts";
import { append, contents, openOn, reset, run, seeded, SMALL_SEGMENT, state } from "./harness.ts";

const FIRST = "0000000000000001.wal";
const SECOND = "0000000000000002.wal";

function file(disk: LogDisk, name: string): Uint8Array {
  return present(disk.files.get(name), name);
}

/** Three durable batches in one segment, as a process killed at once would leave them. */
async function threeBatches(): Promise<LogDisk> {
  const disk = new LogDisk();
  const { wal } = await openOn(disk);
  await append(wal, run(1, 3, 1), state(1, 4, 0));
  await append(wal, run(3, 4, 1), state(1, 4, 2));
  await append(wal, run(4, 6, 2), state(2, 4, 3));
  return disk.clone();
}

describe("recovery", () => {
  it("starts after a cut at any byte of the last batch, without that batch", async () => {
    const whole = await threeBatches();
    const size = Buffer.from(file(whole, FIRST)).lastIndexOf("e5") + 2 - 2 * BLOCK;
    for (let cut = 0; cut <= size; cut++) {
      const disk = whole.clone();
      file(disk, FIRST).fill(0, 2 * BLOCK + cut);
      const { wal, recovery } = await openOn(disk);
      assert.equal(wal.lastIndex(), cut === size ? 5 : 3, `cut at ${cut}`);
      assert.equal(recovery.hardState.term, 2, "the second copy keeps the term");
      if (cut >= 40 && cut < size) assert.ok(recovery.tornBytes > 0, `cut at ${cut}`);
      await append(wal, run(wal.lastIndex() + 1, wal.lastIndex() + 2, 2, "new"));
      await wal.close();
      assert.match(present(contents((await openOn(disk)).wal).at(-1), "one"), /:2:new/);
    }
  });

  it("takes any flipped byte for a torn last batch or names file and offset, and never misreads", async () => {
    const whole = await threeBatches();
    const expected = contents((await openOn(whole.clone())).wal);
    const outcomes = { torn: 0, named: 0, padding: 0 };
    for (let flip = 0; flip < 3 * BLOCK; flip++) {
      if (flip % BLOCK > 200 && flip % 97 !== 0) continue;
      const disk = whole.clone();
      const bytes = file(disk, FIRST);
      bytes[flip] = (bytes[flip] ?? 0) ^ (1 << (flip % 8));
      const block = Math.floor(flip / BLOCK);
      try {
        const { wal, recovery } = await openOn(disk);
        const held = contents(wal);
        assert.deepEqual(held, expected.slice(0, held.length));
        if (held.length === 5) outcomes.padding += 1;
        else {
          assert.equal(block, 2, `byte ${flip} silently lost entries`);
          assert.equal(held.length, 3);
          assert.ok(recovery.tornBytes > 0);
          outcomes.torn += 1;
        }
      } catch (error) {
        if ((error as { code?: string }).code !== "logCorruption") throw error;
        assert.match(String(error), new RegExp(`${FIRST} offset ${block * BLOCK}:`));
        assert.ok(block < 2);
        outcomes.named += 1;
      }
    }
    assert.ok(
      outcomes.torn > 90 && outcomes.named > 180 && outcomes.padding > 50,
      JSON.stringify(outcomes),
    );
  });

  it("names damage to any batch of a log that was closed", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 3, 1), state(1, 4, 0));
    await append(wal, run(3, 4, 1));
    await wal.close();
    for (const block of [0, 1]) {
      const damaged = disk.clone();
      file(damaged, FIRST)[block * BLOCK + 90] = 0xee;
      await assert.rejects(openOn(damaged), {
        code: "logCorruption",
        message: new RegExp(`offset ${block * BLOCK}:`),
      });
    }
  });

  it("names a batch lost, doubled or put in another's place", async () => {
    const whole = await threeBatches();
    const lost = whole.clone();
    file(lost, FIRST).fill(0, BLOCK, 2 * BLOCK);
    await assert.rejects(openOn(lost), { code: "logCorruption", message: /offset 4096:/ });
    const doubled = whole.clone();
    file(doubled, FIRST).copyWithin(BLOCK, 0, BLOCK);
    await assert.rejects(openOn(doubled), { code: "logCorruption", message: /offset 4096:/ });
    const after = whole.clone();
    file(after, FIRST).copyWithin(3 * BLOCK, 2 * BLOCK, 3 * BLOCK);
    assert.equal(
      (await openOn(after)).wal.lastIndex(),
      5,
      "a stale copy after the end is not data",
    );
  });

  it("names a batch that does not follow from the one before it", async () => {
    const disks: LogDisk[] = [];
    for (const text of ["a", "b"]) {
      const disk = new LogDisk();
      const { wal } = await openOn(disk);
      await append(wal, run(1, 3, 1, text), state(1, 4, 0));
      await append(wal, run(3, 4, 1, text));
      disks.push(disk);
    }
    const [one, other] = disks;
    assert.ok(one !== undefined && other !== undefined);
    // The same salt, place and sequence: only the chain of checksums tells.
    file(one, FIRST).set(file(other, FIRST).subarray(BLOCK, 2 * BLOCK), BLOCK);
    await assert.rejects(openOn(one), {
      code: "logCorruption",
      message: /offset 4096: does not follow/,
    });
  });

  it("names damage in an earlier segment, at its end included, and a missing segment", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    for (let i = 1; i <= 20; i++) await append(wal, run(i, i + 1, 1));
    const blocks = SMALL_SEGMENT / BLOCK;
    for (const block of [0, 3, blocks - 1]) {
      const damaged = disk.clone();
      file(damaged, FIRST)[block * BLOCK + 20] = 0xee;
      const message = new RegExp(`${FIRST} offset ${block * BLOCK}:`);
      await assert.rejects(openOn(damaged), { code: "logCorruption", message });
    }
    const opening = disk.clone();
    file(opening, SECOND)[3] = 0xee;
    await assert.rejects(openOn(opening), { code: "logCorruption" });
    const gone = disk.clone();
    gone.files.delete(SECOND);
    await assert.rejects(openOn(gone), { code: "logCorruption", message: /is missing/ });
  });

  it("names the end of the log when batches that were durable before a vote are gone", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 3, 1), state(1, 0, 0));
    await append(wal, run(3, 4, 1));
    await append(wal, [], state(2, 4, 0));
    file(disk, FIRST).fill(0, BLOCK, 3 * BLOCK);
    await assert.rejects(openOn(disk), {
      code: "logCorruption",
      message: /offset 4096: batches 2 to 2/,
    });
    const empty = disk.clone();
    for (const name of empty.files.keys()) if (name !== "vote") empty.files.delete(name);
    await assert.rejects(openOn(empty), { code: "logCorruption" });
  });

  it("refuses a log of another member, naming the file", async () => {
    const disk = await threeBatches();
    const metadata = new Uint8Array([9]);
    await assert.rejects(openOn(disk, { metadata }), {
      code: "configuration",
      message: /another member/,
    });
  });

  it("never reads beyond a file for a huge length", async () => {
    const disk = await threeBatches();
    const bytes = file(disk, FIRST);
    new DataView(bytes.buffer).setUint32(2 * BLOCK + 12, 0xffff_fff0, true);
    const { wal, recovery } = await openOn(disk);
    assert.equal(wal.lastIndex(), 3);
    assert.ok(recovery.tornBytes <= SMALL_SEGMENT);
  });

  it("keeps term and vote when either copy is damaged", async () => {
    const whole = await threeBatches();
    const noVote = whole.clone();
    file(noVote, "vote").fill(0);
    assert.deepEqual((await openOn(noVote)).recovery.hardState, state(2, 4, 3));
    const missing = whole.clone();
    missing.files.delete("vote");
    assert.deepEqual((await openOn(missing)).recovery.hardState, state(2, 4, 3));
    const noTail = whole.clone();
    file(noTail, FIRST).fill(0, 2 * BLOCK);
    assert.deepEqual((await openOn(noTail)).recovery.hardState, state(2, 4, 2));
  });

  it("reads no batch that a client's bytes pretend to be", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 3, 1), state(1, 4, 0));
    const forged = file(disk, FIRST).slice(0, BLOCK);
    const view = new DataView(forged.buffer);
    view.setUint32(28, 2, true);
    view.setUint32(16, 1, true);
    file(disk, FIRST).set(forged, 2 * BLOCK);
    assert.equal((await openOn(disk)).wal.lastIndex(), 2);
  });

  it("makes the last batch durable again before it counts", async () => {
    const disk = await threeBatches();
    await openOn(disk);
    assert.ok(disk.operations.includes(`write ${FIRST} ${2 * BLOCK} ${BLOCK}`));
  });

  it("refuses entries that no longer pass their check", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 3, 1));
    file(disk, FIRST)[92 + 12] = 0xee;
    assert.throws(() => contents(wal), {
      code: "logCorruption",
      message: new RegExp(`${FIRST} offset 0`),
    });
  });
});

describe("a crash", () => {
  /** Every kind of operation: appends, truncations, recycling, removal, a reset, new terms. */
  async function history(
    wal: Awaited<ReturnType<typeof openOn>>["wal"],
    durable: Model,
  ): Promise<void> {
    let term = 1;
    const model = new Model();
    const step = async (from: number, end: number): Promise<void> => {
      const entries = run(from, end, term, `t${term}-`);
      model.append(
        entries.map((one) => `${one.index}:${one.term}:t${term}-${one.index}`),
        from,
      );
      const next = model.copy();
      durable.next = next;
      await append(wal, entries, state(term, term % 3, Math.max(0, from - 3)));
      durable.become(next);
      durable.term = term;
    };
    let index = 1;
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 6; i++) {
        await step(index, index + 1 + (i % 3));
        index += 1 + (i % 3);
      }
      if (round % 3 === 1) {
        term += 1;
        index -= 2;
      }
      if (round === 7) {
        index += 50;
        model.reset(index - 1, term);
        const next = model.copy();
        durable.next = next;
        await reset(wal, index - 1, term, state(term, 1, index - 1));
        durable.become(next);
      }
      if (round > 2) wal.release((index - 8) as never);
    }
  }

  class Model {
    base = 0;
    rows: string[] = [];
    term = 0;
    next: Model | null = null;
    append(rows: readonly string[], from: number): void {
      this.rows = [...this.rows.slice(0, from - this.base - 1), ...rows];
    }
    reset(index: number, _term: number): void {
      this.base = index;
      this.rows = [];
    }
    copy(): Model {
      const copy = new Model();
      copy.base = this.base;
      copy.rows = [...this.rows];
      return copy;
    }
    become(other: Model): void {
      this.base = other.base;
      this.rows = other.rows;
      this.next = null;
    }
    /** Whether this is what a log that has released some of its beginning may hold. */
    equals(held: readonly string[], first: number): boolean {
      if (first - 1 < this.base) return held.length === 0 && this.rows.length === 0;
      return JSON.stringify(this.rows.slice(first - 1 - this.base)) === JSON.stringify(held);
    }
  }

  it("at any operation of the device leaves exactly what was reported durable, or the batch under way", async () => {
    const dry = new LogDisk();
    const { wal } = await openOn(dry);
    await history(wal, new Model());
    const total = dry.operations.length;
    assert.ok(total > 80 && dry.operations.some((what) => what.startsWith("remove")), `${total}`);
    assert.ok(dry.operations.some((what) => what.startsWith("rename")));
    for (let at = 0; at < total; at++) {
      for (let seed = 0; seed < 4; seed++) await crashAt(at, seed * 7919 + at);
    }
  });

  async function crashAt(at: number, seed: number): Promise<void> {
    const random = seeded(seed);
    const disk = new LogDisk();
    const durable = new Model();
    let count = 0;
    let crashed = (): void => {};
    const over = new Promise<void>((resolve) => (crashed = resolve));
    let device: { crash: (random: ReturnType<typeof seeded>) => void } | null = null;
    const { MemoryLogDevice } = await import("../../sim/log-device.ts");
    const onOperation = (): void => {
      if (count++ !== at) return;
      // At the next microtask but before the operation lands: it is under way.
      device?.crash(random);
      crashed();
    };
    const made = new MemoryLogDevice({ disk, onOperation });
    device = made;
    const life = openOn(disk, { device: made }).then(({ wal }) => history(wal, durable));
    await Promise.race([life, over]);
    const { wal, failures } = await openOn(disk);
    const held = contents(wal);
    const first = wal.firstIndex();
    const isDurable = durable.equals(held, first);
    const isNext = durable.next?.equals(held, first) ?? false;
    assert.ok(isDurable || isNext, `crash at ${at}, seed ${seed}: ${held.length} from ${first}`);
    const next = wal.lastIndex() + 1;
    for (let i = next; i < next + 20; i++) await append(wal, run(i, i + 1, 99));
    assert.deepEqual(failures, [], `crash at ${at}, seed ${seed}`);
    await wal.close();
    const again = await openOn(disk);
    assert.equal(again.wal.lastIndex(), next + 19, `crash at ${at}, seed ${seed}`);
    assert.equal(toBlocks(again.recovery.tornBytes), 0);
  }
});
