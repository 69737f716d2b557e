/** Ranges: at once where everything is in memory, else in slices; as rows, or as bytes for replies of any size. */
import { corruption, toRecordKey } from "../backend/record.ts";
import { Bucket } from "../backend/buckets.ts";
import { compareBytes, type Key } from "../base/bytes.ts";
import type { Core } from "./core.ts";
import { SUB_MAX } from "./key-index.ts";
import { SLICE_MS } from "./pace.ts";
import type { Position } from "./pins.ts";
import {
  isSorted,
  type RangeOutcome,
  type RangeQuery,
  type RangeRefusal,
  type RangeRows,
  type RangeSummary,
  RangeWalk,
  Selection,
} from "./range.ts";
import { valueOf, varintSize, withoutValue, writeVarint } from "./record.ts";
import { toRevisionKey, type Revision } from "./revision.ts";
import type { Version } from "./version.ts";

/** Keys that a walk passes before it looks at the clock: well under a millisecond. */
const STEP_SLOTS = 2_048;
/** Rows of one trip to the backend, and of one chunk. */
const LOAD_ROWS_MAX = 1_024;
/** Reads of more rows leave the cache alone: they would empty it for everybody else. */
const CACHE_ROWS_MAX = 128;
/** Tag of RangeResponse.kvs. */
const TAG_KVS = 0x12;

/** Takes the encoded `kvs` fields of a RangeResponse, in order. */
export interface RangeSink {
  /** `rows` complete fields. The bytes are the sink's to keep. A promise holds the range back until it settles. */
  chunk(bytes: Uint8Array, rows: number): void | Promise<void>;
}

export class Reader {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Why `revision` cannot be read now; null if it can. */
  refusal(revision: number): RangeRefusal | null {
    const core = this.#core;
    if (revision > core.revision) return { kind: "future", revision: core.revision };
    if (revision > 0 && revision < core.compactRevision) {
      return { kind: "compacted", compactRevision: core.compactRevision };
    }
    return null;
  }

  /** At once where all rows are in memory and few; a promise otherwise. */
  range(query: RangeQuery): RangeOutcome | Promise<RangeOutcome> {
    const core = this.#core;
    if (query.revision > 0) {
      const refusal = this.refusal(query.revision);
      if (refusal !== null) return refusal;
      return this.rangeAt(query, { main: query.revision, sub: SUB_MAX });
    }
    if (query.end === null && !core.writing && isPlain(query)) {
      const entry = core.index.cachedRecord(query.key);
      if (entry !== null) return rows([entry.record], 1, false, core.revision);
    }
    return this.rangeAt(query, { main: core.revision, sub: SUB_MAX });
  }

  /** As `range`, at a position: that of a range inside a transaction, pinned by the caller. */
  rangeAt(query: RangeQuery, position: Position): RangeRows | Promise<RangeRows> {
    const core = this.#core;
    const { revision } = core;
    const walk = new RangeWalk(core, query, position);
    if (!walk.step(STEP_SLOTS)) return this.#later(query, walk, position, null);
    const selection = walk.take();
    if (selection.count === 0) return rows([], walk.count, false, revision);
    if (selection.records.includes(undefined)) {
      return this.#later(query, walk, position, selection);
    }
    const { count, more } = walk;
    return rows(finished(query, arranged(query, selection)), count, more, revision);
  }

  /**
   * A range of any size in slices of a few milliseconds, its rows as bytes. Null position: as the query says. Rejects with
   * the signal's reason when aborted, and with what the sink throws.
   */
  async rangeInto(
    query: RangeQuery,
    position: Position | null,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<RangeSummary | RangeRefusal> {
    const core = this.#core;
    if (position === null) {
      const refusal = this.refusal(query.revision);
      if (refusal !== null) return refusal;
    }
    const { revision } = core;
    const main = query.revision > 0 ? query.revision : revision;
    const pin = core.pins.pin(position?.main ?? main, position?.sub ?? SUB_MAX);
    try {
      const walk = new RangeWalk(core, query, pin);
      if (isSorted(query)) await this.#sortedInto(query, walk, sink, signal);
      else await this.#keyOrderInto(query, walk, sink, signal);
      return { kind: "rows", count: walk.count, more: walk.more, revision };
    } finally {
      pin.release();
    }
  }

  /** The records of versions, from memory or in as few trips as it takes. */
  async records(versions: readonly Version[]): Promise<readonly Uint8Array[]> {
    const selection = new Selection();
    for (const version of versions) selection.push(version);
    await this.#fill(selection);
    return selection.records as Uint8Array[];
  }

  async #later(
    query: RangeQuery,
    walk: RangeWalk,
    position: Position,
    first: Selection | null,
  ): Promise<RangeRows> {
    const core = this.#core;
    const { revision } = core;
    const pin = core.pins.pin(position.main, position.sub);
    try {
      const selection = first ?? (await this.#walked(walk));
      const sorted = query.sortTarget === "value" ? selection : arranged(query, selection);
      await this.#fill(sorted);
      const done = query.sortTarget === "value" ? arranged(query, sorted) : sorted;
      return rows(finished(query, done), walk.count, walk.more, revision);
    } finally {
      pin.release();
    }
  }

  /** The rest of a walk, a slice a turn. */
  async #walked(walk: RangeWalk): Promise<Selection> {
    const { pace } = this.#core;
    let done = false;
    while (!done) {
      await pace.turn();
      const until = pace.now() + SLICE_MS;
      do done = walk.step(STEP_SLOTS);
      while (!done && pace.now() < until);
    }
    return walk.take();
  }

