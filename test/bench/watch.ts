/**
 * Fan-out: 100 streams of 100 watchers on one key, as etcd's `benchmark watch`: `node test/bench/watch.ts`. Counts events handed
 * to sinks a second of one core, first bare, then with each response encoded as the server does it.
 */
import { encodeWatchEventsRaw, HeaderIds } from "../../src/api/hot.ts";
import { BackendBuffer } from "../../src/backend/buffer.ts";
import { MemoryBackend } from "../../src/backend/memory.ts";
import type { Key } from "../../src/base/bytes.ts";
import type { Pace } from "../../src/mvcc/pace.ts";
import { Store } from "../../src/mvcc/store.ts";
import { WatchStore } from "../../src/mvcc/watch-store.ts";
import type { WatchRequest, WatchResponseParts, WatchSink } from "../../src/mvcc/watcher.ts";

const STREAMS = 100;
const WATCHERS = 100;
const WRITES = 400;
const VALUE = Buffer.alloc(256, 7);

const pace: Pace = {
  now: () => performance.now(),
  turn: async () => await new Promise((resolve) => setImmediate(resolve)),
  sleep: async (ms) => await new Promise((resolve) => setTimeout(resolve, ms)),
};

class CountingSink implements WatchSink {
  readonly queuedBytes = 0;
  readonly connectionQueuedBytes = 0;
  readonly isCrowded = false;
  readonly #encode: boolean;
  events = 0;
  bytes = 0;

  constructor(encode: boolean) {
    this.#encode = encode;
  }

  deliver({ kind, watchId, revision, events, fragment }: WatchResponseParts): void {
    if (kind !== "events") return;
    this.events += events.length;
    if (!this.#encode) return;
    const header = { ids: HEADER_IDS, revision, raftTerm: 2 };
    this.bytes += encodeWatchEventsRaw(header, watchId, events, fragment).length;
  }

  onDrained(): void {}

  onRoom(): void {}
}

const HEADER_IDS = new HeaderIds(0x1234_5678_9abc_def0n, 0xfedc_ba98_7654_3210n);

async function fanOut(
  name: string,
  writesATurn: number,
  options: { encode: boolean; prevKv: boolean },
): Promise<void> {
  const fatal = (error: unknown): void => {
    throw error;
  };
  const backend = new MemoryBackend();
  const buffer = BackendBuffer.open(backend);
  const store = await Store.open({ backend, buffer, pace, onFatal: fatal });
  const random = { next: Math.random, between: (from: number): number => from };
  const watches = new WatchStore({
    history: store,
    pace,
    random,
    progressIntervalMs: 600_000,
    onFatal: fatal,
  });
  const sinks = Array.from({ length: STREAMS }, () => new CountingSink(options.encode));
  const request: WatchRequest = {
    key: "watched" as Key,
    rangeEnd: "" as Key,
    startRevision: 0,
    watchId: 0,
    progressNotify: false,
    prevKv: options.prevKv,
    noPut: false,
    noDelete: false,
    fragment: false,
  };
  for (const sink of sinks) {
    const stream = watches.open(sink);
    for (let at = 0; at < WATCHERS; at++) watches.create(stream, request);
  }
  let index = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let write = 0; write < WRITES; write += writesATurn) {
    for (let at = 0; at < writesATurn; at++) {
      const txn = store.beginWrite();
      txn.put("watched" as Key, VALUE, 0n);
      const revision = txn.end();
      buffer.seal(++index, 1);
      watches.onChanges(revision, txn.changes);
    }
    watches.flush();
    await pace.turn();
  }
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const events = sinks.reduce((sum, sink) => sum + sink.events, 0);
  if (events !== STREAMS * WATCHERS * WRITES) throw new Error(`${events} events arrived`);
  const cpuUs = (used.user + used.system) / events;
  console.log(
    `${name}: ${Math.round(events / seconds)} events/s, ${cpuUs.toFixed(3)} us CPU an event`,
  );
  await store.close();
}

await fanOut("warm-up", 1, { encode: false, prevKv: false });
await fanOut("store alone, 1 write a turn", 1, { encode: false, prevKv: false });
await fanOut("store alone, 10 writes a turn", 10, { encode: false, prevKv: false });
await fanOut("encoded, 1 write a turn", 1, { encode: true, prevKv: false });
await fanOut("encoded, 10 writes a turn", 10, { encode: true, prevKv: false });
await fanOut("encoded, previous values, 1 write a turn", 1, { encode: true, prevKv: true });
