/** Nodes of the tree index: leaves hold the keys' slots in parallel arrays, inner nodes the live keys below each child. */
import type { Key } from "../base/bytes.ts";
import { type Generation, isLiveAt, retainedAt } from "./key-index.ts";
import type { CachedRecord } from "./value-cache.ts";

/** Slots of a leaf. */
export const LEAF_MAX = 128;
/** Children of an inner node. */
export const INNER_MAX = 128;

export type Node = Leaf | Inner;

/** Copied: of exactly their size, and without holes. */
const BLANK_KEYS: readonly Key[] = Array.from({ length: LEAF_MAX }, () => "" as Key);
const BLANK_SLOTS: readonly null[] = Array.from({ length: LEAF_MAX }, () => null);

export class Leaf {
  /** Ascending; the places from `count` on hold "". */
  readonly keys: Key[] = blankKeys();
  /** Newest revision of each key, tombstones included. */
  readonly mains: Float64Array = new Float64Array(LEAF_MAX);
  readonly subs: Uint32Array = new Uint32Array(LEAF_MAX);
  /** Null until a key here has a history beyond the one put that created it; then null for each key without. */
  histories: (Generation | null)[] | null = null;
  /** Null until a key's newest value is cached here. */
  cached: (CachedRecord | null)[] | null = null;
  count = 0;
  /** Keys here whose newest revision is no tombstone. */
  live = 0;

  /** First slot whose key is not below `key`. */
  lowerBound(key: Key): number {
    const { keys } = this;
    let from = 0;
    let end = this.count;
    while (from < end) {
      const middle = (from + end) >>> 1;
      if ((keys[middle] as Key) < key) from = middle + 1;
      else end = middle;
    }
    return from;
  }

  historyAt(slot: number): Generation | null {
    return this.histories === null ? null : (this.histories[slot] ?? null);
  }

  setHistory(slot: number, history: Generation | null): void {
    if (this.histories === null) {
      if (history === null) return;
      this.histories = blankSlots<Generation>();
    }
    this.histories[slot] = history;
  }

  cachedAt(slot: number): CachedRecord | null {
    return this.cached === null ? null : (this.cached[slot] ?? null);
  }

  setCached(slot: number, entry: CachedRecord | null): void {
    if (this.cached === null) {
      if (entry === null) return;
      this.cached = blankSlots<CachedRecord>();
    }
    this.cached[slot] = entry;
  }

  isLive(slot: number): boolean {
    const history = this.historyAt(slot);
    return history === null || !history.ended;
  }

  /** Whether the key was live at the end of `main`. */
  isLiveAt(slot: number, main: number): boolean {
    const history = this.historyAt(slot);
    return history === null ? (this.mains[slot] as number) <= main : isLiveAt(history, main);
  }

  /** Whether a compaction at `main` keeps a revision of the key that is not above it. */
  isRetainedAt(slot: number, main: number): boolean {
    const history = this.historyAt(slot);
    if (history === null) return (this.mains[slot] as number) <= main;
    return retainedAt(history, main) !== null;
  }

  /** Live keys in the slots [from, end). */
  countLive(from: number, end: number): number {
    const { histories } = this;
    if (histories === null) return end - from;
    let count = 0;
    for (let slot = from; slot < end; slot++) {
      const history = histories[slot];
      if (history === null || history === undefined || !history.ended) count++;
    }
    return count;
  }

  /** Opens a slot at `slot` for `key`; the leaf must not be full. Neither history nor cached value yet. */
  insert(slot: number, key: Key, main: number, sub: number): void {
    const { keys, mains, subs, histories, cached, count } = this;
    // Half a leaf at most: one loop costs less than three calls into C++.
    for (let at = count; at > slot; at--) {
      keys[at] = keys[at - 1] as Key;
      mains[at] = mains[at - 1] as number;
      subs[at] = subs[at - 1] as number;
    }
    if (histories !== null) openSlot(histories, slot, count);
    if (cached !== null) openSlot(cached, slot, count);
    keys[slot] = key;
    mains[slot] = main;
    subs[slot] = sub;
    this.count = count + 1;
  }

  remove(slot: number): void {
    const { keys, mains, subs, histories, cached, count } = this;
    for (let at = slot + 1; at < count; at++) keys[at - 1] = keys[at] as Key;
    keys[count - 1] = "" as Key;
    mains.copyWithin(slot, slot + 1, count);
    subs.copyWithin(slot, slot + 1, count);
    if (histories !== null) closeSlot(histories, slot, count);
    if (cached !== null) closeSlot(cached, slot, count);
    this.count = count - 1;
  }

  /** Moves the slots from `from` on to the end of `target`, which must have room. Live counts follow. */
  moveTail(from: number, target: Leaf): void {
    for (let slot = from; slot < this.count; slot++) {
      const to = target.count++;
      target.keys[to] = this.keys[slot] as Key;
      target.mains[to] = this.mains[slot] ?? 0;
      target.subs[to] = this.subs[slot] ?? 0;
      target.setHistory(to, this.historyAt(slot));
      target.setCached(to, this.cachedAt(slot));
      this.keys[slot] = "" as Key;
      this.setHistory(slot, null);
      this.setCached(slot, null);
    }
    this.count = from;
    this.live = this.countLive(0, this.count);
    target.live = target.countLive(0, target.count);
  }
}

export class Inner {
  /** `separators[i]`: no key of `children[i]` reaches it, no key of `children[i + 1]` is below. */
  readonly separators: Key[] = [];
  readonly children: Node[] = [];
  /** Live keys below each child. */
  readonly lives: number[] = [];

  /** The child that holds `key`, or would. */
  childFor(key: Key): number {
    const { separators } = this;
    let from = 0;
    let end = separators.length;
    while (from < end) {
      const middle = (from + end) >>> 1;
      if ((separators[middle] as Key) <= key) from = middle + 1;
      else end = middle;
    }
    return from;
  }

  get live(): number {
    let live = 0;
    for (const below of this.lives) live += below;
    return live;
  }

  /** Puts `right` behind the child at `at`, whose keys from `separator` on moved there. */
  insertAfter(at: number, separator: Key, right: Node): void {
    this.separators.splice(at, 0, separator);
    this.children.splice(at + 1, 0, right);
    this.lives.splice(at + 1, 0, right.live);
    this.lives[at] = this.children[at]?.live ?? 0;
  }

  removeChild(at: number): void {
    this.separators.splice(Math.max(0, at - 1), 1);
    this.children.splice(at, 1);
    this.lives.splice(at, 1);
  }

  /** Moves the children from `from` on to a new node; `separator` parts the two. */
  split(from: number): { readonly separator: Key; readonly right: Inner } {
    const right = new Inner();
    right.children.push(...this.children.splice(from));
    right.lives.push(...this.lives.splice(from));
    const moved = this.separators.splice(from - 1);
    const separator = moved.shift() ?? ("" as Key);
    right.separators.push(...moved);
    return { separator, right };
  }
}

function blankKeys(): Key[] {
  return BLANK_KEYS.slice();
}

function blankSlots<T>(): (T | null)[] {
  return BLANK_SLOTS.slice();
}

function openSlot<T>(slots: (T | null)[], slot: number, count: number): void {
  for (let at = count; at > slot; at--) slots[at] = slots[at - 1] ?? null;
  slots[slot] = null;
}

function closeSlot<T>(slots: (T | null)[], slot: number, count: number): void {
  for (let at = slot + 1; at < count; at++) slots[at - 1] = slots[at] ?? null;
  slots[count - 1] = null;
}
