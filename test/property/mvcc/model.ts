/** The naive twin of the store: an array of everything that was ever written. */
import type { RangeQuery } from "../../../src/mvcc/range.ts";

export interface Entry {
  readonly main: number;
  readonly sub: number;
  readonly key: string;
  /** Null: a tombstone. */
  readonly value: string | null;
  readonly lease: bigint;
  readonly create: number;
  readonly version: number;
}

export class Model {
  history: Entry[] = [];
  revision = 1;
  compactRevision = -1;

  /** The live entries at the end of `main` (or up to `sub` within it), in key order. */
  live(main: number, sub: number = Number.MAX_SAFE_INTEGER): Entry[] {
    const newest = new Map<string, Entry>();
    for (const entry of this.history) {
      if (entry.main > main || (entry.main === main && entry.sub > sub)) break;
      newest.set(entry.key, entry);
    }
    return [...newest.values()]
      .filter((entry) => entry.value !== null)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  put(main: number, sub: number, key: string, value: string, lease: bigint): void {
    const before = this.history.findLast((entry) => entry.key === key);
    const alive = before !== undefined && before.value !== null ? before : null;
    this.history.push({
      main,
      sub,
      key,
      value,
      lease,
      create: alive?.create ?? main,
      version: (alive?.version ?? 0) + 1,
    });
  }

  /** Answers the keys it deleted. */
  deleteRange(main: number, sub: number, key: string, end: string | null): string[] {
    const doomed = this.live(main).filter((entry) => within(entry.key, key, end));
    for (const [at, { key: gone }] of doomed.entries()) {
      const base = { main, sub: sub + at, key: gone, lease: 0n, create: 0, version: 0 };
      this.history.push({ ...base, value: null });
    }
    return doomed.map((entry) => entry.key);
  }

  compact(main: number): void {
    this.compactRevision = main;
    const kept = this.retained(main);
    this.history = this.history.filter((entry) => entry.main > main || kept.has(entry));
  }

  /** What a compaction keeps at or below `main`. */
  retained(main: number): Set<Entry> {
    const newest = new Map<string, Entry>();
    for (const entry of this.history) if (entry.main <= main) newest.set(entry.key, entry);
    return new Set([...newest.values()].filter((of) => of.value !== null || of.main === main));
  }

  range(query: RangeQuery): unknown {
    const { revision } = query;
    if (revision > this.revision) return { kind: "future", revision: this.revision };
    if (revision > 0 && revision < this.compactRevision) {
      return { kind: "compacted", compactRevision: this.compactRevision };
    }
    return this.rangeAt(query, revision > 0 ? revision : this.revision);
  }

  /** As etcd's server does it, step by step. */
  rangeAt(query: RangeQuery, main: number, sub?: number): unknown {
    const all = this.live(main, sub).filter((entry) => within(entry.key, query.key, query.end));
    if (query.countOnly) return { count: all.length, more: false, rows: [] };
    const { minMod, maxMod, minCreate, maxCreate, limit } = query;
    const wide = query.sortOrder !== "none" || [minMod, maxMod, minCreate, maxCreate].some(Boolean);
    let rows = wide || limit <= 0 ? all : all.slice(0, limit + 1);
    if (maxMod !== 0) rows = rows.filter((row) => row.main <= maxMod);
    if (minMod !== 0) rows = rows.filter((row) => row.main >= minMod);
    if (maxCreate !== 0) rows = rows.filter((row) => row.create <= maxCreate);
    if (minCreate !== 0) rows = rows.filter((row) => row.create >= minCreate);
    const { sortTarget, sortOrder } = query;
    if (sortTarget !== "key" || sortOrder !== "none") {
      const sign = sortOrder === "descend" ? -1 : 1;
      const field = (row: Entry): string | number =>
        ({
          key: row.key,
          version: row.version,
          create: row.create,
          mod: row.main,
          value: row.value ?? "",
        })[sortTarget];
      rows = rows.toSorted((a, b) => {
        const [x, y] = [field(a), field(b)];
        return x === y ? 0 : x < y ? -sign : sign;
      });
    }
    const more = limit > 0 && rows.length > limit;
    if (more) rows = rows.slice(0, limit);
    return {
      count: all.length,
      more,
      rows: rows.map((row) => showEntry(query.keysOnly ? { ...row, value: "" } : row)),
    };
  }

  /** HashKV by its definition; `compactRevision` and the kept records as given. */
  hash(revision: number): number {
    const live = new Set(this.live(revision));
    return hashOf(
      this.history.filter((entry) => {
        if (entry.main > revision) return false;
        if (entry.main > this.compactRevision) return true;
        if (live.size > 0 && !live.has(entry)) return false;
        return !(entry.value === null && entry.main === this.compactRevision);
      }),
    );
  }
}

export function showEntry(entry: Entry): string {
  const { key, value, create, main, version } = entry;
  return `${key}=${value} ${create}/${main}/${version}`;
}

export function within(key: string, from: string, end: string | null): boolean {
  if (end === null) return key === from;
  return key >= from && (end === "" || key < end);
}

/** The bytes of one record as etcd keeps them, made the slow way. */
function stored(entry: Entry): Uint8Array {
  const key = Buffer.alloc(entry.value === null ? 18 : 17);
  key.writeBigUInt64BE(BigInt(entry.main), 0);
  key[8] = 0x5f;
  key.writeBigUInt64BE(BigInt(entry.sub), 9);
  if (entry.value === null) key[17] = 0x74;
  const fields = [lengthDelimited(1, entry.key)];
  if (entry.value !== null) {
    fields.push(number(2, entry.create), number(3, entry.main), number(4, entry.version));
    if (entry.value !== "") fields.push(lengthDelimited(5, entry.value));
    if (entry.lease !== 0n) fields.push([6 << 3, ...varint(BigInt.asUintN(64, entry.lease))]);
  }
  return Buffer.concat([key, Buffer.from(fields.flat())]);
}

function varint(value: bigint): number[] {
  if (value < 128n) return [Number(value)];
  return [Number(value & 127n) + 128, ...varint(value >> 7n)];
}

function number(field: number, value: number): number[] {
  return [field << 3, ...varint(BigInt(value))];
}

function lengthDelimited(field: number, text: string): number[] {
  const content = [...Buffer.from(text, "latin1")];
  return [(field << 3) | 2, ...varint(BigInt(content.length)), ...content];
}

/** CRC-32C bit by bit, over the bucket's name and the records. */
export function hashOf(entries: readonly Entry[]): number {
  let crc = 0xffffffff;
  for (const part of [Buffer.from("key"), ...entries.map(stored)]) {
    for (const byte of part) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