  async #keyOrderInto(
    query: RangeQuery,
    walk: RangeWalk,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<void> {
    const { pace } = this.#core;
    let room = query.limit > 0 ? query.limit : Number.POSITIVE_INFINITY;
    for (let done = false; !done;) {
      signal.throwIfAborted();
      done = walk.step(LOAD_ROWS_MAX);
      const selection = walk.take();
      selection.cut(room);
      room -= selection.count;
      await this.#emit(query, selection, sink, signal);
      if (!done) await pace.turn();
    }
  }

  async #sortedInto(
    query: RangeQuery,
    walk: RangeWalk,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<void> {
    let selection = walk.step(STEP_SLOTS) ? walk.take() : await this.#walked(walk);
    signal.throwIfAborted();
    if (query.sortTarget === "value") await this.#fill(selection);
    selection = arranged(query, selection);
    await this.#emit(query, selection, sink, signal);
  }

  async #emit(
    query: RangeQuery,
    selection: Selection,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<void> {
    for (let from = 0; from < selection.count; from += LOAD_ROWS_MAX) {
      signal.throwIfAborted();
      const whole = from === 0 && selection.count <= LOAD_ROWS_MAX;
      const part = whole ? selection : selection.slice(from, from + LOAD_ROWS_MAX);
      await this.#fill(part);
      await sink.chunk(encodeRows(finished(query, part)), part.count);
      if (from > 0) await this.#core.pace.turn();
    }
  }

  /** Reads the records that are missing. The position must be pinned. */
  async #fill(selection: Selection): Promise<void> {
    for (let from = 0; from < selection.count; from += LOAD_ROWS_MAX) {
      await this.#fillPart(selection, from, Math.min(from + LOAD_ROWS_MAX, selection.count));
    }
  }

  async #fillPart(selection: Selection, from: number, end: number): Promise<void> {
    const core = this.#core;
    const places: number[] = [];
    const mains: number[] = [];
    const subs: number[] = [];
    for (let at = from; at < end; at++) {
      if (selection.records[at] !== undefined) continue;
      const main = selection.mains[at] as number;
      const sub = selection.subs[at] as number;
      const pending = core.pending.record(main, sub);
      if (pending !== undefined) {
        selection.records[at] = pending;
        continue;
      }
      places.push(at);
      mains.push(main);
      subs.push(sub);
    }
    if (places.length === 0) return;
    const found = await core.values.load(mains, subs);
    for (let at = 0; at < places.length; at++) {
      const record = found[at];
      const main = mains[at] as number;
      const sub = subs[at] as number;
      if (record === undefined) throw absent(main, sub);
      const place = places[at] as number;
      selection.records[place] = record;
      if (selection.count > CACHE_ROWS_MAX) continue;
      core.index.cacheRead(selection.keys[place] as Key, main, sub, record);
    }
  }
}

function isPlain(query: RangeQuery): boolean {
  if (query.countOnly || query.keysOnly) return false;
  return query.minMod === 0 && query.maxMod === 0 && query.minCreate === 0 && query.maxCreate === 0;
}

function rows(
  found: readonly Uint8Array[],
  count: number,
  more: boolean,
  revision: Revision,
): RangeRows {
  return { kind: "rows", count, more, revision, rows: found };
}

function absent(main: number, sub: number): Error {
  const recordKey = toRecordKey(Bucket.keys, toRevisionKey(main as Revision, sub, false));
  return corruption(recordKey, "the index has it, the store has not");
}

/** Sorted as the query asks, then cut at its limit. Sorting by value needs the records. */
function arranged(query: RangeQuery, selection: Selection): Selection {
  let sorted = selection;
  if (isSorted(query)) {
    const places = Array.from({ length: selection.count }, (_, at) => at);
    const compare = comparator(query, selection);
    places.sort(query.sortOrder === "descend" ? (a, b) => compare(b, a) : compare);
    if (query.limit > 0 && places.length > query.limit) places.length = query.limit;
    sorted = selection.permute(places);
  }
  if (query.limit > 0) sorted.cut(query.limit);
  return sorted;
}

function comparator(query: RangeQuery, rowsOf: Selection): (a: number, b: number) => number {
  const byNumber = (column: readonly number[]) => (a: number, b: number) =>
    (column[a] as number) - (column[b] as number);
  switch (query.sortTarget) {
    case "key":
      return (a, b) => a - b; // selected in key order
    case "version":
      return byNumber(rowsOf.versions);
    case "create":
      return byNumber(rowsOf.creates);
    case "mod":
      return byNumber(rowsOf.mains);
    case "value": {
      const values = rowsOf.records.map((record) => valueOf(record as Uint8Array));
      return (a, b) => compareBytes(values[a] as Uint8Array, values[b] as Uint8Array);
    }
  }
}

/** The rows as they leave. Every record is there by now. */
function finished(query: RangeQuery, selection: Selection): Uint8Array[] {
  const records = selection.records as Uint8Array[];
  return query.keysOnly ? records.map((record) => withoutValue(record)) : records;
}

/** The rows as consecutive `kvs` fields of a RangeResponse. */
export function encodeRows(records: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const record of records) size += 1 + varintSize(record.length) + record.length;
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const record of records) {
    bytes[at++] = TAG_KVS;
    at = writeVarint(bytes, at, record.length);
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}
