/**
 * What a put costs on its way to the store: `node test/bench/backend.ts`. Ten seconds; says how much time the loop spends and
 * how much CPU the process.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Backend } from "../../src/backend/backend.ts";
import { BackendBuffer } from "../../src/backend/buffer.ts";
import { Bucket } from "../../src/backend/buckets.ts";
import { LevelBackend } from "../../src/backend/level.ts";
import { MemoryBackend } from "../../src/backend/memory.ts";

const RECORDS = 400_000;
const ENTRIES_A_TURN = 100;
const BYTES = 256;

/** Values that compress about as well as the objects of Kubernetes do. */
function payloads(): Buffer[] {
  return Array.from({ length: 997 }, (_, at) => {
    const text = `{"kind":"Pod","name":"web-${at}","uid":"${Math.imul(at, 0x9e3779b1) >>> 0}"`;
    const value = Buffer.alloc(BYTES, text);
    for (let place = 0; place < BYTES; place += 3)
      value[place] = Math.imul(place + at, 2654435761) >>> 24;
    return value;
  });
}

async function writes(name: string, backend: Backend): Promise<BackendBuffer> {
  const buffer = BackendBuffer.open(backend);
  const values = payloads();
  const key = Buffer.alloc(16);
  let loopMs = 0;
  const started = performance.now();
  const cpu = process.cpuUsage();
  for (let index = 1; index <= RECORDS;) {
    const from = performance.now();
    for (let entry = 0; entry < ENTRIES_A_TURN; entry++, index++) {
      key.writeUInt32BE(index, 4);
      buffer.put(Bucket.keys, key, values[index % values.length] ?? key);
      buffer.seal(index, 1);
    }
    const written = performance.now();
    loopMs += written - from;
    await Promise.resolve(); // The batch leaves in a microtask: its building counts.
    loopMs += performance.now() - written;
    if (buffer.pendingBytes > 1024 * 1024) await buffer.drain();
    else await new Promise((resolve) => setImmediate(resolve));
    if (buffer.flushDue(performance.now())) await buffer.flush();
  }
  await buffer.drain();
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  report(`${name}: put`, {
    "loop us a record": (loopMs * 1000) / RECORDS,
    "records/s": RECORDS / seconds,
    "CPU us a record": (used.user + used.system) / RECORDS,
    "rss MiB": process.memoryUsage().rss / 2 ** 20,
  });
  return buffer;
}

async function reads(name: string, buffer: BackendBuffer): Promise<void> {
  const count = 40_000;
  const keys = Array.from({ length: count }, (_, at) => {
    const key = Buffer.alloc(16);
    key.writeUInt32BE(1 + ((Math.imul(at, 2654435761) >>> 0) % RECORDS), 4);
    return key;
  });
  let from = performance.now();
  for (const key of keys) buffer.getSync(Bucket.keys, key);
  const sync = performance.now() - from;
  from = performance.now();
  for (let at = 0; at < count; at += 200) {
    await buffer.getMany(Bucket.keys, keys.slice(at, at + 200));
  }
  report(`${name}: read`, {
    "us a getSync": (sync * 1000) / count,
    "us a record of getMany(200)": ((performance.now() - from) * 1000) / count,
  });
}

function report(what: string, figures: Readonly<Record<string, number>>): void {
  const parts = Object.entries(figures).map(([unit, value]) => `${value.toFixed(2)} ${unit}`);
  console.log(`${what}: ${parts.join(", ")}`);
}

const directory = mkdtempSync(join(tmpdir(), "quorate-bench-"));
try {
  await writes("memory", new MemoryBackend());
  const level = await LevelBackend.open(directory);
  const buffer = await writes("level", level);
  const from = performance.now();
  await buffer.flush();
  report("level", {
    "ms a flush": performance.now() - from,
    "MiB of files": (await level.fileBytes()) / 2 ** 20,
    "MiB live": buffer.liveBytes / 2 ** 20,
  });
  await reads("level", buffer);
  await buffer.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
