import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { Change } from "../../../src/mvcc/change.ts";
import { plainQuery, type RangeQuery } from "../../../src/mvcc/range.ts";
import { withoutValue } from "../../../src/mvcc/record.ts";
import type { Revision } from "../../../src/mvcc/revision.ts";
import { bytes, Fixture, k, show, showOutcome } from "../../unit/mvcc/fixture.ts";
import { type Entry, Model, showEntry, within } from "./model.ts";

const RUNS = 150;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

type Step =
  | { readonly kind: "write"; readonly ops: readonly Op[] }
  | { readonly kind: "range"; readonly query: RangeQuery; readonly back: number | null }
  | { readonly kind: "compact"; readonly back: number; readonly wait: boolean }
  | { readonly kind: "hash"; readonly back: number }
  | { readonly kind: "changes"; readonly back: number; readonly revisionsMax: number }
  | { readonly kind: "land" }
  | { readonly kind: "reopen" };

type Op =
  | { readonly kind: "put"; readonly key: string; readonly value: string; readonly lease: bigint }
  | {
      readonly kind: "delete";
      readonly key: string;
      readonly end: string | null;
      readonly slice: number;
    };

const key = fc.constantFrom("a", "a\0", "aa", "ab", "b", "ba", "c", "\xff", "\xff\xff", "\x00");
const end = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.constant("") },
  { weight: 3, arbitrary: key },
);
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key,
      value: fc.constantFrom("", "x", "value", "v".repeat(300)),
      lease: fc.constantFrom(0n, 0n, 1n, -1n, 0x7fffffffffffffffn),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      key,
      end,
      slice: fc.integer({ min: 1, max: 3 }),
    }),
  },
);
const bound = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 20 }));
const query: fc.Arbitrary<RangeQuery> = fc.record({
  key,
  end,
  limit: fc.integer({ min: -1, max: 4 }),
  countOnly: fc.constantFrom(false, false, false, true),
  keysOnly: fc.boolean(),
  sortOrder: fc.constantFrom("none", "none", "ascend", "descend"),
  sortTarget: fc.constantFrom("key", "key", "version", "create", "mod", "value"),
  minMod: bound,
  maxMod: bound,
  minCreate: bound,
  maxCreate: bound,
  revision: fc.constant(0),
}) as fc.Arbitrary<RangeQuery>;
const back = fc.integer({ min: -1, max: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      ops: fc.array(op, { maxLength: 5 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("range" as const),
      query,
      back: fc.option(back),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("compact" as const), back, wait: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hash" as const), back }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("changes" as const),
      back,
      revisionsMax: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("land" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

/** The store and its twin, side by side. */
class Pair {
  #fixture: Fixture;
  readonly #model = new Model();
  readonly #cacheBytesMax: number;
  /** Every record ever, whatever is compacted: for prev_kv. */
  readonly #everything = new Model();

  constructor(fixture: Fixture, cacheBytesMax: number) {
    this.#fixture = fixture;
    this.#cacheBytesMax = cacheBytesMax;
  }

  async run(of: Step): Promise<void> {
    switch (of.kind) {
      case "write":
        return await this.#write(of.ops);
      case "range":
        return await this.#range(of.query, of.back);
      case "compact":
        return await this.#compact(this.#model.revision - of.back, of.wait);
      case "hash":
        return await this.#hash(this.#model.revision - of.back);
      case "changes":
        return await this.#changes(this.#model.revision - of.back, of.revisionsMax);
      case "land":
        return await this.#fixture.buffer.drain();
      case "reopen":
        await this.#settle();
        this.#fixture = await this.#fixture.reopened({
          cacheBytesMax: this.#cacheBytesMax,
          compactionRowsMax: 3,
        });
        assert.equal(this.#fixture.store.revision, this.#model.revision);
        assert.equal(this.#fixture.store.keyCount, this.#model.live(this.#model.revision).length);
    }
  }

  async #write(ops: readonly Op[]): Promise<void> {
    const model = this.#model;
    const txn = this.#fixture.store.beginWrite();
    const main = model.revision + 1;
    let sub = 0;
    const written: string[] = [];
    const deletes: Extract<Op, { kind: "delete" }>[] = [];
    const pinned: { readonly read: () => Promise<unknown>; readonly expected: unknown }[] = [];
    for (const each of ops) {
      // A transaction that puts a key twice, or puts and deletes it, is refused before it gets here.
      if (each.kind === "put") {
        if (written.includes(each.key)) continue;
        if (deletes.some((of) => within(each.key, of.key, of.end))) continue;
        written.push(each.key);
        model.put(main, sub, each.key, each.value, each.lease);
        this.#everything.put(main, sub++, each.key, each.value, each.lease);
        txn.put(k(each.key), bytes(each.value), each.lease);
      } else {
        if (written.some((of) => within(of, each.key, each.end))) continue;
        deletes.push(each);
        const doomed = model.deleteRange(main, sub, each.key, each.end);
        this.#everything.deleteRange(main, sub, each.key, each.end);
        sub += doomed.length;
        assert.deepEqual(deleteSliced(txn, each), doomed);
      }
      const pin = this.#fixture.store.pin(txn.position);
      const all = plainQuery(k("\0"), k(""));
      pinned.push({
        expected: model.rangeAt(all, main, sub - 1),
        read: async () => {
          const rows = await this.#fixture.store.rangeAt(all, pin);
          pin.release();
          return showOutcome(rows);
        },
      });
      const head = model.live(main).map((entry) => entry.key);
      assert.equal(
        this.#fixture.store.count(k("a"), k("b")),
        head.filter((of) => of >= "a" && of < "b").length,
      );
    }
    if (sub > 0) model.revision = main;
    assert.equal(txn.end(), model.revision);
    this.#fixture.seal();
    for (const { read, expected } of pinned) assert.deepEqual(await read(), expected);
  }

  async #range(asked: RangeQuery, backwards: number | null): Promise<void> {
    const { store } = this.#fixture;
    const revision = backwards === null ? 0 : this.#model.revision - backwards;
    const full = { ...asked, revision };
    const expected = this.#model.range(full);
    assert.deepEqual(showOutcome(await store.range(full)), expected);
    const chunks: Uint8Array[] = [];
    const sink = { chunk: (part: Uint8Array) => void chunks.push(part) };
    const summary = await store.rangeInto(full, null, sink, AbortSignal.timeout(10_000));
    if (summary.kind !== "rows") {
      assert.deepEqual(summary, expected);
      return;
    }
    const rows = decodeRows(Buffer.concat(chunks)).map(show);
    assert.deepEqual({ count: summary.count, more: summary.more, rows }, expected);
  }

  async #compact(at: number, wait: boolean): Promise<void> {
    const model = this.#model;
    const outcome = this.#fixture.compact(at);
    if (at <= model.compactRevision) assert.equal(outcome.kind, "compacted");
    else if (at > model.revision) assert.equal(outcome.kind, "future");
    if (outcome.kind !== "scheduled") return;
    const before = model.compactRevision;
    const taken = compactionHash(model, before, at);
    model.compact(at);
    if (!wait) return;
    await outcome.done;
    const { compactHashes } = this.#fixture.store;
    const hash = compactHashes.find((of) => of.revision === at);
    if (hash !== undefined)
      assert.deepEqual(hash, { hash: taken, revision: at, compactRevision: before });
  }

  async #hash(at: number): Promise<void> {
    const model = this.#model;
    const { store } = this.#fixture;
    const outcome = await store.hash(at, AbortSignal.timeout(10_000));
    if (store.compactHashes.some((of) => of.revision === at)) return;
    if (at > model.revision) return assert.equal(outcome.kind, "future");
    if (at > 0 && at < model.compactRevision) return assert.equal(outcome.kind, "compacted");
    const revision = at > 0 ? at : model.revision;
    const { compactRevision } = model;
    const expected = { hash: model.hash(revision), revision, compactRevision };
    assert.deepEqual(outcome, { kind: "hash", hash: expected, current: model.revision });
  }

  async #changes(asked: number, revisionsMax: number): Promise<void> {
    const model = this.#model;
    const from = Math.max(1, asked, model.compactRevision) as Revision;
    const until = (model.revision + 1) as Revision;
    const { changes, next } = await this.#fixture.store.readChanges(from, until, revisionsMax);
    const expected = model.history.filter((entry) => entry.main >= from && entry.main < next);
    assert.deepEqual(changes.map(showChange), expected.map(showEvent));
    const mains = new Set(expected.map((entry) => entry.main));
    assert.ok(mains.size <= revisionsMax);
    if (next < until) assert.equal(mains.size, revisionsMax);
    for (const change of changes) await this.#previous(change);
  }

  async #previous(change: Change): Promise<void> {
    const before = change.main - 1;
    const record = await this.#fixture.store.previousRecord(change);
    const entry = this.#everything.live(before).find((of) => of.key === change.key);
    if (before >= this.#model.compactRevision) {
      assert.equal(record && show(record), entry && showEntry(entry));
    } else if (record !== undefined) {
      assert.equal(show(record), entry && showEntry(entry));
    }
  }

  /** Nothing runs in the background, nothing failed there. */
  async #settle(): Promise<void> {
    while (this.#fixture.store.isCompacting) {
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(this.#fixture.fatal, []);
    }
  }

  async finish(): Promise<void> {
    await this.#settle();
    await this.run({ kind: "reopen" });
    await this.#range(plainQuery(k("\0"), k("")), null);
    await this.#hash(this.#model.revision);
    const records = this.#fixture.buffer.totals(1).count;
    assert.equal(
      records,
      this.#model.history.length,
      "what is compacted is gone, all else is there",
    );
    await this.#fixture.store.close();
  }
}

