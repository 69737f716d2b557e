/**
 * The index on disk, so that a start reads the records since, not all of them. It is a copy that may be missing: whatever is
 * wrong with it, the index is rebuilt from the records.
 *
 * ```
 * checkpoint = block*      block = length u32 | crc32c of the payload u32 | payload       numbers little-endian
 * header     = 0 | format | applied index | main revision | compact revision + 1          numbers from here on are varints
 * keys       = 1 | key*    key = length | bytes | lease | lives | life*, the oldest first
 * end        = 2 | number of keys
 * lease      = 0 none, 1 and 8 bytes of its id, 2 to be looked up in the record
 * life       = create | version | flags (1 ended, 2 subs) | n | n times main, as difference | with subs: n times sub
 * lives = 0  : one put that made the key: main | sub
 * ```
 * It shows every key as of the main revision in its header, though it is written in slices while the store goes on: what is
 * newer is left out. A compaction meanwhile ends it.
 */
import { type Key, successor } from "../base/bytes.ts";
import { crc32c } from "../base/checksum.ts";
import type { Core } from "./core.ts";
import { type Generation, SUB_MAX } from "./key-index.ts";
import { SLICE_MS } from "./pace.ts";
import { varintSize, writeVarint } from "./record.ts";
import type { Leaf } from "./tree-node.ts";
import { OPEN_END } from "./tree-walk.ts";

export const CHECKPOINT_FORMAT = 1;
export const Block = { header: 0, keys: 1, end: 2 } as const;
export const LeaseTag = { none: 0, known: 1, unknown: 2 } as const;
export const LifeFlag = { ended: 1, subs: 2 } as const;
export const FRAME_BYTES = 8;

const BLOCK_BYTES = 64 * 1024;
/** Between slices: clients come first. */
const PAUSE_MS = 10;

/** What a checkpoint shows. */
export interface CheckpointMark {
  /** Log entry that the index had applied. */
  readonly appliedIndex: number;
  readonly main: number;
  /** -1 if there was no compaction. */
  readonly compactRevision: number;
}

/** Takes the blocks, one after the other; each is the caller's own. */
export type CheckpointSink = (block: Uint8Array) => Promise<void>;

/**
 * Writes the index as it is now, in slices. `leaseOf` answers the lease that a key hangs on, 0 for none. Between entries
 * only. Null if a compaction came in between, or the store was closed: what was written is then worth nothing.
 */
export async function writeCheckpoint(
  core: Core,
  leaseOf: (key: Key) => bigint,
  sink: CheckpointSink,
): Promise<CheckpointMark | null> {
  const { revision: main, compactRevision, buffer } = core;
  const mark: CheckpointMark = { appliedIndex: buffer.appliedIndex, main, compactRevision };
  const writer = new BlockWriter(main, leaseOf);
  await sink(writer.header(mark));
  let from: Key | null = OPEN_END;
  while (from !== null) {
    if (core.closed || core.compactRevision !== compactRevision) return null;
    const deadline = core.pace.now() + SLICE_MS;
    let next: Key | null = null;
    core.index.visit(from, OPEN_END, (leaf, first, end) => {
      for (let slot = first; slot < end; slot++) writer.add(leaf, slot);
      if (writer.isFull || core.pace.now() >= deadline) {
        next = successor(leaf.keys[end - 1] as Key);
        return false;
      }
      return true;
    });
    from = next;
    const block = writer.take();
    if (block !== null) await sink(block);
    await core.pace.sleep(PAUSE_MS);
    // A long write shows the changes of one entry in part: what they are is above `main`, but leases are not.
    while (core.writing && !core.closed) await core.pace.turn();
  }
  await sink(writer.end());
  return mark;
}

class BlockWriter {
  readonly #main: number;
  readonly #leaseOf: (key: Key) => bigint;
  #bytes = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
  #at = FRAME_BYTES;
  #keys = 0;

  constructor(main: number, leaseOf: (key: Key) => bigint) {
    this.#main = main;
    this.#leaseOf = leaseOf;
  }

  get isFull(): boolean {
    return this.#at >= BLOCK_BYTES;
  }

  header(mark: CheckpointMark): Uint8Array {
    this.#byte(Block.header);
    this.#number(CHECKPOINT_FORMAT);
    this.#number(mark.appliedIndex);
    this.#number(mark.main);
    this.#number(mark.compactRevision + 1);
    return this.#frame();
  }

  end(): Uint8Array {
    this.#byte(Block.end);
    this.#number(this.#keys);
    return this.#frame();
  }

  /** The keys added since the last call; null if there is none. */
  take(): Uint8Array | null {
    return this.#at === FRAME_BYTES ? null : this.#frame();
  }

  add(leaf: Leaf, slot: number): void {
    const key = leaf.keys[slot] as Key;
    const history = leaf.historyAt(slot);
    const newest = leaf.mains[slot] as number;
    if (history === null) {
      if (newest > this.#main) return;
      this.#key(key, this.#leaseOf(key), false);
      this.#number(0);
      this.#number(newest);
      this.#number(leaf.subs[slot] as number);
      return;
    }
    const lives: Generation[] = [];
    for (let life: Generation | null = history; life !== null; life = life.older) {
      if ((life.mains[0] as number) <= this.#main) lives.push(life);
    }
    const [last] = lives;
    if (last === undefined) return;
    const isNewer = newest > this.#main;
    const isLive = !last.ended || (last.mains.at(-1) as number) > this.#main;
    this.#key(key, isLive ? this.#leaseOf(key) : 0n, isNewer && isLive);
    this.#number(lives.length);
    for (let at = lives.length - 1; at >= 0; at--) this.#life(lives[at] as Generation);
  }

  #key(key: Key, lease: bigint, isUnknown: boolean): void {
    if (this.#at === FRAME_BYTES) this.#byte(Block.keys);
    this.#keys++;
    this.#number(key.length);
    this.#reserve(key.length + 16);
    this.#at += this.#bytes.write(key, this.#at, "latin1");
    if (isUnknown) this.#byte(LeaseTag.unknown);
    else if (lease === 0n) this.#byte(LeaseTag.none);
    else {
      this.#byte(LeaseTag.known);
      this.#at = this.#bytes.writeBigInt64LE(lease, this.#at);
    }
  }

  /** A life without what is newer than the checkpoint. */
  #life(life: Generation): void {
    const { mains, subs } = life;
    const count = life.search(this.#main, SUB_MAX) + 1;
    const ended = life.ended && count === mains.length;
    this.#number(life.create);
    this.#number(ended ? life.version : life.versionAt(count - 1));
    this.#byte((ended ? LifeFlag.ended : 0) | (subs === null ? 0 : LifeFlag.subs));
    this.#number(count);
    let before = 0;
    for (let at = 0; at < count; at++) {
      const main = mains[at] as number;
      this.#number(main - before);
      before = main;
    }
    if (subs !== null) for (let at = 0; at < count; at++) this.#number(subs[at] as number);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  #number(value: number): void {
    this.#reserve(varintSize(value));
    this.#at = writeVarint(this.#bytes, this.#at, value);
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(2 * (this.#bytes.length + size));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }

  /** Ends the block; the next begins in a buffer of its own. */
  #frame(): Uint8Array {
    const block = this.#bytes.subarray(0, this.#at);
    block.writeUInt32LE(this.#at - FRAME_BYTES, 0);
    block.writeUInt32LE(crc32c(block.subarray(FRAME_BYTES)), 4);
    this.#bytes = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
    this.#at = FRAME_BYTES;
    return block;
  }
}
