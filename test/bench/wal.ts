/**
 * The log alone on this machine's disk. `node test/bench/wal.ts [directory] [spins]` prints how long an empty log takes to
 * open, the time from `append` to `onDurable` for one 4 KiB entry at a time and with the loop kept busy, and how many
 * 300-byte entries a second become durable when 1000 are always under way.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileLogDevice } from "../../node/storage.ts";
import { deferred } from "../../src/base/deferred.ts";
import { silentLogger } from "../../src/base/ports.ts";
import type { Index, MemberId, Term } from "../../src/raft/types.ts";
import { EntryKind, makeEntry } from "../../src/raft/types.ts";
import { Wal } from "../../src/wal/wal.ts";

const parent = process.argv[2] ?? tmpdir();
const spins = Number(process.argv[3] ?? 0);
const directory = mkdtempSync(join(parent, "quorate-wal-"));
const term = 1 as Term;

function print(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? NaN).toFixed(3);
  console.log(`${what}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms`);
}

async function open(): Promise<Wal> {
  const startedAt = performance.now();
  const { wal } = await Wal.open({
    device: FileLogDevice.open({ directory, sync: true, spins }),
    logger: silentLogger,
    clock: performance,
    random: {
      next: Math.random,
      between: (from, end) => from + Math.floor(Math.random() * (end - from)),
    },
    metadata: new Uint8Array(16),
    onFailure: (error) => {
      throw error;
    },
  });
  console.log(`open: ${(performance.now() - startedAt).toFixed(1)} ms`);
  return wal;
}

let next = 1;

function entry(size: number) {
  const made = makeEntry(term, next as Index, EntryKind.normal, new Uint8Array(size));
  next += 1;
  return made;
}

function appendOne(wal: Wal, size: number): Promise<number> {
  const { promise, resolve } = deferred<number>();
  const startedAt = performance.now();
  wal.append([entry(size)], null, () => resolve(performance.now() - startedAt));
  return promise;
}

async function alone(wal: Wal, count: number, what: string): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await appendOne(wal, 3900));
  print(what, times);
}

async function saturated(wal: Wal, millis: number): Promise<void> {
  const times: number[] = [];
  const startedAt = performance.now();
  const { batches } = wal.counters;
  let underWay = 0;
  let turns = true;
  const { promise, resolve } = deferred<void>();
  const turn = (): void => {
    if (performance.now() - startedAt > millis) turns = false;
    const count = turns ? Math.min(100, 1000 - underWay) : 0;
    if (count > 0) {
      const entries = Array.from({ length: count }, () => entry(300));
      const since = performance.now();
      underWay += count;
      wal.append(entries, { term, vote: 0n as MemberId, commit: 0 as Index }, () => {
        times.push(performance.now() - since);
        underWay -= count;
      });
    }
    if (turns || underWay > 0) setImmediate(turn);
    else resolve();
  };
  turn();
  const first = next;
  await promise;
  const seconds = (performance.now() - startedAt) / 1000;
  const wrote = wal.counters.batches - batches;
  print("saturated, 300-byte entries, appends of 100", times);
  console.log(
    `saturated: ${Math.round((next - first) / seconds)} entries/s in ${Math.round(wrote / seconds)} batches/s`,
  );
}

const wal = await open();
wal.append([], { term, vote: 7n as MemberId, commit: 0 as Index }, () => {});
await alone(wal, 200, "while the second segment is being made, 4 KiB");
await new Promise((settle) => setTimeout(settle, 500));
await alone(wal, 2000, "idle loop, 4 KiB");
await saturated(wal, 3000);
await wal.close();
const again = await open();
console.log(
  `recovered ${again.lastIndex()} entries, ${(again.bytesOnDisk / 2 ** 20).toFixed(0)} MiB on disk`,
);
const readAt = performance.now();
let read = 0;
for (let from = again.firstIndex(); from <= again.lastIndex();) {
  const entries = again.entries(from, (again.lastIndex() + 1) as Index, 2 ** 20) ?? [];
  read += entries.length;
  from = (from + entries.length) as Index;
}
console.log(`read ${read} entries back in ${(performance.now() - readAt).toFixed(0)} ms`);
await again.close();
rmSync(directory, { recursive: true });