function deleteSliced(
  txn: ReturnType<Fixture["store"]["beginWrite"]>,
  each: Extract<Op, { kind: "delete" }>,
): string[] {
  const deleted: string[] = [];
  let from = k(each.key);
  for (;;) {
    const slice = txn.deleteRange(from, each.end === null ? null : k(each.end), each.slice);
    deleted.push(...slice.deleted.map((version) => version.key));
    if (slice.next === null) return deleted;
    from = slice.next;
  }
}

/** What a compaction at `at`, the one before at `before`, hashes: everything since, and what was kept then. */
function compactionHash(model: Model, before: number, at: number): number {
  const kept = model.retained(at);
  const seen = new Model();
  seen.history = model.history.filter((entry) => {
    if (entry.main > at) return false;
    if (entry.main > before) return true;
    if (kept.size > 0 && !kept.has(entry)) return false;
    return !(entry.value === null && entry.main === before);
  });
  return seen.hash(at);
}

function showChange(change: Change): string {
  assert.equal(change.tombstone, show(change.record).includes(" 0/"));
  return `${change.main}.${change.sub} ${show(change.record)}`;
}

function showEvent(entry: Entry): string {
  const { main, sub, key: of, value } = entry;
  return `${main}.${sub} ${value === null ? `${of}= 0/${main}/0` : showEntry(entry)}`;
}

function decodeRows(all: Buffer): Uint8Array[] {
  const rows: Uint8Array[] = [];
  for (let at = 0; at < all.length;) {
    assert.equal(all[at++], 0x12);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = all[at++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    rows.push(all.subarray(at, at + length));
    at += length;
  }
  return rows;
}

describe("Store", () => {
  for (const cacheBytesMax of [1 << 20, 4096, 0]) {
    it(`answers as an array of puts does, with a cache of ${cacheBytesMax} bytes`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
          async (steps) => {
            const options = { cacheBytesMax, compactionRowsMax: 3 };
            const pair = new Pair(await Fixture.open(options), cacheBytesMax);
            for (const each of steps) await pair.run(each);
            await pair.finish();
          },
        ),
        { seed, numRuns: RUNS },
      );
    });
  }

  it("a record without its value keeps everything else", () => {
    const record = bytes("\x0a\x01k\x10\x02\x18\x03\x20\x04\x2a\x03abc\x30\x07");
    assert.deepEqual(
      Buffer.from(withoutValue(record)),
      Buffer.from(bytes("\x0a\x01k\x10\x02\x18\x03\x20\x04\x30\x07")),
    );
  });
});
