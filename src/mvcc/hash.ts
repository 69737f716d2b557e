/**
 * HashKV: a checksum of the history up to a revision, equal to etcd's (3.6) for the same content and history. CRC-32C over
 * the bucket's name, then each record as etcd stores it, in the order of revisions:
 *
 * ```
 * "key" | ( main, 8 bytes big-endian | '_' | sub, 8 bytes big-endian | 't' if a tombstone | mvccpb.KeyValue )*
 * ```
 * Left out: what a compaction removes or has removed, and a tombstone of exactly the compact revision (older etcd versions
 * delete it, newer ones keep it).
 */
import { openRecord } from "../backend/record.ts";
import { Bucket } from "../backend/buckets.ts";
import { type Key, successor } from "../base/bytes.ts";
import { crc32c } from "../base/checksum.ts";
import type { Core } from "./core.ts";
import { SUB_MAX } from "./key-index.ts";
import { SLICE_MS } from "./pace.ts";
import { keyOf } from "./record.ts";
import { readRevisionKey, REVISION_KEY_BYTES, type Revision, toRevisionKey } from "./revision.ts";
import type { Leaf } from "./tree-node.ts";
import { OPEN_END } from "./tree-walk.ts";

/** Comparable between members only where revision and compact revision are equal. */
export interface HistoryHash {
  readonly hash: number;
  /** Everything up to here is in it. */
  readonly revision: number;
  /** -1 before the first compaction. */
  readonly compactRevision: number;
}

export type HashOutcome =
  | { readonly kind: "hash"; readonly hash: HistoryHash; readonly current: Revision }
  | { readonly kind: "compacted"; readonly compactRevision: number }
  | { readonly kind: "future"; readonly revision: Revision };

/** One trip to the backend. */
const ROWS_MAX = 2_048;
const BYTES_MAX = 256 * 1024;
/** Slots of the index that one slice looks at. */
const SLICE_SLOTS = 8_192;

/** Whether a record at or below the compact revision is one that the compaction keeps. */
export type Keeps = (payload: Uint8Array, main: number, sub: number) => boolean;

/** Adds records one by one, in order. */
export class HistoryHasher {
  readonly #compactRevision: number;
  readonly #revision: number;
  /** Null: nothing is kept at all, and then, by etcd's rule, nothing is left out either. */
  readonly #keeps: Keeps | null;
  readonly #key = Buffer.alloc(REVISION_KEY_BYTES + 2);
  #crc = crc32c(Buffer.from("key", "latin1"));

  constructor(compactRevision: number, revision: number, keeps: Keeps | null) {
    this.#compactRevision = compactRevision;
    this.#revision = revision;
    this.#keeps = keeps;
  }

