/**
 * A writer to be killed: one record for each log entry, and one record that every entry overwrites. Prints the committed and
 * the durable index of each batch.
 */
import { writeSync } from "node:fs";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { LevelBackend } from "../../../src/backend/level.ts";

const ENTRIES_A_TURN = 100;
const FLUSH_ENTRIES = 4_000;

export function keyOf(index: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(index));
  return key;
}

/** 100 to 1000 bytes that follow from the index. */
export function entryOf(index: number): Buffer {
  return Buffer.alloc(100 + ((index * 7919) % 900), `${index} `);
}

async function main(directory: string): Promise<void> {
  const buffer = BackendBuffer.open(await LevelBackend.open(directory));
  buffer.onCommitted((committed) => writeSync(1, `${committed} ${buffer.durableIndex}\n`));
  let flushing = false;
  for (let index = 1; ; index++) {
    buffer.put(Bucket.keys, keyOf(index), entryOf(index));
    buffer.put(Bucket.lease, keyOf(0), keyOf(index));
    buffer.seal(index, 1);
    if (index % ENTRIES_A_TURN === 0) await buffer.drain();
    if (index % FLUSH_ENTRIES === 0 && !flushing) {
      flushing = true;
      void buffer.flush().then(() => (flushing = false));
    }
  }
}

if (import.meta.main) await main(process.argv[2] ?? "");
