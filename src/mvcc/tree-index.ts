/**
 * All keys in order, with their revisions: a B+tree whose leaves are parallel arrays (tree-node.ts). Inner nodes count the
 * live keys below each child, so counting a range at the current revision takes one descent per bound.
 *
 * Nothing here is asynchronous, and no cursor survives a change: long walks go in slices and find their place again by key.
 */
import { assert } from "../base/assert.ts";
import { type Key, successor } from "../base/bytes.ts";
import { Generation, retainedAt } from "./key-index.ts";
import { compactLeaf, newestAt, onlyPut, revisionsAt, slotVersionAt } from "./leaf-slot.ts";
import { Inner, INNER_MAX, Leaf, LEAF_MAX, type Node } from "./tree-node.ts";
import { type LeafVisitor, maybeMerge, OPEN_END, visitNode } from "./tree-walk.ts";
import { type CachedRecord, ValueCache } from "./value-cache.ts";
import type { Version } from "./version.ts";

export class TreeIndex {
  readonly cache: ValueCache;
  #root: Node = new Leaf();
  #keyCount = 0;
  /** Where the last `#seek` went: inner nodes from the root down, and the child taken in each. */
  readonly #path: Inner[] = [];
  readonly #pathAt: number[] = [];
  #depth = 0;
  /** Where it ended: the slot of the key, or where it would be. */
  #leaf: Leaf = this.#root as Leaf;
  #slot = 0;
  /** The first key that belongs to a later leaf; null if there is none. */
  #upper: Key | null = null;
  /** Whether path, leaf and upper bound still hold: no node was split, joined or removed since. */
  #settled = false;

