/**
 * The file format of bbolt, version 2: what etcd keeps its data in, and what its snapshots are. All numbers little-endian.
 *
 * ```
 * file     = meta page 0 | meta page 1 | pages                  page size: usually 4096, told by the metas
 * page     = id u64 | flags u16 (1 branch, 2 leaf, 4 meta, 0x10 freelist) | count u16 | overflow u32 (further pages) | body
 * meta     = magic u32 | version u32 | page size u32 | flags u32 | root page u64 | sequence u64 | freelist page u64, all ones
 *            for none | page count u64 | transaction u64 | FNV-1a-64 of the 56 bytes before, u64
 * leaf     = (flags u32, 1 for a bucket | position u32 | key size u32 | value size u32)* | keys and values
 * branch   = (position u32 | key size u32 | child page u64)* | keys, each the first of its child
 * freelist = page u64 *                                         a count of 0xffff: the first number is the count
 * bucket   = root page u64 | sequence u64 | for root page 0 a leaf page in place
 * ```
 * A position counts from its own element. Keys of a bucket are sorted and not empty. The meta with the higher transaction that
 * is whole counts. The root tree holds the buckets by name. It is not ours: it changes with bbolt alone.
 */
import { QuorateError } from "../base/errors.ts";

export const PAGE_BYTES = 4096;
export const PAGE_HEAD_BYTES = 16;
export const ELEMENT_BYTES = 16;
export const BUCKET_BYTES = 16;
/** bbolt takes no longer key. */
export const KEY_BYTES_MAX = 32768;
export const BUCKET_FLAG = 1;

export const PageFlags = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;

const MAGIC = 0xed0cdaed;
const VERSION = 2;
const META_BYTES = 64;
const CHECKED_BYTES = 56;
const NO_FREELIST = 0xffff_ffff_ffff_ffffn;
const PAGE_BYTES_MIN = 512;
const PAGE_BYTES_MAX = 65536;

export interface Meta {
  readonly pageBytes: number;
  /** Page of the root tree, which holds the buckets. */
  readonly root: number;
  /** Null: free is what nothing reaches. */
  readonly freelist: number | null;
  /** Pages of the file; what is beyond is not data. */
  readonly pageCount: number;
  readonly transaction: number;
}

/** The whole page of a meta. `transaction` decides whether it is page 0 or 1. */
export function encodeMetaPage(meta: Meta): Buffer {
  const page = Buffer.alloc(meta.pageBytes);
  encodePageHead(page, { id: meta.transaction % 2, flags: PageFlags.meta, count: 0, overflow: 0 });
  const at = PAGE_HEAD_BYTES;
  page.writeUInt32LE(MAGIC, at);
  page.writeUInt32LE(VERSION, at + 4);
  page.writeUInt32LE(meta.pageBytes, at + 8);
  writeU64(page, meta.root, at + 16);
  if (meta.freelist === null) page.writeBigUInt64LE(NO_FREELIST, at + 32);
  else writeU64(page, meta.freelist, at + 32);
  writeU64(page, meta.pageCount, at + 40);
  writeU64(page, meta.transaction, at + 48);
  page.writeBigUInt64LE(fnv1a(page.subarray(at, at + CHECKED_BYTES)), at + CHECKED_BYTES);
  return page;
}

/** The meta of a page, from its first 80 bytes; null for what is none, or is damaged. */
export function decodeMeta(page: Buffer): Meta | null {
  if (page.length < PAGE_HEAD_BYTES + META_BYTES) return null;
  const meta = page.subarray(PAGE_HEAD_BYTES, PAGE_HEAD_BYTES + META_BYTES);
  if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== VERSION) return null;
  if (meta.readBigUInt64LE(CHECKED_BYTES) !== fnv1a(meta.subarray(0, CHECKED_BYTES))) return null;
  const pageBytes = meta.readUInt32LE(8);
  const isPower = (pageBytes & (pageBytes - 1)) === 0;
  if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX || !isPower) return null;
  return {
    pageBytes,
    root: readU64(meta, 16),
    freelist: meta.readBigUInt64LE(32) === NO_FREELIST ? null : readU64(meta, 32),
    pageCount: readU64(meta, 40),
    transaction: readU64(meta, 48),
  };
}

export interface PageHead {
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  readonly overflow: number;
}

export function encodePageHead(page: Buffer, head: PageHead): void {
  writeU64(page, head.id, 0);
  page.writeUInt16LE(head.flags, 8);
  page.writeUInt16LE(head.count, 10);
  page.writeUInt32LE(head.overflow, 12);
}

export function decodePageHead(page: Buffer): PageHead {
  return {
    id: readU64(page, 0),
    flags: page.readUInt16LE(8),
    count: page.readUInt16LE(10),
    overflow: page.readUInt32LE(12),
  };
}

export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Infinity beyond the safe integers: no page of any file, refused by the bounds that are checked anyway. */
export function readU64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

export function damaged(what: string): QuorateError {
  return new QuorateError("corruption", `the database file is damaged: ${what}`);
}

function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
