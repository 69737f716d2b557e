/** Damage to the files of a member: where a flipped byte matters, and the flip itself. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Bucket } from "../../../src/backend/buckets.ts";
import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { LevelBackend } from "../../../src/backend/level.ts";
import { openRecord } from "../../../src/backend/record.ts";
import type { Prng } from "../../../src/base/prng.ts";
import { keyOf } from "../../../src/mvcc/record.ts";
import { isWhole, readHead } from "../../../src/wal/decode.ts";
import { BLOCK, generationOf, HEADER_SIZE, toBlocks } from "../../../src/wal/format.ts";

export const KINDS = ["table", "manifest", "current", "log"] as const;
export type Kind = (typeof KINDS)[number];

export interface Place {
  readonly kind: Kind;
  readonly path: string;
  readonly offset: number;
}

/** The store in use, below a member's data directory. */
export function storeOf(dataDir: string): string {
  const root = join(dataDir, "member");
  const pointer = join(root, "STORE");
  return join(root, existsSync(pointer) ? readFileSync(pointer, "utf8").trim() : "store.0");
}

/** A byte of a file of this kind that says something; null if there is no such file now. */
export function pickPlace(dataDir: string, kind: Kind, random: Prng): Place | null {
  const store = storeOf(dataDir);
  const named = (pattern: RegExp): string[] =>
    readdirSync(store)
      .filter((name) => pattern.test(name))
      .map((name) => join(store, name));
  switch (kind) {
    case "table":
      return anyByte(kind, named(/\.ldb$/), random);
    case "manifest":
      return anyByte(kind, named(/^MANIFEST-/), random);
    case "current":
      return anyByte(kind, named(/^CURRENT$/), random);
    case "log":
      return logByte(join(dataDir, "member", "wal"), random);
  }
}

function anyByte(kind: Kind, paths: readonly string[], random: Prng): Place | null {
  const path = paths[random.between(0, paths.length)];
  const size = path === undefined ? 0 : readFileSync(path).length;
  if (path === undefined || size === 0) return null;
  return { kind, path, offset: random.between(0, size) };
}

/** A byte of a batch: what lies between batches, or was written by an earlier use of the file, says nothing. */
function logByte(directory: string, random: Prng): Place | null {
  const batches: { readonly path: string; readonly offset: number; readonly size: number }[] = [];
  for (const name of readdirSync(directory)) {
    const generation = generationOf(name);
    if (generation === null) continue;
    const path = join(directory, name);
    const bytes = readFileSync(path);
    for (let offset = 0; offset + BLOCK <= bytes.length;) {
      const room = bytes.length - offset;
      const head = readHead(bytes.subarray(offset, offset + HEADER_SIZE), {
        salt: null,
        generation,
        offset,
        room,
      });
      if (head === null || !isWhole(bytes.subarray(offset, offset + head.size), head)) break;
      batches.push({ path, offset, size: head.size });
      offset += toBlocks(head.size);
    }
  }
  const batch = batches[random.between(0, batches.length)];
  if (batch === undefined) return null;
  const { path, offset, size } = batch;
  return { kind: "log", path, offset: offset + random.between(0, size) };
}

/** Changes the byte there to another; answers with its new value. Null if the file is gone. */
export function flip({ path, offset }: Place, random: Prng): number | null {
  if (!existsSync(path)) return null;
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    if (readSync(file, byte, 0, 1, offset) === 0) return null;
    const value = (byte[0] ?? 0) ^ (1 << random.between(0, 8));
    writeSync(file, Buffer.from([value]), 0, 1, offset);
    return value;
  } finally {
    closeSync(file);
  }
}

/** Whether the file is still there with this byte in it. */
export function isStillDamaged({ path, offset }: Place, value: number): boolean {
  return existsSync(path) && readFileSync(path)[offset] === value;
}

/**
 * Changes the value of a key in the store of a stopped member, with everything that is counted of it: the history is whole, and
 * wrong.
 */
export async function divert(dataDir: string, key: string): Promise<void> {
  const backend = await LevelBackend.open(storeOf(dataDir));
  const buffer = BackendBuffer.open(backend);
  const view = backend.view();
  const rows = view.iterate(Uint8Array.of(Bucket.keys), Uint8Array.of(Bucket.keys + 1));
  let found = false;
  for (let part = await rows.next(1_000); part.length > 0; part = await rows.next(1_000)) {
    for (const [recordKey, value] of part) {
      const payload = openRecord(recordKey, value);
      if (keyOf(payload) !== key || found) continue;
      found = true;
      const changed = Buffer.from(payload);
      const last = changed.length - 1;
      changed[last] = (changed[last] ?? 0) ^ 1;
      buffer.delete(Bucket.keys, recordKey.subarray(1), payload);
      buffer.put(Bucket.keys, recordKey.subarray(1), changed);
    }
  }
  await rows.close();
  await view.close();
  if (!found) throw new Error(`no record of ${key} in ${dataDir}`);
  buffer.seal(buffer.appliedIndex, buffer.term);
  await buffer.drain();
  await buffer.flush(); // the index stands where it was: closing alone sees nothing to do
  await buffer.close();
}
