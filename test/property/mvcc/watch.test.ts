/** Watchers over the real store, against a list of everything that was ever written. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { decodeEvent } from "../../../src/api/gen/mvcc.ts";
import type { Key } from "../../../src/base/bytes.ts";
import type { Change, ChangeSlice, History } from "../../../src/mvcc/change.ts";
import type { Revision } from "../../../src/mvcc/revision.ts";
import type { Store } from "../../../src/mvcc/store.ts";
import { WatchStore } from "../../../src/mvcc/watch-store.ts";
import type { WatchRequest, WatchResponseParts, WatchStream } from "../../../src/mvcc/watcher.ts";
import { Fixture, testPace } from "../../unit/mvcc/fixture.ts";
import { RecordingSink } from "../../unit/mvcc/naive-history.ts";

const STREAMS = 3;
const KEYS = ["a", "b", "c", "d"];
const key = fc.constantFrom(...KEYS);
const stream = fc.nat(STREAMS - 1);

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      puts: fc.uniqueArray(key, { maxLength: 3 }),
      deletes: fc.uniqueArray(key, { maxLength: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      stream,
      key,
      rangeEnd: fc.constantFrom("", "\0", "c", "e"),
      /** Against the revision then; 0: from now on. */
      start: fc.constantFrom(0, -8, -3, -1, 1, 4),
      prevKv: fc.boolean(),
      noPut: fc.boolean(),
      noDelete: fc.boolean(),
    }),
  },
  fc.record({
    kind: fc.constantFrom("block" as const, "drain" as const, "progress" as const),
    stream,
  }),
  fc.record({ kind: fc.constant("cancel" as const), stream, watchId: fc.nat(3) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
  fc.record({ kind: fc.constant("settle" as const), turns: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("compact" as const), back: fc.nat(5) }),
);

interface Written {
  readonly main: number;
  readonly key: string;
  readonly text: string;
  readonly tombstone: boolean;
  readonly previous: string | null;
}

interface Watched {
  readonly request: WatchRequest;
  readonly stream: number;
  readonly watchId: number;
  readonly from: number;
  canceled: boolean;
}

/** The store as history, but slow: reading takes turns, in short slices, and every third previous value is on disk. */
class SlowHistory implements History {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get revision(): Revision {
    return this.#store.revision;
  }

  get compactRevision(): number {
    return this.#store.compactRevision;
  }

  async readChanges(from: Revision, end: Revision): Promise<ChangeSlice> {
    await testPace.turn();
    const slice = await this.#store.readChanges(from, end, 2);
    await testPace.turn();
    return slice;
  }

  previousRecord(change: Change): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const record = this.#store.previousRecord(change);
    return change.main % 3 === 0 ? testPace.turn().then(() => record) : record;
  }
}

class World {
  readonly fixture: Fixture;
  readonly store: WatchStore;
  readonly sinks: RecordingSink[] = [];
  readonly streams: WatchStream[] = [];
  readonly written: Written[] = [];
  readonly watched: Watched[] = [];
  readonly fatal: unknown[] = [];
  readonly live = new Map<string, string>();
  #value = 0;

  static async open(): Promise<World> {
    // A cache for one or two values: previous ones must often be loaded.
    return new World(await Fixture.open({ cacheBytesMax: 60, compactionRowsMax: 3 }));
  }

  private constructor(fixture: Fixture) {
    this.fixture = fixture;
    this.store = new WatchStore({
      history: new SlowHistory(fixture.store),
      pace: testPace,
      random: { next: () => 0, between: (from) => from },
      progressIntervalMs: 1_000,
      onFatal: (error) => this.fatal.push(error),
      streamBytesMax: 1_000,
    });
    for (let at = 0; at < STREAMS; at++) {
      const sink = new RecordingSink();
      this.sinks.push(sink);
      this.streams.push(this.store.open(sink));
    }
  }

  write(puts: readonly string[], deletes: readonly string[]): void {
    const main = this.fixture.store.revision + 1;
    const txn = this.fixture.store.beginWrite();
    for (const name of deletes) {
      if (puts.includes(name)) continue;
      txn.deleteRange(name as Key, null, 1);
      this.#note(main, name, null);
    }
    for (const name of puts) {
      const value = `v${this.#value++}`;
      txn.put(name as Key, Buffer.from(value), 0n);
      this.#note(main, name, value);
    }
    const revision = txn.end();
    this.fixture.seal();
    if (txn.changes.length > 0) this.store.onChanges(revision, txn.changes);
  }

  #note(main: number, name: string, value: string | null): void {
    const previous = this.live.get(name) ?? null;
    if (value === null && previous === null) return;
    const tombstone = value === null;
    const text = tombstone ? `-${name}@${main}` : `${name}=${value}@${main}`;
    this.written.push({ main, key: name, text, tombstone, previous });
    if (tombstone) this.live.delete(name);
    else this.live.set(name, text);
  }

  create(at: number, wanted: Omit<WatchRequest, "startRevision">, start: number): void {
    const { revision } = this.fixture.store;
    const startRevision = start === 0 ? 0 : Math.max(1, revision + start);
    const request = { ...wanted, startRevision };
    const into = this.streams[at];
    assert.ok(into !== undefined);
    const outcome = this.store.create(into, request);
    if (outcome.kind !== "created") {
      assert.equal(outcome.kind, "emptyRange");
      return;
    }
    const from = start === 0 ? revision + 1 : startRevision;
    this.watched.push({ request, stream: at, watchId: outcome.watchId, from, canceled: false });
  }

  cancel(at: number, watchId: number): void {
    const into = this.streams[at];
    assert.ok(into !== undefined);
    const found = this.watched.find((own) => own.stream === at && own.watchId === watchId);
    if (this.store.cancel(into, watchId) && found !== undefined) found.canceled = true;
  }

  compact(back: number): void {
    const at = this.fixture.store.revision - back;
    if (at > this.fixture.store.compactRevision && at > 1) this.fixture.store.compact(at);
    this.fixture.seal();
  }

  async rest(): Promise<void> {
    this.store.flush();
    for (let turn = 0; turn < 2_000 && (turn < 5 || this.store.slowWatcherCount > 0); turn++) {
      for (const sink of this.sinks) sink.drain();
      await testPace.turn();
    }
    assert.deepEqual(this.fatal, []);
    assert.deepEqual(this.fixture.fatal, []);
    assert.equal(this.store.slowWatcherCount, 0);
  }

  async close(): Promise<void> {
    for (const each of this.streams) this.store.close(each);
    assert.equal(this.store.watcherCount, 0);
    await this.fixture.store.close();
  }
}

