/** What a user may touch: the permissions of all roles, merged into sorted intervals of keys. */
import { successor, toKey, type Key } from "../base/bytes.ts";

/** As authpb.Permission.Type. */
export const PermissionType = { read: 0, write: 1, readWrite: 2 } as const;

/** As authpb.Permission. An empty `rangeEnd`: the one key; a single zero byte: no end. */
export interface Permission {
  readonly permType: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** Half open; a null `end`: no end. */
export interface Interval {
  readonly from: Key;
  readonly end: Key | null;
}

/** The interval that a key and a range end of a request or a permission name, as they came. */
export function toInterval(key: Uint8Array, rangeEnd: Uint8Array): Interval {
  const from = toKey(key);
  if (rangeEnd.length === 0) return pointAt(from);
  if (isOpenEnd(rangeEnd)) return { from, end: null };
  return { from, end: toKey(rangeEnd) };
}

/** The one key. */
export function pointAt(key: Key): Interval {
  return { from: key, end: successor(key) };
}

export function isOpenEnd(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

/** Whether a role may be given this range: a key, and nothing inverted. */
export function isValidRange(key: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (key.length === 0) return false;
  const { from, end } = toInterval(key, rangeEnd);
  return end === null || from < end;
}

/** A fixed set of intervals. Invariant: sorted, and each ends before the next begins. */
export class Coverage {
  readonly #from: Key[] = [];
  readonly #end: (Key | null)[] = [];

  constructor(intervals: readonly Interval[]) {
    const sorted = intervals.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    for (const { from, end } of sorted) if (end === null || from < end) this.#append(from, end);
  }

  /** Whether every key of the interval is in the set. Of an inverted or empty interval: false, since nobody needs one. */
  covers({ from, end }: Interval): boolean {
    if (end !== null && from >= end) return false;
    const at = this.#lastFrom(from);
    if (at < 0) return false;
    const reach = this.#end[at] as Key | null;
    return reach === null || (end !== null && end <= reach);
  }

  #append(from: Key, end: Key | null): void {
    const last = this.#end.length - 1;
    const reach = this.#end[last];
    if (last < 0 || (reach !== null && reach !== undefined && reach < from)) {
      this.#from.push(from);
      this.#end.push(end);
    } else if (reach !== null && (end === null || (reach !== undefined && reach < end))) {
      this.#end[last] = end;
    }
  }

  /** Where the last interval is that begins at or before `key`; -1 for none. */
  #lastFrom(key: Key): number {
    let low = 0;
    let high = this.#from.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#from[middle] as Key) <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** All that one user may do with keys. */
export interface Grants {
  /** Has the role root: everything. */
  readonly root: boolean;
  readonly read: Coverage;
  readonly write: Coverage;
}

export function mergeGrants(root: boolean, permissions: Iterable<Permission>): Grants {
  const read: Interval[] = [];
  const write: Interval[] = [];
  for (const { permType, key, rangeEnd } of permissions) {
    const interval = toInterval(key, rangeEnd);
    if (permType === PermissionType.read || permType === PermissionType.readWrite) {
      read.push(interval);
    }
    if (permType === PermissionType.write || permType === PermissionType.readWrite) {
      write.push(interval);
    }
  }
  return { root, read: new Coverage(read), write: new Coverage(write) };
}
