/**
 * The history of one key: what the index keeps beyond the newest revision.
 *
 * A generation is the life of a key from the put that created it to the tombstone that ended it. A key whose only
 * retained revision is the put that created it needs none: main and sub in the leaf say everything.
 *
 * ```
 * put 2, put 3, delete 5, put 8      Generation{create 8, [8]} -> older Generation{create 2, [2, 3, 5], ended}
 * compacted at 3                     Generation{create 8, [8]} -> older Generation{create 2, [3, 5], ended}
 * compacted at 5                     Generation{create 8, [8]} -> older Generation{create 2, [5], ended}
 * ```
 */
import { assert } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";
import { Version } from "./version.ts";

/** Sub revision that is above every real one: the end of a main revision. */
export const SUB_MAX: number = Number.MAX_SAFE_INTEGER;

/** Up to so many revisions a key's array is of exact size: copying it costs less than the room that a grown one keeps. */
const EXACT_MAX = 32;

export class Generation {
  /** Main revision of the put that created the key; 0 where only its tombstone is left. */
  readonly create: number;
  /** Version of the newest put in `mains`. */
  version: number;
  /** Retained revisions, ascending. Invariant: never empty, except while it is compacted. */
  mains: number[];
  /** Sub revisions beside `mains`; null while all are 0. */
  subs: number[] | null;
  /** The last retained revision is the tombstone. */
  ended: boolean;
  /** The life before. Invariant: ended. */
  older: Generation | null;

  constructor(create: number, version: number, older: Generation | null) {
    assert(older === null || older.ended, "a key is created only where it is absent");
    this.create = create;
    this.version = version;
    this.mains = [];
    this.subs = null;
    this.ended = false;
    this.older = older;
  }

  append(main: number, sub: number): void {
    const { mains } = this;
    const count = mains.length;
    if (count > 0) {
      const last = mains[count - 1] ?? 0;
      assert(
        main > last || (main === last && sub > this.subAt(count - 1)),
        "revisions of a key ascend",
      );
    }
    this.mains = appended(mains, main);
    if (this.subs !== null) this.subs = appended(this.subs, sub);
    else if (sub !== 0) this.subs = appended(zeros(count), sub);
  }

  subAt(at: number): number {
    return this.subs === null ? 0 : (this.subs[at] ?? 0);
  }

  /** Version number of the put at `at`. */
  versionAt(at: number): number {
    const newestPut = this.mains.length - (this.ended ? 2 : 1);
    return this.version - (newestPut - at);
  }

  /** Position of the newest retained revision at or before (main, sub); -1 if none. */
  search(main: number, sub: number): number {
    let from = 0;
    let end = this.mains.length;
    while (from < end) {
      const middle = (from + end) >>> 1;
      const there = this.mains[middle] ?? 0;
      if (there < main || (there === main && this.subAt(middle) <= sub)) from = middle + 1;
      else end = middle;
    }
    return from - 1;
  }

  /** Drops the first `count` retained revisions. */
  dropFirst(count: number): void {
    if (count <= 0) return;
    this.mains = this.mains.slice(count);
    if (this.subs !== null) this.subs = this.subs.slice(count);
  }
}

/** The live version of `key` at (main, sub): null where it was absent or deleted. */
export function versionAt(key: Key, newest: Generation, main: number, sub: number): Version | null {
  for (let life: Generation | null = newest; life !== null; life = life.older) {
    const at = life.search(main, sub);
    if (at < 0) continue;
    if (life.ended && at === life.mains.length - 1) return null;
    return new Version(
      key,
      life.create,
      life.mains[at] ?? 0,
      life.subAt(at),
      life.versionAt(at),
      null,
    );
  }
  return null;
}

/** Whether the key was live at the end of `main`. */
export function isLiveAt(newest: Generation, main: number): boolean {
  for (let life: Generation | null = newest; life !== null; life = life.older) {
    const at = life.search(main, SUB_MAX);
    if (at >= 0) return !life.ended || at < life.mains.length - 1;
  }
  return false;
}

/**
 * The revision of the key that a compaction at `main` keeps though it is not above it: the live version at `main`, or a
 * tombstone of exactly `main` (etcd 3.5.16 and later: a watch from there must see the delete). -1 if none.
 * generation is in `found`.
 */
export function retainedAt(
  newest: Generation,
  main: number,
): { readonly life: Generation; readonly at: number } | null {
  for (let life: Generation | null = newest; life !== null; life = life.older) {
    const at = life.search(main, SUB_MAX);
    if (at < 0) continue;
    const isTombstone = life.ended && at === life.mains.length - 1;
    if (isTombstone && life.mains[at] !== main) return null;
    return { life, at };
  }
  return null;
}

/**
 * Forgets what a compaction at `main` removes. Answers the newest generation, or null where nothing of the key is left.
 */
export function compactGenerations(newest: Generation, main: number): Generation | null {
  let life: Generation = newest;
  for (;;) {
    const at = life.search(main, SUB_MAX);
    if (at < 0) {
      // Wholly above: look at the life before.
      if (life.older === null) return newest;
      const { older } = life;
      if (vanishes(older, main)) {
        life.older = null;
        return newest;
      }
      life = older;
      continue;
    }
    life.older = null;
    if (vanishes(life, main)) {
      assert(life === newest, "an older life that vanishes was cut off above");
      return null;
    }
    life.dropFirst(at);
    return newest;
  }
}

/** Its tombstone is below `main`, and so is everything before. */
function vanishes(life: Generation, main: number): boolean {
  return life.ended && (life.mains[life.mains.length - 1] ?? 0) < main;
}

/** An array that was pushed to keeps room for half of it and sixteen more. May be `numbers` itself. */
function appended(numbers: number[], last: number): number[] {
  const { length } = numbers;
  if (length === 0) return [last];
  if (length === 1) return [numbers[0] as number, last];
  if (length < EXACT_MAX) return numbers.concat(last);
  numbers.push(last);
  return numbers;
}

function zeros(count: number): number[] {
  return count === 1 ? [0] : Array.from({ length: count }, () => 0);
}
