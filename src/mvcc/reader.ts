/** Ranges: at once where everything is in memory, else in slices; as rows, or as bytes for replies of any size. */
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
import type { Revision } from "./revision.ts";
import type { Version } from "./version.ts";

/** Keys that a walk passes before it looks at the clock: well under a millisecond. */
const STEP_SLOTS = 2_048;
/** Rows and bytes of one chunk: made in one turn. */
const CHUNK_ROWS_MAX = 2_048;
const CHUNK_BYTES = 512 * 1024;
/** Rows of a long range that are read together; by their bytes, once it is known how large they are. */
const WINDOW_ROWS_START = 256;
const WINDOW_ROWS_MIN = 16;
const WINDOW_ROWS_MAX = 2_048;
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Rows of one trip to the backend: handing it their keys takes some 2 ms of the loop. */
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

  /** At once where all rows are in memory and few, which then hold until the next write; a promise otherwise. */
  range(query: RangeQuery): RangeOutcome | Promise<RangeOutcome> {
    const core = this.#core;
    core.counts.ranges++;
    if (query.revision > 0) {
      const refusal = this.refusal(query.revision);
      if (refusal !== null) return refusal;
      return this.rangeAt(query, { main: query.revision, sub: SUB_MAX });
    }
    if (query.end === null && !core.writing && isPlain(query)) {
      const entry = core.index.cachedRecord(query.key);
      if (entry !== null) return rows([entry.view], 1, false, core.revision);
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
    core.counts.ranges++;
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
    const window = new Window();
    let room = query.limit > 0 ? query.limit : Number.POSITIVE_INFINITY;
    for (let done = false; !done;) {
      signal.throwIfAborted();
      done = walk.step(window.rows);
      const selection = walk.take();
      selection.cut(room);
      room -= selection.count;
      await this.#emit(query, selection, window, sink, signal);
      if (!done) await this.#core.pace.turn();
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
    const window = new Window();
    for (let from = 0; from < selection.count;) {
      const part = selection.slice(from, from + window.rows);
      from += part.count;
      await this.#emit(query, part, window, sink, signal);
      await this.#core.pace.turn();
    }
  }

  /** Reads what is missing of a window, and hands it on a chunk a turn. */
  async #emit(
    query: RangeQuery,
    selection: Selection,
    window: Window,
    sink: RangeSink,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#fill(selection);
    const records = finished(query, selection);
    let bytes = 0;
    for (let from = 0; from < records.length;) {
      signal.throwIfAborted();
      if (from > 0) await this.#core.pace.turn();
      const end = chunkEnd(records, from);
      const chunk = encodeRows(records, from, end);
      bytes += chunk.length;
      await sink.chunk(chunk, end - from);
      from = end;
    }
    window.adapt(records.length, bytes);
  }

  /** Reads the records that are missing. The position must be pinned. */
  async #fill(selection: Selection): Promise<void> {
    const core = this.#core;
    const { mains, subs, records } = selection;
    const places: number[] = [];
    for (let at = 0; at < selection.count; at++) {
      if (records[at] !== undefined) continue;
      const pending = core.pending.record(mains[at] as number, subs[at] as number);
      if (pending === undefined) places.push(at);
      else records[at] = pending;
    }
    if (places.length === 0) return;
    for (let from = 0; from < places.length; from += LOAD_ROWS_MAX) {
      await this.#load(selection, places.slice(from, from + LOAD_ROWS_MAX));
    }
  }

  async #load(selection: Selection, places: readonly number[]): Promise<void> {
    const core = this.#core;
    const mains = places.map((at) => selection.mains[at] as number);
    const subs = places.map((at) => selection.subs[at] as number);
    const found = await core.values.load(mains, subs);
    for (const [at, place] of places.entries()) {
      const record = found[at] as Uint8Array;
      const main = mains[at] as number;
      const sub = subs[at] as number;
      selection.records[place] = record;
      if (selection.count > CACHE_ROWS_MAX) continue;
      core.index.cacheRead(selection.keys[place] as Key, main, sub, record);
    }
  }
}

/** How many rows of a long range are read together: many, as long as their values are small. */
class Window {
  rows = WINDOW_ROWS_START;

  /** Learns from the rows of the last window. */
  adapt(rowCount: number, bytes: number): void {
    if (rowCount === 0) return;
    const fitting = Math.floor((rowCount * WINDOW_BYTES) / bytes);
    this.rows = Math.max(WINDOW_ROWS_MIN, Math.min(fitting, WINDOW_ROWS_MAX));
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

/** Where a chunk that begins at `from` ends. */
function chunkEnd(records: readonly Uint8Array[], from: number): number {
  let bytes = 0;
  let end = from;
  while (end < records.length && end - from < CHUNK_ROWS_MAX && bytes < CHUNK_BYTES) {
    bytes += (records[end++] as Uint8Array).length;
  }
  return end;
}

/** The rows [from, end) as consecutive `kvs` fields of a RangeResponse. */
function encodeRows(
  records: readonly Uint8Array[],
  from = 0,
  end: number = records.length,
): Uint8Array {
  let size = 0;
  for (let at = from; at < end; at++) {
    const { length } = records[at] as Uint8Array;
    size += 1 + varintSize(length) + length;
  }
  const bytes = Buffer.allocUnsafeSlow(size);
  let to = 0;
  for (let at = from; at < end; at++) {
    const record = records[at] as Uint8Array;
    bytes[to++] = TAG_KVS;
    to = writeVarint(bytes, to, record.length);
    bytes.set(record, to);
    to += record.length;
  }
  return bytes;
}
