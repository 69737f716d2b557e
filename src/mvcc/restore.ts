/** A start from a checkpoint of the index (checkpoint.ts), and from the records written since. */
import type { Backend } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import type { BackendBuffer } from "../backend/buffer.ts";
import { toRecordKey } from "../backend/record.ts";
import { crc32c } from "../base/checksum.ts";
import type { Key } from "../base/bytes.ts";
import {
  Block,
  CHECKPOINT_FORMAT,
  type CheckpointMark,
  FRAME_BYTES,
  LeaseTag,
  LifeFlag,
} from "./checkpoint.ts";
import type { CompactMarks } from "./compaction.ts";
import { Generation, SUB_MAX } from "./key-index.ts";
import { type Rebuilt, Scan } from "./rebuild.ts";
import { leaseOf } from "./record.ts";
import { type Revision, toRevisionKey } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";
import { OPEN_END } from "./tree-walk.ts";

/** The bytes of a checkpoint, in order. */
export interface CheckpointSource {
  /** The next `size` bytes; null where there are not so many left. Borrowed until the next call. */
  read(size: number): Promise<Buffer | null>;
}

const BLOCK_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * Fills `index` from a checkpoint and the records above its revision. Null where the checkpoint does not hold: it is damaged
 * or cut short, newer than the store, or a compaction has been since, whose gaps in the newer records only a whole rebuild
 * can read. The index is then half full, and to be thrown away.
 * Throws QuorateError "corruption" for a record that is damaged.
 */
export async function restoreIndex(
  source: CheckpointSource,
  parts: { readonly backend: Backend; readonly buffer: BackendBuffer; readonly index: TreeIndex },
  marks: CompactMarks,
): Promise<(Rebuilt & { readonly mark: CheckpointMark }) | null> {
  const { backend, buffer, index } = parts;
  const restored = await readCheckpoint(source, index, (mark) => {
    const compacted = Math.max(marks.scheduled, marks.finished);
    return mark.appliedIndex <= buffer.appliedIndex && compacted <= mark.main;
  });
  if (restored === null) return null;
  const { mark, leases, unknown } = restored;
  const scan = new Scan(index, leases);
  const from = toRecordKey(Bucket.keys, toRevisionKey((mark.main + 1) as Revision, 0, false));
  await backend.scan(Bucket.keys, (recordKey, value) => scan.add(recordKey, value), from);
  scan.index();
  if (marks.finished > mark.compactRevision) {
    for (let at: Key | null = OPEN_END; at !== null;) {
      at = index.compactSlice(at, marks.finished, Number.MAX_SAFE_INTEGER);
    }
  }
  const isSettled = marks.scheduled === marks.finished;
  if (isSettled && index.countRevisions() !== buffer.totals(Bucket.keys).count) return null;
  for (const key of unknown) {
    const version = index.current(key);
    if (version === null || version.main > mark.main) continue;
    const main = version.main as Revision;
    const record = buffer.getSync(Bucket.keys, toRevisionKey(main, version.sub, false));
    const lease = record === undefined ? 0n : leaseOf(record);
    if (lease !== 0n) leases.set(key, lease);
  }
  const isNewer = scan.main > mark.main;
  const head = isNewer ? { main: scan.main, sub: scan.sub } : { main: mark.main, sub: SUB_MAX };
  return { ...head, leases, mark };
}

interface Restored {
  readonly mark: CheckpointMark;
  readonly leases: Map<Key, bigint>;
  /** Live keys whose lease their record tells. */
  readonly unknown: readonly Key[];
}

/** Reads a checkpoint into `index`; null where it is none, or where `holds` says no to its mark. */
async function readCheckpoint(
  source: CheckpointSource,
  index: TreeIndex,
  holds: (mark: CheckpointMark) => boolean,
): Promise<Restored | null> {
  const head = await readBlock(source);
  if (head === null || head.byte() !== Block.header || head.number() !== CHECKPOINT_FORMAT) {
    return null;
  }
  const appliedIndex = head.number();
  const main = head.number();
  const mark: CheckpointMark = { appliedIndex, main, compactRevision: head.number() - 1 };
  if (!holds(mark)) return null;
  const keys = new KeyReader(index);
  for (;;) {
    const block = await readBlock(source);
    if (block === null) return null;
    const kind = block.byte();
    if (kind === Block.end) {
      const { leases, unknown, count } = keys;
      return block.number() === count ? { mark, leases, unknown } : null;
    }
    if (kind !== Block.keys || !keys.readAll(block)) return null;
  }
}

/** The payload of the next block; null where there is none that its checksum vouches for. */
async function readBlock(source: CheckpointSource): Promise<Payload | null> {
  const frame = await source.read(FRAME_BYTES);
  if (frame === null) return null;
  const size = frame.readUInt32LE(0);
  const crc = frame.readUInt32LE(4);
  const payload = size > BLOCK_BYTES_MAX ? null : await source.read(size);
  if (payload === null || crc32c(payload) !== crc) return null;
  return new Payload(payload);
}

/** Bytes with a place in them. Past the end it reads zeros: the checksum has vouched for what is there. */
class Payload {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
}

class KeyReader {
  readonly leases = new Map<Key, bigint>();
  readonly unknown: Key[] = [];
  count = 0;
  readonly #index: TreeIndex;
  #last: Key = OPEN_END;

  constructor(index: TreeIndex) {
    this.#index = index;
  }

  /** False where the keys do not ascend. */
  readAll(block: Payload): boolean {
    const { bytes } = block;
    while (block.at < bytes.length) {
      const length = block.number();
      const key = bytes.toString("latin1", block.at, block.at + length) as Key;
      if (key <= this.#last) return false;
      this.#last = key;
      block.at += length;
      this.#lease(block, key);
      const lives = block.number();
      if (lives === 0) {
        const main = block.number();
        this.#index.restoreKey(key, main, block.number(), null);
      } else {
        const life = readLives(block, lives);
        const newest = life.mains.length - 1;
        this.#index.restoreKey(key, life.mains[newest] as number, life.subAt(newest), life);
      }
      this.count++;
    }
    return true;
  }

  #lease(block: Payload, key: Key): void {
    const tag = block.byte();
    if (tag === LeaseTag.unknown) this.unknown.push(key);
    if (tag !== LeaseTag.known) return;
    this.leases.set(key, block.bytes.readBigInt64LE(block.at));
    block.at += 8;
  }
}

function readLives(block: Payload, lives: number): Generation {
  let newest: Generation | null = null;
  for (let life = 0; life < lives; life++) {
    const create = block.number();
    newest = new Generation(create, block.number(), newest);
    const flags = block.byte();
    const count = block.number();
    // Of exactly their size: most histories never grow again.
    const mains = Array.from({ length: count }, () => 0);
    let main = 0;
    for (let at = 0; at < count; at++) mains[at] = main += block.number();
    newest.mains = mains;
    if ((flags & LifeFlag.subs) !== 0) newest.subs = mains.map(() => block.number());
    newest.ended = (flags & LifeFlag.ended) !== 0;
  }
  return newest as Generation;
}
