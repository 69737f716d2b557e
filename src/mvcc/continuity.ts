/**
 * Whether a part of the history, as it was read, is all that was written. A record that is lost without a trace leaves a gap:
 * within a main revision it is plain; between main revisions it may be one that a restored snapshot came with, and the index
 * tells.
 */
import { Bucket } from "../backend/buckets.ts";
import { corruption, toRecordKey } from "../backend/record.ts";
import type { Core } from "./core.ts";
import { anySlot } from "./hash.ts";
import { SUB_MAX } from "./key-index.ts";
import { type Revision, toRevisionKey } from "./revision.ts";
import type { Leaf } from "./tree-node.ts";

interface Gap {
  readonly from: number;
  readonly end: number;
}

/** Takes the revisions of a read, in order. Compacted ones do not count: gaps are as they should be there. */
export class Continuity {
  readonly #compactRevision: number;
  readonly #gaps: Gap[] = [];
  /** The first main revision not yet accounted for. */
  #next: number;
  #main = -1;
  #sub = -1;

  constructor(from: number, compactRevision: number) {
    this.#compactRevision = compactRevision;
    this.#next = Math.max(from, compactRevision + 1);
  }

  /** Throws "corruption" where a change of the same revision is missing before this one. */
  take(main: number, sub: number): void {
    if (main <= this.#compactRevision) return;
    const expected = main === this.#main ? this.#sub + 1 : 0;
    if (sub !== expected) throw lost(main, expected);
    if (main > this.#next) this.#gaps.push({ from: this.#next, end: main });
    this.#main = main;
    this.#sub = sub;
    this.#next = main + 1;
  }

  /** The read went to the end of the records below `end`. */
  finish(end: number): void {
    if (end > this.#next) this.#gaps.push({ from: this.#next, end });
  }

  /** Rejects with "corruption" where the index has a revision in a gap. In slices; seldom has anything to do. */
  async check(core: Core): Promise<void> {
    for (const { from, end } of this.#gaps) {
      if (await anySlot(core, (leaf, slot) => hasRevision(leaf, slot, from, end))) {
        throw lost(from, 0);
      }
    }
  }
}

/** Whether a retained revision of the key lies in [from, end). */
function hasRevision(leaf: Leaf, slot: number, from: number, end: number): boolean {
  const newest = leaf.mains[slot] as number;
  if (newest < from) return false;
  if (newest < end) return true;
  for (let life = leaf.historyAt(slot); life !== null; life = life.older) {
    const at = life.search(end - 1, SUB_MAX);
    if (at >= 0) return (life.mains[at] as number) >= from;
  }
  return false;
}

function lost(main: number, sub: number): Error {
  const recordKey = toRecordKey(Bucket.keys, toRevisionKey(main as Revision, sub, false));
  return corruption(recordKey, "it is missing from the history");
}
