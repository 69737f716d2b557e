/** What a slot of a leaf says about its key: versions, histories, and what a compaction leaves of them. */
import type { Key } from "../base/bytes.ts";
import { compactGenerations, Generation, versionAt } from "./key-index.ts";
import type { Leaf } from "./tree-node.ts";
import { Version } from "./version.ts";

/** The live version in a slot now, with its record if that is cached. */
export function newestAt(leaf: Leaf, slot: number): Version | null {
  const history = leaf.historyAt(slot);
  const entry = leaf.cachedAt(slot);
  const record = entry === null ? null : entry.record;
  const main = leaf.mains[slot] ?? 0;
  const sub = leaf.subs[slot] ?? 0;
  const key = leaf.keys[slot] as Key;
  if (history === null) return new Version(key, main, main, sub, 1, record);
  if (history.ended) return null;
  return new Version(key, history.create, main, sub, history.version, record);
}

/** The live version in a slot at (main, sub), with its record where that is the cached one. */
export function slotVersionAt(leaf: Leaf, slot: number, main: number, sub: number): Version | null {
  const history = leaf.historyAt(slot);
  const key = leaf.keys[slot] as Key;
  const newest = leaf.mains[slot] as number;
  const newestSub = leaf.subs[slot] as number;
  const sees = newest < main || (newest === main && newestSub <= sub);
  if (!sees) return history === null ? null : versionAt(key, history, main, sub);
  if (history !== null && history.ended) return null;
  const entry = leaf.cachedAt(slot);
  const record = entry === null ? null : entry.record;
  if (history === null) return new Version(key, newest, newest, newestSub, 1, record);
  return new Version(key, history.create, newest, newestSub, history.version, record);
}

/** Revisions of the key in a slot that are kept. */
export function revisionsAt(leaf: Leaf, slot: number): number {
  let count = 0;
  for (let life = leaf.historyAt(slot); life !== null; life = life.older) {
    count += life.mains.length;
  }
  return Math.max(1, count);
}

/** The history of a key that had none: the put that created it. */
export function onlyPut(leaf: Leaf, slot: number): Generation {
  const main = leaf.mains[slot] as number;
  const life = new Generation(main, 1, null);
  life.append(main, leaf.subs[slot] as number);
  return life;
}

/** Forgets what a compaction at `main` removes from the slots [from, end); keys of which nothing is left go to `vanished`. */
export function compactLeaf(
  leaf: Leaf,
  from: number,
  end: number,
  main: number,
  vanished: Key[],
): void {
  for (let slot = from; slot < end; slot++) {
    const history = leaf.historyAt(slot);
    if (history === null) continue;
    const left = compactGenerations(history, main);
    if (left === null) {
      vanished.push(leaf.keys[slot] as Key);
      continue;
    }
    const plain =
      left.older === null && left.mains.length === 1 && !left.ended && left.version === 1;
    if (plain && left.create === left.mains[0]) leaf.setHistory(slot, null);
  }
}
