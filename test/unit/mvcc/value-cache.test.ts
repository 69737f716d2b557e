import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Key } from "../../../src/base/bytes.ts";
import { Prng } from "../../../src/base/prng.ts";
import { type CachedRecord, ValueCache } from "../../../src/mvcc/value-cache.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** A cache with the map that it should be, as far as it reaches. */
class World {
  readonly entries = new Map<Key, CachedRecord>();
  readonly records = new Map<Key, Buffer>();
  readonly cache: ValueCache;
  evictions = 0;

  constructor(bytesMax: number) {
    this.cache = new ValueCache(bytesMax, (entry) => {
      assert.equal(this.entries.get(entry.key), entry, "only what is there is evicted, once");
      this.entries.delete(entry.key);
      this.evictions++;
    });
  }

  write(key: Key, record: Buffer): void {
    const entry = this.entries.get(key);
    const made =
      entry === undefined ? this.cache.add(key, record) : this.cache.replace(entry, record);
    this.records.set(key, record);
    if (made === null) this.entries.delete(key);
    else this.entries.set(key, made);
  }

  remove(key: Key): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.cache.remove(entry);
  }

  check(): void {
    assert.equal(this.cache.count, this.entries.size);
    for (const [key, { record }] of this.entries) {
      assert.deepEqual(Buffer.from(record), this.records.get(key));
    }
  }
}

describe("ValueCache", () => {
  for (const [sizes, sizeMax] of [
    ["small", 30],
    ["large", 1_000],
    ["too large for it now and then", 1_600],
  ] as const) {
    it(`gives back what was put in, while records of ${sizes} bytes come and go (seed ${seed})`, () => {
      const random = new Prng(seed + sizeMax);
      const world = new World(10_000);
      for (let step = 0; step < 20_000; step++) {
        const key = `key${random.between(0, 120)}` as Key;
        const kind = random.between(0, 10);
        if (kind === 0) world.remove(key);
        else if (kind < 4) {
          const entry = world.entries.get(key);
          if (entry !== undefined) entry.used = true;
        } else {
          const size = random.between(1, sizeMax);
          world.write(key, Buffer.alloc(size, random.between(0, 256)));
        }
        assert.ok(world.cache.bytes <= 10_000);
        if (step % 50 === 0) world.check();
      }
      world.check();
      assert.ok(world.evictions > 0);
      assert.ok(world.cache.count > 3);
    });
  }

  it("keeps what was used before what was not", () => {
    const world = new World(100_000);
    const write = (at: number): void => world.write(`key${at}` as Key, Buffer.alloc(200, at));
    for (let at = 0; at < 300; at++) write(at);
    const first = world.entries.size;
    for (let at = 0; at < 300; at += 3) {
      const entry = world.entries.get(`key${at}` as Key);
      if (entry !== undefined) entry.used = true;
    }
    const used = [...world.entries.values()].filter((entry) => entry.used).length;
    assert.ok(used > 50);
    for (let at = 300; at < 300 + (first - used) / 2; at++) write(at);
    const left = [...world.entries.keys()].filter((key) => Number(key.slice(3)) < 300);
    assert.ok(left.filter((key) => Number(key.slice(3)) % 3 === 0).length >= used - 1);
    assert.ok(left.length < first);
    world.check();
  });

  it("has no more entries than a quarter of its bound is for, however small the records are", () => {
    const world = new World(96_000);
    for (let at = 0; at < 2_000; at++) world.write(`key${at % 500}` as Key, Buffer.alloc(1));
    assert.ok(world.cache.count > 200 && world.cache.count <= 250, String(world.cache.count));
    assert.ok(world.cache.bytes <= 250 * 97);
    world.check();
  });

  it("keeps a record that was read when its place is written again", () => {
    const world = new World(4_000);
    world.write("a" as Key, Buffer.alloc(100, 1));
    const read = world.entries.get("a" as Key)?.record;
    for (let at = 0; at < 200; at++) world.write(`b${at}` as Key, Buffer.alloc(100, 2));
    assert.equal(world.entries.has("a" as Key), false);
    assert.deepEqual(read, Buffer.alloc(100, 1));
  });

  it("holds nothing where it has no room", () => {
    const world = new World(0);
    world.write("a" as Key, Buffer.alloc(1));
    assert.equal(world.cache.count, 0);
    assert.equal(world.cache.bytes, 0);
  });
});
