/**
 * Reads the tables of a run one after the other, record by record, without an object for any of them (leveldb
 * doc/table_format.md). Block checksums are left alone: every record has a CRC of its own, and the totals of a bucket show
 * one that is missing. What is read here is checked to lie within its block, no more.
 */
import { open, type FileHandle } from "node:fs/promises";

import { QuorateError } from "../../base/errors.ts";
import { KEY_TAIL_BYTES, type LiveTable } from "./manifest.ts";

export const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** Compression (1) and CRC (4), after every block. */
export const TRAILER_BYTES = 5;
/** Blocks read in one go: some 2 ms of work. */
const CHUNK_BYTES = 256 * 1024;
const TYPE_DELETION = 0;
const TWO_32 = 2 ** 32;

export interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

/** Blocks that lie side by side in one table. */
interface Chunk {
  readonly bytes: Buffer;
  /** Where each block begins in `bytes`, and its size. */
  readonly blocks: readonly BlockHandle[];
  readonly table: LiveTable;
}

/** Stands before the first record of a run until `advance`; then `key` to `deleted` describe where it is. */
export class RunReader {
  /** The first `keyLength` bytes are the record key. Borrowed. */
  key: Buffer = Buffer.alloc(256);
  keyLength = 0;
  /** The value is `bytes` from `valueFrom` to `valueEnd`. Borrowed until the next `advance`. */
  bytes: Buffer = Buffer.alloc(0);
  valueFrom = 0;
  valueEnd = 0;
  /** Of two records with one key the higher counts. */
  sequence = 0;
  deleted = false;
  readonly #tables: readonly LiveTable[];
  readonly #from: Uint8Array;
  #table = 0;
  #file: FileHandle | null = null;
  #handles: readonly BlockHandle[] = [];
  #nextHandle = 0;
  #chunk: Chunk | null = null;
  #ahead: Promise<Chunk | null> | null = null;
  #block = 0;
  #at = 0;
  /** End of the entries of the block: where its restart points begin. */
  #end = 0;

  /** `from`: blocks whose keys are all below it are not read. */
  constructor(tables: readonly LiveTable[], from: Uint8Array) {
    this.#tables = tables.filter(({ largest }) => Buffer.compare(largest, from) >= 0);
    this.#from = from;
  }