  constructor(cacheBytesMax: number) {
    this.cache = new ValueCache(cacheBytesMax, (entry) => this.#evicted(entry));
  }

  /** Keys in the index, deleted but not yet compacted ones included. */
  get keyCount(): number {
    return this.#keyCount;
  }

  /** Keys whose newest revision is no tombstone. */
  get liveCount(): number {
    return this.#root.live;
  }

  /** The live version of `key` now, with its record if that is cached. */
  current(key: Key): Version | null {
    if (!this.#seek(key)) return null;
    return newestAt(this.#leaf, this.#slot);
  }

  /** The cached entry of a live key, marked as used; null where it is not cached, or not live. */
  cachedRecord(key: Key): CachedRecord | null {
    if (!this.#seek(key)) return null;
    const { cached } = this.#leaf;
    if (cached === null) return null;
    const entry = cached[this.#slot] ?? null;
    if (entry !== null) entry.used = true;
    return entry;
  }

  /** The live version of `key` at (main, sub). */
  at(key: Key, main: number, sub: number): Version | null {
    if (!this.#seek(key)) return null;
    return slotVersionAt(this.#leaf, this.#slot, main, sub);
  }

  /** A put at (main, sub), newest of all. Answers the version before, null if the key was absent. */
  put(key: Key, main: number, sub: number): Version | null {
    if (!this.#seek(key)) {
      this.#insert(key, main, sub);
      this.#addLive(1);
      return null;
    }
    const leaf = this.#leaf;
    const slot = this.#slot;
    const previous = newestAt(leaf, slot);
    const history = leaf.historyAt(slot);
    if (history === null || !history.ended) {
      const life = history ?? onlyPut(leaf, slot);
      life.append(main, sub);
      life.version++;
      if (history === null) leaf.setHistory(slot, life);
    } else {
      const life = new Generation(main, 1, history);
      life.append(main, sub);
      leaf.setHistory(slot, life);
      this.#addLive(1);
    }
    leaf.mains[slot] = main;
    leaf.subs[slot] = sub;
    return previous;
  }

  /** A delete at (main, sub), newest of all. Answers the version before, null (and no change) if the key was absent. */
  tombstone(key: Key, main: number, sub: number): Version | null {
    if (!this.#seek(key)) return null;
    const leaf = this.#leaf;
    const slot = this.#slot;
    const previous = newestAt(leaf, slot);
    if (previous === null) return null;
    const life = leaf.historyAt(slot) ?? onlyPut(leaf, slot);
    life.append(main, sub);
    life.ended = true;
    leaf.setHistory(slot, life);
    leaf.mains[slot] = main;
    leaf.subs[slot] = sub;
    this.#addLive(-1);
    const entry = leaf.cachedAt(slot);
    if (entry !== null) {
      leaf.setCached(slot, null);
      this.cache.remove(entry);
    }
    return previous;
  }

  /** Caches the newest record of the key that the last `put` wrote. Nothing may have happened to the index since. */
  cacheLast(record: Uint8Array): void {
    this.#cacheAt(this.#leaf, this.#slot, record);
  }

  /** Caches a record that was read, unless the key has moved on since. */
  cacheRead(key: Key, main: number, sub: number, record: Uint8Array): void {
    if (!this.#seek(key)) return;
    const leaf = this.#leaf;
    const slot = this.#slot;
    if (leaf.mains[slot] !== main || leaf.subs[slot] !== sub || !leaf.isLive(slot)) return;
    this.#cacheAt(leaf, slot, record);
  }

  /**
   * A stored record met while the index is rebuilt, in the order of revisions. `create` and `version` count where it is the
   * first one of its key that was retained. False for what no history holds: a tombstone of a key that is already deleted.
   */
  restorePut(key: Key, main: number, sub: number, create: number, version: number): void {
    if (this.#seek(key)) {
      this.put(key, main, sub);
      return;
    }
    this.#insert(key, main, sub);
    this.#addLive(1);
    if (create === main && version === 1) return;
    const life = new Generation(create, version, null);
    life.append(main, sub);
    this.#leaf.setHistory(this.#slot, life);
  }

  /** As `restorePut`, for a tombstone. False where the key is already deleted: no history of ours holds that. */
  restoreTombstone(key: Key, main: number, sub: number): boolean {
    if (this.#seek(key)) return this.tombstone(key, main, sub) !== null;
    this.#insert(key, main, sub);
    const life = new Generation(0, 0, null);
    life.append(main, sub);
    life.ended = true;
    this.#leaf.setHistory(this.#slot, life);
    return true;
  }

  /** A key with all that is kept of it, behind every key that is there. `history` is null where (main, sub) made the key. */
  restoreKey(key: Key, main: number, sub: number, history: Generation | null): void {
    const isThere = this.#seek(key);
    assert(!isThere, "a key is restored once");
    this.#insert(key, main, sub);
    if (history !== null) this.#leaf.setHistory(this.#slot, history);
    if (history === null || !history.ended) this.#addLive(1);
  }

  /** Revisions of all keys that are kept: as many as the store has records. */
  countRevisions(): number {
    let count = 0;
    this.visit(OPEN_END, OPEN_END, (leaf, from, end) => {
      for (let slot = from; slot < end; slot++) count += revisionsAt(leaf, slot);
      return true;
    });
    return count;
  }

  /** Live keys of [from, end) now. */
  countLive(from: Key, end: Key): number {
    if (end !== OPEN_END && end <= from) return 0;
    const before = from === "" ? 0 : this.#liveBefore(from);
    return (end === OPEN_END ? this.liveCount : this.#liveBefore(end)) - before;
  }

  /** Walks the slots of [from, end) in key order. False if the visitor stopped it. */
  visit(from: Key, end: Key, visitor: LeafVisitor): boolean {
    return visitNode(this.#root, from, end, visitor);
  }

  /**
   * Whether the record (main, sub) of `key`, which is not above `compactMain`, survives a compaction there: it is the live
   * version at that revision, or a tombstone of exactly that revision.
   */
  isRetained(key: Key, compactMain: number, main: number, sub: number): boolean {
    if (!this.#seek(key)) return false;
    const history = this.#leaf.historyAt(this.#slot);
    if (history === null) {
      return this.#leaf.mains[this.#slot] === main && this.#leaf.subs[this.#slot] === sub;
    }
    const kept = retainedAt(history, compactMain);
    if (kept === null) return false;
    return kept.life.mains[kept.at] === main && kept.life.subAt(kept.at) === sub;
  }

  /**
   * Forgets what a compaction at `main` removes, from `from` on, over at most about `slotsMax` keys. Answers where to go on,
   * or null at the end.
   */
  compactSlice(from: Key, main: number, slotsMax: number): Key | null {
    const vanished: Key[] = [];
    let visited = 0;
    let next: Key | null = null;
    this.visit(from, OPEN_END, (leaf, first, end) => {
      if (leaf.histories !== null) compactLeaf(leaf, first, end, main, vanished);
      visited += end - first;
      if (visited < slotsMax) return true;
      next = successor(leaf.keys[end - 1] as Key);
      return false;
    });
    for (const key of vanished) this.#remove(key);
    return next;
  }

  #cacheAt(leaf: Leaf, slot: number, record: Uint8Array): void {
    const entry = leaf.cachedAt(slot);
    // Making room may take other entries off their slots, by lookups of their own: leaf and slot are ours, and stay.
    const made =
      entry === null
        ? this.cache.add(leaf.keys[slot] as Key, record)
        : this.cache.replace(entry, record);
    if (made !== entry) leaf.setCached(slot, made);
  }

  #evicted(entry: CachedRecord): void {
    const found = this.#seek(entry.key);
    assert(found && this.#leaf.cachedAt(this.#slot) === entry, "a cached entry is on its slot");
    this.#leaf.setCached(this.#slot, null);
  }

  /** Finds `key`: the path, the leaf, and its slot or where it would be. */
  #seek(key: Key): boolean {
    if (this.#settled && this.#isNear(key)) {
      const { keys, count } = this.#leaf;
      const next = this.#slot + 1;
      // Right behind the key before, often; else it is looked for.
      const follows =
        next <= count &&
        (keys[next - 1] as Key) < key &&
        (next === count || key <= (keys[next] as Key));
      this.#slot = follows ? next : this.#leaf.lowerBound(key);
    } else {
      this.#descend(key);
      this.#slot = this.#leaf.lowerBound(key);
    }
    return this.#slot < this.#leaf.count && this.#leaf.keys[this.#slot] === key;
  }

  /** Whether `key` belongs to the leaf of the last descent: keys often come in order. */
  #isNear(key: Key): boolean {
    const { keys, count } = this.#leaf;
    return count > 0 && (keys[0] as Key) <= key && (this.#upper === null || key < this.#upper);
  }

  #descend(key: Key): void {
    let node = this.#root;
    let depth = 0;
    let upper: Key | null = null;
    while (node instanceof Inner) {
      const at = node.childFor(key);
      if (at < node.separators.length) upper = node.separators[at] as Key;
      this.#path[depth] = node;
      this.#pathAt[depth] = at;
      depth++;
      node = node.children[at] as Node;
    }
    this.#depth = depth;
    this.#leaf = node;
    this.#upper = upper;
    this.#settled = true;
  }

  #addLive(change: number): void {
    this.#leaf.live += change;
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const lives = (this.#path[depth] as Inner).lives;
      const at = this.#pathAt[depth] as number;
      lives[at] = (lives[at] as number) + change;
    }
  }

  /** After a `#seek` that did not find `key`. Live counts are the caller's. */
  #insert(key: Key, main: number, sub: number): void {
    if (this.#leaf.count === LEAF_MAX) {
      this.#splitLeaf(key);
      this.#settled = false;
      this.#seek(key);
    }
    this.#leaf.insert(this.#slot, key, main, sub);
    this.#keyCount++;
  }

  /** Makes room around `key`. A leaf that grows at its end stays full: ascending keys would leave halves behind. */
  #splitLeaf(key: Key): void {
    const left = this.#leaf;
    const atEnd = this.#slot === LEAF_MAX;
    const right = new Leaf();
    if (!atEnd) left.moveTail(LEAF_MAX >> 1, right);
    this.#insertChild(this.#depth - 1, atEnd ? key : (right.keys[0] as Key), right);
  }

  #insertChild(depth: number, separator: Key, right: Node): void {
    if (depth < 0) {
      const root = new Inner();
      root.children.push(this.#root);
      root.lives.push(this.#root.live);
      root.insertAfter(0, separator, right);
      this.#root = root;
      return;
    }
    const parent = this.#path[depth] as Inner;
    const at = this.#pathAt[depth] as number;
    parent.insertAfter(at, separator, right);
    if (parent.children.length <= INNER_MAX) return;
    const atEnd = at === INNER_MAX - 1;
    const halves = parent.split(atEnd ? INNER_MAX : INNER_MAX >> 1);
    this.#insertChild(depth - 1, halves.separator, halves.right);
  }

  #remove(key: Key): void {
    const found = this.#seek(key);
    assert(found && !this.#leaf.isLive(this.#slot), "only deleted keys leave the index");
    assert(this.#leaf.cachedAt(this.#slot) === null, "a deleted key has no cached value");
    this.#leaf.remove(this.#slot);
    this.#keyCount--;
    this.#settled = false;
    if (this.#depth === 0) return;
    const parent = this.#path[this.#depth - 1] as Inner;
    const at = this.#pathAt[this.#depth - 1] as number;
    if (this.#leaf.count === 0) {
      this.#removeChild(this.#depth - 1);
    } else if (this.#leaf.count < LEAF_MAX >> 2) {
      if (!maybeMerge(parent, at)) maybeMerge(parent, at - 1);
      this.#dropThinRoot();
    }
  }

  #removeChild(depth: number): void {
    const parent = this.#path[depth] as Inner;
    parent.removeChild(this.#pathAt[depth] as number);
    if (parent.children.length === 0) {
      if (depth === 0) this.#root = new Leaf();
      else this.#removeChild(depth - 1);
      return;
    }
    this.#dropThinRoot();
  }

  #dropThinRoot(): void {
    while (this.#root instanceof Inner && this.#root.children.length === 1) {
      this.#root = this.#root.children[0] as Node;
    }
  }

  #liveBefore(key: Key): number {
    let live = 0;
    let node = this.#root;
    while (node instanceof Inner) {
      const at = node.childFor(key);
      for (let before = 0; before < at; before++) live += node.lives[before] as number;
      node = node.children[at] as Node;
    }
    return live + node.countLive(0, node.lowerBound(key));
  }
}