  /** `revisionKey`: 16 or 17 bytes, as we store it. */
  add(revisionKey: Uint8Array, payload: Uint8Array): void {
    const { main, sub, tombstone } = readRevisionKey(revisionKey);
    if (main > this.#revision) return;
    if (main <= this.#compactRevision) {
      if (this.#keeps !== null && !this.#keeps(payload, main, sub)) return;
      if (tombstone && main === this.#compactRevision) return;
    }
    const key = this.#key;
    key.set(revisionKey.subarray(0, 8), 0);
    key[8] = 0x5f;
    key.set(revisionKey.subarray(8), 9);
    this.#crc = crc32c(tombstone ? key : key.subarray(0, REVISION_KEY_BYTES + 1), this.#crc);
    this.#crc = crc32c(payload, this.#crc);
  }

  finish(): HistoryHash {
    return {
      hash: this.#crc,
      revision: this.#revision,
      compactRevision: this.#compactRevision,
    };
  }
}

/** Hashes taken by compactions: a later question at that revision gets what the compaction saw. */
export class HashShelf {
  /** By revision, ascending. */
  #hashes: readonly HistoryHash[] = [];

  get all(): readonly HistoryHash[] {
    return this.#hashes;
  }

  find(revision: number): HistoryHash | undefined {
    return this.#hashes.find((of) => of.revision === revision);
  }

  add(hash: HistoryHash): void {
    const sorted = [...this.#hashes, hash].toSorted((a, b) => a.revision - b.revision);
    this.#hashes = sorted.slice(-SHELF_MAX);
  }
}

const SHELF_MAX = 10;

/** The hash at `revision` (0 and below: the newest), in slices. Rejects with "corruption" for a damaged record. */
export async function hashHistory(
  core: Core,
  shelf: HashShelf,
  revision: number,
  signal: AbortSignal,
): Promise<HashOutcome> {
  const current = core.revision;
  const taken = revision > 0 ? shelf.find(revision) : undefined;
  if (taken !== undefined) return { kind: "hash", hash: taken, current };
  const { compactRevision } = core;
  if (revision > 0 && revision < compactRevision) return { kind: "compacted", compactRevision };
  if (revision > current) return { kind: "future", revision: current };
  const at = revision > 0 ? revision : current;
  // What a compaction scheduled meanwhile would remove, or make the index forget, this hash still needs.
  const pin = core.pins.pin(Math.max(0, compactRevision));
  try {
    const hasher = new HistoryHasher(
      compactRevision,
      at,
      await keptBelow(core, compactRevision, at),
    );
    await scan(core, at, hasher, signal);
    return { kind: "hash", hash: hasher.finish(), current };
  } finally {
    pin.release();
  }
}

async function scan(
  core: Core,
  revision: number,
  hasher: HistoryHasher,
  signal: AbortSignal,
): Promise<void> {
  const { backend, buffer, pace } = core;
  await buffer.drain();
  const view = backend.view();
  const rows = view.iterate(recordKeyOf(0), recordKeyOf(revision + 1));
  try {
    let until = pace.now() + SLICE_MS;
    let batch = await rows.next(ROWS_MAX, BYTES_MAX);
    while (batch.length > 0) {
      signal.throwIfAborted();
      const coming = rows.next(ROWS_MAX, BYTES_MAX); // read while these are hashed
      coming.catch(() => {});
      for (const [recordKey, value] of batch) {
        hasher.add(recordKey.subarray(1), openRecord(recordKey, value));
      }
      if (pace.now() >= until) {
        await pace.turn();
        until = pace.now() + SLICE_MS;
      }
      batch = await coming;
    }
  } finally {
    await rows.close();
    await view.close();
  }
}

/** The key under which the backend holds the first record of a main revision. */
export function recordKeyOf(main: number): Uint8Array {
  const key = Buffer.allocUnsafe(1 + REVISION_KEY_BYTES);
  key[0] = Bucket.keys;
  key.set(toRevisionKey(main as Revision, 0, false), 1);
  return key;
}

/** What the hash at `revision` takes in of the records that a compaction at `compactRevision` concerns. */
export async function keptBelow(
  core: Pick<Core, "index" | "pace">,
  compactRevision: number,
  revision: number,
): Promise<Keeps> {
  const any = await anySlot(core, (leaf, slot) => leaf.isLiveAt(slot, revision));
  return any ? keepsLive(core, revision) : keepsRetained(core, compactRevision);
}

function keepsLive(core: Pick<Core, "index">, revision: number): Keeps {
  return (payload, main, sub) => {
    const live = core.index.at(keyOf(payload), revision, SUB_MAX);
    return live !== null && live.main === main && live.sub === sub;
  };
}

/** Nothing is live: etcd then leaves out only what the compaction, done or still going on, removes. */
function keepsRetained(core: Pick<Core, "index">, compactRevision: number): Keeps {
  return (payload, main, sub) => core.index.isRetained(keyOf(payload), compactRevision, main, sub);
}

/**
 * Whether `holds` for any slot of the index, in slices. What is written or compacted meanwhile must not change the answer: ask
 * about a revision that is pinned, or being compacted.
 */
export async function anySlot(
  core: Pick<Core, "index" | "pace">,
  holds: (leaf: Leaf, slot: number) => boolean,
): Promise<boolean> {
  let from: Key | null = OPEN_END;
  while (from !== null) {
    let found = false;
    let visited = 0;
    let next: Key | null = null;
    core.index.visit(from, OPEN_END, (leaf, first, end) => {
      for (let slot = first; slot < end && !found; slot++) found = holds(leaf, slot);
      visited += end - first;
      if (found) return false;
      if (visited < SLICE_SLOTS) return true;
      next = successor(leaf.keys[end - 1] as Key);
      return false;
    });
    if (found) return true;
    if (next !== null) await core.pace.turn();
    from = next;
  }
  return false;
}
