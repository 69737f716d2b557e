import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Key } from "../../../src/base/bytes.ts";
import { Prng } from "../../../src/base/prng.ts";
import { TreeIndex } from "../../../src/mvcc/tree-index.ts";
import { OPEN_END } from "../../../src/mvcc/tree-walk.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

function keyNumber(at: number): Key {
  return `key${at.toString().padStart(6, "0")}` as Key;
}

function keysOf(index: TreeIndex, from: Key, end: Key): Key[] {
  const keys: Key[] = [];
  index.visit(from, end, (leaf, first, last) => {
    keys.push(...leaf.keys.slice(first, last));
    return true;
  });
  return keys;
}

function compactAll(index: TreeIndex, main: number): void {
  let from: Key | null = OPEN_END;
  while (from !== null) from = index.compactSlice(from, main, 100);
}

describe("TreeIndex", () => {
  for (const [order, pick] of [
    ["ascending", (at: number) => at],
    ["descending", (at: number) => 40_000 - at],
    ["shuffled", (at: number) => (at * 27_059) % 40_009],
  ] as const) {
    it(`keeps keys put in ${order} order sorted, counted and found`, () => {
      const index = new TreeIndex(0);
      const all = new Set<Key>();
      for (let at = 0; at < 40_000; at++) {
        const key = keyNumber(pick(at));
        all.add(key);
        assert.equal(index.put(key, at + 2, 0), null);
      }
      const sorted = [...all].toSorted((a, b) => (a < b ? -1 : 1));
      assert.deepEqual(keysOf(index, OPEN_END, OPEN_END), sorted);
      assert.equal(index.liveCount, all.size);
      for (let from = 0; from < 40_000; from += 997) {
        const [low, high] = [keyNumber(from), keyNumber(from + 1234)];
        const expected = sorted.filter((key) => key >= low && key < high);
        assert.equal(index.countLive(low, high), expected.length);
        assert.deepEqual(keysOf(index, low, high), expected);
        assert.equal(index.current(low)?.key, all.has(low) ? low : undefined);
      }
      assert.equal(index.countLive(keyNumber(9), keyNumber(3)), 0, "an inverted interval is empty");
    });
  }

  it(`agrees with a sorted map under puts, deletes and compactions (seed ${seed})`, () => {
    const random = new Prng(seed);
    const index = new TreeIndex(20_000);
    const live = new Map<Key, { create: number; main: number; version: number }>();
    let main = 1;
    for (let round = 0; round < 30; round++) {
      const deleting = round % 3 === 2;
      for (let at = 0; at < 2_000; at++) {
        const key = keyNumber(random.between(0, 3_000));
        const before = live.get(key);
        main++;
        if (deleting) {
          const gone = index.tombstone(key, main, 0);
          assert.equal(gone?.main, before?.main);
          live.delete(key);
          continue;
        }
        const previous = index.put(key, main, 0);
        index.cacheLast(Buffer.from(`${key}@${main}`));
        assert.equal(previous?.version, before?.version);
        assert.equal(previous?.create, before?.create);
        live.set(key, {
          create: before?.create ?? main,
          main,
          version: (before?.version ?? 0) + 1,
        });
      }
      if (round % 2 === 1) {
        compactAll(index, main);
        const held = deleting ? index.keyCount - live.size : 0;
        assert.ok(held <= 1, "only a tombstone of exactly the compact revision stays");
      }
      assert.ok(index.cache.bytes <= 20_000);
      assert.equal(index.liveCount, live.size);
      assert.equal(index.countLive(keyNumber(500), keyNumber(900)), countOf(live, 500, 900));
      for (const [key, { create, main: newest, version }] of live) {
        const found = index.current(key);
        assert.deepEqual([found?.create, found?.main, found?.version], [create, newest, version]);
        if (found?.record) assert.equal(Buffer.from(found.record).toString(), `${key}@${newest}`);
      }
    }
  });

  it("gives an emptied index back", () => {
    const index = new TreeIndex(0);
    for (let at = 0; at < 20_000; at++) index.put(keyNumber(at), 2, at);
    for (let at = 0; at < 20_000; at++) index.tombstone(keyNumber(at), 3, at);
    index.put(keyNumber(7), 4, 0);
    compactAll(index, 4);
    assert.equal(index.keyCount, 1);
    assert.deepEqual(keysOf(index, OPEN_END, OPEN_END), [keyNumber(7)]);
    assert.equal(index.current(keyNumber(7))?.create, 4);
  });
});

function countOf(live: ReadonlyMap<Key, unknown>, from: number, end: number): number {
  return [...live.keys()].filter((key) => key >= keyNumber(from) && key < keyNumber(end)).length;
}
