/** What a Range asks and answers, and the walk over the index that selects its rows. */
import { type Key, successor } from "../base/bytes.ts";
import type { Core } from "./core.ts";
import { SUB_MAX } from "./key-index.ts";
import { slotVersionAt } from "./leaf-slot.ts";
import type { Position } from "./pins.ts";
import type { Revision } from "./revision.ts";
import type { Leaf } from "./tree-node.ts";
import type { Version } from "./version.ts";

export type SortOrder = "none" | "ascend" | "descend";
export type SortTarget = "key" | "version" | "create" | "mod" | "value";

/** RangeRequest in the words of the index. Revisions of 0 are off. */
export interface RangeQuery {
  readonly key: Key;
  /** Exclusive; null: the one key; OPEN_END: no end. */
  readonly end: Key | null;
  /** 0 and below: the newest. */
  readonly revision: number;
  /** 0 and below: none. */
  readonly limit: number;
  readonly countOnly: boolean;
  readonly keysOnly: boolean;
  readonly sortOrder: SortOrder;
  readonly sortTarget: SortTarget;
  readonly minMod: number;
  readonly maxMod: number;
  readonly minCreate: number;
  readonly maxCreate: number;
}

/** What a Range answers besides its rows. */
export interface RangeSummary {
  readonly kind: "rows";
  /** Live keys of the interval at the revision asked, whatever limit and filters. */
  readonly count: number;
  /** The limit cut rows off. */
  readonly more: boolean;
  /** The store's revision, also where an older one was read. */
  readonly revision: Revision;
}

export interface RangeRows extends RangeSummary {
  /** Encoded mvccpb.KeyValue each. Shared, never changed by anybody. */
  readonly rows: readonly Uint8Array[];
}

/** The revision asked for is gone, or not there yet. */
export type RangeRefusal =
  | { readonly kind: "compacted"; readonly compactRevision: number }
  | { readonly kind: "future"; readonly revision: Revision };

export type RangeOutcome = RangeRows | RangeRefusal;

/** A query with nothing set but its interval. */
export function plainQuery(key: Key, end: Key | null, revision = 0, limit = 0): RangeQuery {
  return {
    key,
    end,
    revision,
    limit,
    countOnly: false,
    keysOnly: false,
    sortOrder: "none",
    sortTarget: "key",
    minMod: 0,
    maxMod: 0,
    minCreate: 0,
    maxCreate: 0,
  };
}

function isFiltered(query: RangeQuery): boolean {
  return query.minMod !== 0 || query.maxMod !== 0 || query.minCreate !== 0 || query.maxCreate !== 0;
}

/** Whether rows leave in another order than that of the keys. */
export function isSorted(query: RangeQuery): boolean {
  return query.sortTarget === "key" ? query.sortOrder === "descend" : true;
}

/** Rows that a walk selected, as parallel arrays: a large range would drown in small objects. */
export class Selection {
  readonly keys: Key[] = [];
  readonly mains: number[] = [];
  readonly subs: number[] = [];
  readonly creates: number[] = [];
  readonly versions: number[] = [];
  /** Where it was in memory; else undefined. */
  readonly records: (Uint8Array | undefined)[] = [];

  get count(): number {
    return this.keys.length;
  }

  push(version: Version): void {
    this.keys.push(version.key);
    this.mains.push(version.main);
    this.subs.push(version.sub);
    this.creates.push(version.create);
    this.versions.push(version.version);
    this.records.push(version.record ?? undefined);
  }

  /** Removes the rows from `count` on. */
  cut(count: number): void {
    if (count >= this.count) return;
    for (const column of this.#columns()) column.length = count;
  }

  /** Rows [from, end), as a selection of their own. */
  slice(from: number, end: number): Selection {
    const part = new Selection();
    for (let at = from; at < Math.min(end, this.count); at++) this.#copy(at, part);
    return part;
  }

  /** The rows in the order of `places`. */
  permute(places: readonly number[]): Selection {
    const sorted = new Selection();
    for (const at of places) this.#copy(at, sorted);
    return sorted;
  }

  #copy(at: number, target: Selection): void {
    target.keys.push(this.keys[at] as Key);
    target.mains.push(this.mains[at] as number);
    target.subs.push(this.subs[at] as number);
    target.creates.push(this.creates[at] as number);
    target.versions.push(this.versions[at] as number);
    target.records.push(this.records[at]);
  }

  #columns(): unknown[][] {
    return [this.keys, this.mains, this.subs, this.creates, this.versions, this.records];
  }
}

/**
 * Goes over the interval of a query at one position, in slices. Between slices the index may change: the position is pinned
 * by then, and the walk finds its place by key.
 */
export class RangeWalk {
  readonly #core: Core;
  readonly #query: RangeQuery;
  readonly #main: number;
  readonly #sub: number;
  readonly #filtered: boolean;
  /** Rows worth having: what lies beyond is only counted. */
  readonly #selectMax: number;
  /** So many matches settle everything, once the count is known: with a filter, one more tells whether there is more. */
  readonly #stopAt: number;
  /** Known from the start where the position is the index's newest; else counted along the way. */
  readonly #countKnown: boolean;
  #from: Key;
  #count = 0;
  #matched = 0;
  #selection = new Selection();