  /** Goes on to the next record of what is in memory; false if that is used up: `load` then. */
  advance(): boolean {
    while (this.#at >= this.#end) if (!this.#openBlock()) return false;
    const { bytes } = this;
    const shared = this.#varint();
    const fresh = this.#varint();
    const valueLength = this.#varint();
    const keyFrom = this.#at;
    this.valueFrom = keyFrom + fresh;
    this.valueEnd = this.valueFrom + valueLength;
    const length = shared + fresh;
    const isWhole = this.valueEnd <= this.#end && shared <= this.keyLength + KEY_TAIL_BYTES;
    if (!isWhole || length < KEY_TAIL_BYTES) throw this.#damaged("a record");
    if (length > this.key.length) this.key = Buffer.concat([this.key], 2 * length);
    const { key } = this;
    for (let at = 0; at < fresh; at++) key[shared + at] = bytes[keyFrom + at] as number;
    this.keyLength = length - KEY_TAIL_BYTES;
    const tail = this.keyLength;
    this.deleted = key[tail] === TYPE_DELETION;
    this.sequence = key.readUIntLE(tail + 1, 3) + key.readUInt32LE(tail + 4) * 2 ** 24;
    this.#at = this.valueEnd;
    return true;
  }

  /** Brings the next blocks in; false at the end of the run. */
  async load(): Promise<boolean> {
    this.#chunk = await (this.#ahead ?? this.#readChunk());
    this.#block = 0;
    this.#at = 0;
    this.#end = 0;
    this.#ahead = null;
    if (this.#chunk === null) return false;
    this.bytes = this.#chunk.bytes;
    this.#ahead = this.#readChunk();
    this.#ahead.catch(() => {});
    return true;
  }

  async close(): Promise<void> {
    await this.#ahead?.catch(() => {});
    await this.#file?.close();
    this.#file = null;
  }

  #openBlock(): boolean {
    const block = this.#chunk?.blocks[this.#block];
    if (block === undefined) return false;
    this.#block++;
    this.#end = entriesEnd(this.bytes, block, () => this.#damaged("a block"));
    this.#at = block.offset;
    return true;
  }

  async #readChunk(): Promise<Chunk | null> {
    while (this.#nextHandle >= this.#handles.length) {
      await this.#file?.close();
      this.#file = null;
      const table = this.#tables[this.#table];
      if (table === undefined) return null;
      this.#table++;
      this.#file = await open(table.path, "r");
      this.#handles = await readIndex(this.#file, table, this.#from);
      this.#nextHandle = 0;
    }
    const table = this.#tables[this.#table - 1];
    const first = this.#handles[this.#nextHandle];
    if (this.#file === null || table === undefined || first === undefined) return null;
    const blocks: BlockHandle[] = [];
    let end = first.offset;
    for (; this.#nextHandle < this.#handles.length; this.#nextHandle++) {
      const handle = this.#handles[this.#nextHandle];
      if (handle === undefined || (blocks.length > 0 && end - first.offset > CHUNK_BYTES)) break;
      blocks.push({ offset: handle.offset - first.offset, size: handle.size });
      end = handle.offset + handle.size;
    }
    const bytes = await readPart(this.#file, table, first.offset, end - first.offset);
    return { bytes, blocks, table };
  }

  #varint(): number {
    const byte = this.bytes[this.#at] as number;
    if (byte < 0x80 && this.#at < this.#end) {
      this.#at++;
      return byte;
    }
    const result = readVarint(this.bytes, this.#at, this.#end);
    if (result === null) throw this.#damaged("a record");
    this.#at = result.end;
    return result.value;
  }

  #damaged(what: string): QuorateError {
    return damaged(this.#chunk?.table ?? null, what);
  }
}

export function damaged(table: LiveTable | null, what: string): QuorateError {
  return new QuorateError("corruption", `${table?.path ?? "a table"} is damaged: ${what} in it`);
}

function readVarint(
  bytes: Buffer,
  from: number,
  end: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0;
  let scale = 1;
  for (let at = from; at < end && scale < 2 ** 49; at++) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
    scale *= 0x80;
  }
  return null;
}

/** Where the entries of a block end and its restart points begin. */
function entriesEnd(bytes: Buffer, block: BlockHandle, fail: () => QuorateError): number {
  const end = block.offset + block.size;
  if (block.size < 4 || end > bytes.length) throw fail();
  const restarts = bytes.readUInt32LE(end - 4);
  const entries = end - 4 - 4 * restarts;
  if (entries < block.offset) throw fail();
  return entries;
}

/** The blocks that the footer names: what a table says about itself, and where its data blocks are. */
export async function readFooter(
  file: FileHandle,
  table: LiveTable,
): Promise<{ readonly metaindex: BlockHandle; readonly index: BlockHandle }> {
  if (table.size < FOOTER_BYTES) throw damaged(table, "the footer");
  const footer = await readPart(file, table, table.size - FOOTER_BYTES, FOOTER_BYTES);
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) throw damaged(table, "the footer");
  const metaindex = readHandle(footer, 0, table);
  const index = readHandle(footer, metaindex.end, table);
  if (footer.subarray(index.end, FOOTER_BYTES - 8).some((byte) => byte !== 0)) {
    throw damaged(table, "the footer");
  }
  return { metaindex, index };
}

export async function readPart(
  file: FileHandle,
  table: LiveTable,
  offset: number,
  size: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  const { bytesRead } = await file.read(bytes, 0, size, offset);
  if (bytesRead < size) throw damaged(table, "it is cut short: a block");
  return bytes;
}

/** The handles of the data blocks that may hold keys at or above `from`, in the order of their keys. */
async function readIndex(
  file: FileHandle,
  table: LiveTable,
  from: Uint8Array,
): Promise<readonly BlockHandle[]> {
  return await readHandles(file, table, (await readFooter(file, table)).index, from);
}

/** The handles that a block holds, but for those whose keys lie below `from`. */
export async function readHandles(
  file: FileHandle,
  table: LiveTable,
  { offset, size }: BlockHandle,
  from: Uint8Array,
): Promise<readonly BlockHandle[]> {
  const index = await readPart(file, table, offset, size);
  const end = entriesEnd(index, { offset: 0, size }, () => damaged(table, "the index"));
  const handles: BlockHandle[] = [];
  let key = Buffer.alloc(0);
  for (let at = 0; at < end;) {
    const shared = readVarint(index, at, end);
    const fresh = shared === null ? null : readVarint(index, shared.end, end);
    const length = fresh === null ? null : readVarint(index, fresh.end, end);
    if (shared === null || fresh === null || length === null) throw damaged(table, "the index");
    const keyEnd = length.end + fresh.value;
    if (keyEnd + length.value > end) throw damaged(table, "the index");
    key = Buffer.concat([key.subarray(0, shared.value), index.subarray(length.end, keyEnd)]);
    // The key of an entry is at or above every key of its block.
    const isBelow = Buffer.compare(key.subarray(0, key.length - KEY_TAIL_BYTES), from) < 0;
    if (!isBelow) handles.push(readHandle(index, keyEnd, table));
    at = keyEnd + length.value;
  }
  return handles;
}

function readHandle(bytes: Buffer, at: number, table: LiveTable): BlockHandle & { end: number } {
  const offset = readVarint(bytes, at, bytes.length);
  const size = offset === null ? null : readVarint(bytes, offset.end, bytes.length);
  if (offset === null || size === null) throw damaged(table, "a block's place");
  const end = offset.value + size.value + TRAILER_BYTES;
  if (end > table.size || size.value >= TWO_32) throw damaged(table, "a block's place");
  return { offset: offset.value, size: size.value, end: size.end };
}