function decoded(event: Uint8Array): { main: number; text: string; previous: string | null } {
  const { type, kv, prevKv } = decodeEvent(event);
  assert.ok(kv !== null);
  const latin1 = (of: Uint8Array): string => Buffer.from(of).toString("latin1");
  const text = (of: NonNullable<typeof kv>): string =>
    `${latin1(of.key)}=${latin1(of.value)}@${of.modRevision}`;
  return {
    main: kv.modRevision,
    text: type === 1 ? `-${latin1(kv.key)}@${kv.modRevision}` : text(kv),
    previous: prevKv === null ? null : text(prevKv),
  };
}

function concerns({ request, from }: Watched, change: Written): boolean {
  const { key: start, rangeEnd, noPut, noDelete } = request;
  const inRange =
    rangeEnd === ""
      ? change.key === start
      : change.key >= start && (rangeEnd === "\0" || change.key < rangeEnd);
  return inRange && change.main >= from && !(change.tombstone ? noDelete : noPut);
}

/** What one watcher got, in the order in which its stream got it. */
function assertWatcher(world: World, watched: Watched): void {
  const responses = world.sinks[watched.stream]?.responses ?? [];
  const expected = world.written.filter((change) => concerns(watched, change));
  let next = 0;
  let ended = false;
  let created = false;
  for (const response of responses) {
    if (response.kind === "progress" && created && !ended)
      assertNothingBelow(response, expected, next);
    if (response.watchId !== watched.watchId) continue;
    assert.ok(!ended, "nothing after the end");
    if (response.kind === "created") created = true;
    assert.ok(created, "created comes first");
    if (response.kind === "canceled") ended = true;
    if (response.kind === "compacted") {
      const missing = expected[next]?.main ?? response.revision + 1;
      assert.ok(response.compactRevision > watched.from, "only what lagged is canceled");
      assert.ok(missing > 0);
      ended = true;
    }
    next = assertEvents(world, watched, response, expected, next);
  }
  assert.ok(created);
  if (!ended) assert.equal(next, expected.length, "everything arrived");
}

/** Reliable, ordered, unique, atomic, with the right previous values. */
function assertEvents(
  world: World,
  { request }: Watched,
  response: WatchResponseParts,
  expected: readonly Written[],
  from: number,
): number {
  let next = from;
  for (const event of response.events) {
    const got = decoded(event);
    const want = expected[next++];
    assert.equal(got.text, want?.text);
    assert.ok(got.main <= response.revision, "the header is not behind its events");
    if (!request.prevKv) assert.equal(got.previous, null);
    else if (got.previous !== null || world.fixture.store.compactRevision < got.main) {
      assert.equal(got.previous, want?.previous ?? null);
    }
  }
  if (response.events.length > 0) {
    assert.notEqual(expected[next]?.main, expected[next - 1]?.main, "a revision is not split");
  }
  return next;
}

function assertNothingBelow(
  { revision }: WatchResponseParts,
  expected: readonly Written[],
  next: number,
): void {
  assert.ok((expected[next]?.main ?? Infinity) > revision, "progress overtook an event");
}

describe("WatchStore over the store, against everything written", () => {
  it("is ordered, unique, reliable, atomic, resumable, bookmarkable, with previous values and filters", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 70 }), async (actions) => {
        const world = await World.open();
        for (const step of actions) {
          switch (step.kind) {
            case "write":
              world.write(step.puts, step.deletes);
              break;
            case "create": {
              const { key: name, rangeEnd, prevKv, noPut, noDelete } = step;
              const flags = { prevKv, noPut, noDelete, progressNotify: false, fragment: false };
              const range = { key: name as Key, rangeEnd: rangeEnd as Key, watchId: 0 };
              world.create(step.stream, { ...range, ...flags }, step.start);
              break;
            }
            case "cancel":
              world.cancel(step.stream, step.watchId);
              break;
            case "block":
            case "drain":
            case "progress": {
              const [sink, own] = [world.sinks[step.stream], world.streams[step.stream]];
              assert.ok(sink !== undefined && own !== undefined);
              if (step.kind === "block") sink.queuedBytes = 2_000;
              else if (step.kind === "drain") sink.drain();
              else world.store.requestProgress(own);
              break;
            }
            case "turn":
              world.store.flush();
              break;
            case "settle":
              world.store.flush();
              for (let turn = 0; turn < step.turns; turn++) await testPace.turn();
              break;
            case "compact":
              world.compact(step.back);
              break;
          }
        }
        await world.rest();
        for (const watched of world.watched) assertWatcher(world, watched);
        await world.close();
      }),
      { numRuns: 250 },
    );
  });
});