  constructor(core: Core, query: RangeQuery, position: Position) {
    this.#core = core;
    this.#query = query;
    this.#main = position.main;
    this.#sub = position.sub;
    this.#from = query.key;
    this.#filtered = isFiltered(query);
    this.#selectMax = query.countOnly ? 0 : selectMax(query, this.#filtered);
    this.#stopAt = this.#filtered && !query.countOnly ? this.#selectMax + 1 : this.#selectMax;
    this.#countKnown = query.end !== null && core.isHead(position);
    if (this.#countKnown) this.#count = core.index.countLive(query.key, query.end ?? query.key);
  }

  /** Live keys of the interval; once the walk is done. */
  get count(): number {
    return this.#count;
  }

  /** Rows that pass the filters were more than the limit; once the walk is done. */
  get more(): boolean {
    const { limit, countOnly } = this.#query;
    if (limit <= 0 || countOnly) return false;
    return (this.#filtered ? this.#matched : this.#count) > limit;
  }

  /** What was selected since the last call. */
  take(): Selection {
    const selection = this.#selection;
    this.#selection = new Selection();
    return selection;
  }

  /** Goes over about `slotsMax` further keys; true at the end. */
  step(slotsMax: number): boolean {
    const { end } = this.#query;
    if (end === null) {
      this.#point();
      return true;
    }
    if (this.#enough()) return true;
    const head = this.#core.isHead({ main: this.#main, sub: this.#sub });
    let visited = 0;
    let done = true;
    this.#core.index.visit(this.#from, end, (leaf, from, to) => {
      for (let slot = from; slot < to; slot++) {
        if (head) this.#newest(leaf, slot);
        else this.#historic(leaf, slot);
        if (this.#enough()) return false;
      }
      visited += to - from;
      if (visited < slotsMax) return true;
      this.#from = successor(leaf.keys[to - 1] as Key);
      done = false;
      return false;
    });
    return done;
  }

  #enough(): boolean {
    return this.#countKnown && this.#matched >= this.#stopAt;
  }

  #point(): void {
    const version = this.#core.index.at(this.#query.key, this.#main, this.#sub);
    if (version === null) return;
    this.#count = 1;
    if (!this.#passes(version.main, version.create)) return;
    if (this.#matched++ >= this.#selectMax) return;
    const { key, main, sub, create, version: edits } = version;
    this.#select(key, main, sub, create, edits, version.record);
  }

  /** A slot whose newest revision is what the position sees: no handle is made for it. */
  #newest(leaf: Leaf, slot: number): void {
    const history = leaf.historyAt(slot);
    if (history !== null && history.ended) return;
    if (!this.#countKnown) this.#count++;
    const main = leaf.mains[slot] as number;
    const create = history === null ? main : history.create;
    if (!this.#passes(main, create)) return;
    if (this.#matched++ >= this.#selectMax) return;
    const entry = leaf.cachedAt(slot);
    const edits = history === null ? 1 : history.version;
    const record = entry === null ? null : entry.record;
    this.#select(leaf.keys[slot] as Key, main, leaf.subs[slot] as number, create, edits, record);
  }

  #historic(leaf: Leaf, slot: number): void {
    const newest = leaf.mains[slot] as number;
    if (newest < this.#main || (newest === this.#main && this.#sub === SUB_MAX)) {
      this.#newest(leaf, slot);
      return;
    }
    const version = slotVersionAt(leaf, slot, this.#main, this.#sub);
    if (version === null) return;
    if (!this.#countKnown) this.#count++;
    if (!this.#passes(version.main, version.create)) return;
    if (this.#matched++ >= this.#selectMax) return;
    const { key, main, sub, create, version: edits } = version;
    this.#select(key, main, sub, create, edits, version.record);
  }

  #passes(mod: number, create: number): boolean {
    if (!this.#filtered) return true;
    const { minMod, maxMod, minCreate, maxCreate } = this.#query;
    if (maxMod !== 0 && mod > maxMod) return false;
    if (minMod !== 0 && mod < minMod) return false;
    if (maxCreate !== 0 && create > maxCreate) return false;
    return minCreate === 0 || create >= minCreate;
  }

  #select(
    key: Key,
    main: number,
    sub: number,
    create: number,
    version: number,
    record: Uint8Array | null,
  ): void {
    const rows = this.#selection;
    rows.keys.push(key);
    rows.mains.push(main);
    rows.subs.push(sub);
    rows.creates.push(create);
    rows.versions.push(version);
    rows.records.push(record ?? this.#core.pending.record(main, sub));
  }
}

/**
 * How many rows are read from the start of the interval before sorting and cutting. As etcd: all of them where an order or a
 * filter is asked for; but one more than the limit where only a target is.
 */
function selectMax(query: RangeQuery, filtered: boolean): number {
  const { limit, sortOrder, sortTarget } = query;
  if (limit <= 0) return Number.POSITIVE_INFINITY;
  if (filtered || sortOrder !== "none") {
    const inKeyOrder = sortTarget === "key" && sortOrder !== "descend";
    return inKeyOrder ? limit : Number.POSITIVE_INFINITY;
  }
  return sortTarget === "key" ? limit : limit + 1;
}
