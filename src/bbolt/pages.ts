/** Pages of a bbolt file, read in blocks, and taken apart with every bound checked. */
import {
  BUCKET_FLAG,
  damaged,
  decodePageHead,
  ELEMENT_BYTES,
  type Meta,
  PAGE_HEAD_BYTES,
  type PageHead,
  PageFlags,
  readU64,
} from "./format.ts";

/** Where the bytes of a file come from. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset`, both within the size. */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface LeafElement {
  readonly isBucket: boolean;
  /** Views of the page. */
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface BranchElement {
  readonly key: Buffer;
  readonly page: number;
}

/** One read of the source; a multiple of every page size. */
const BLOCK_BYTES = 256 * 1024;
/** Blocks kept: pages of one branch lie anywhere in a file that has been written for long. */
const BLOCKS_MAX = 32;
/** No request that etcd takes makes a larger row. */
const PAGE_RUN_BYTES_MAX = 1024 * 1024 * 1024;

export class PageReader {
  readonly #source: ByteSource;
  readonly #meta: Meta;
  /** By place, the least recently used first. */
  readonly #blocks = new Map<number, Buffer>();

  constructor(source: ByteSource, meta: Meta) {
    this.#source = source;
    this.#meta = meta;
  }

  /** A page with its overflow pages, of one of the kinds in `flags`. Throws QuorateError "corruption". */
  async read(
    id: number,
    flags: number,
  ): Promise<{ readonly head: PageHead; readonly page: Buffer }> {
    const { pageBytes, pageCount } = this.#meta;
    if (!(id >= 2 && id < pageCount)) throw damaged(`page ${id} is not one of its ${pageCount}`);
    const first = await this.#bytes(id * pageBytes, pageBytes);
    const head = decodePageHead(first);
    if (head.id !== id) throw damaged(`page ${id} says that it is page ${head.id}`);
    const isOneKind = head.flags !== 0 && (head.flags & (head.flags - 1)) === 0;
    if (!isOneKind || (head.flags & flags) === 0) {
      throw damaged(`page ${id} is of kind ${head.flags}`);
    }
    const length = (1 + head.overflow) * pageBytes;
    if (id + head.overflow >= pageCount || length > PAGE_RUN_BYTES_MAX) {
      throw damaged(`page ${id} goes on beyond the end`);
    }
    return { head, page: head.overflow === 0 ? first : await this.#bytes(id * pageBytes, length) };
  }

  async #bytes(offset: number, length: number): Promise<Buffer> {
    const from = offset - (offset % BLOCK_BYTES);
    if (offset + length <= from + BLOCK_BYTES) {
      const block = await this.#block(from);
      return block.subarray(offset - from, offset - from + length);
    }
    return await this.#source.read(offset, length);
  }

  async #block(from: number): Promise<Buffer> {
    const known = this.#blocks.get(from);
    this.#blocks.delete(from);
    const end = Math.min(from + BLOCK_BYTES, this.#meta.pageCount * this.#meta.pageBytes);
    const block = known ?? (await this.#source.read(from, end - from));
    this.#blocks.set(from, block);
    if (this.#blocks.size > BLOCKS_MAX) {
      for (const oldest of this.#blocks.keys()) {
        this.#blocks.delete(oldest);
        break;
      }
    }
    return block;
  }
}

/** The elements of a leaf. Throws QuorateError "corruption". */
export function leafElements({ id, count }: PageHead, page: Buffer): LeafElement[] {
  checkRoom(id, count, page);
  const elements: LeafElement[] = [];
  let before = PAGE_HEAD_BYTES + count * ELEMENT_BYTES;
  for (let place = 0, at = PAGE_HEAD_BYTES; place < count; place++, at += ELEMENT_BYTES) {
    const flags = page.readUInt32LE(at);
    if (flags > BUCKET_FLAG) throw damaged(`page ${id} holds an element of kind ${flags}`);
    const from = at + page.readUInt32LE(at + 4);
    const middle = from + page.readUInt32LE(at + 8);
    const end = middle + page.readUInt32LE(at + 12);
    checkBounds(id, before, from, end, page);
    before = end;
    const key = page.subarray(from, middle);
    if (key.length === 0) throw damaged(`page ${id} holds an empty key`);
    elements.push({ isBucket: flags === BUCKET_FLAG, key, value: page.subarray(middle, end) });
  }
  return elements;
}

/** The elements of a branch. Throws QuorateError "corruption". */
export function branchElements({ id, count }: PageHead, page: Buffer): BranchElement[] {
  checkRoom(id, count, page);
  if (count === 0) throw damaged(`branch page ${id} is empty`);
  const elements: BranchElement[] = [];
  let before = PAGE_HEAD_BYTES + count * ELEMENT_BYTES;
  for (let place = 0, at = PAGE_HEAD_BYTES; place < count; place++, at += ELEMENT_BYTES) {
    const from = at + page.readUInt32LE(at);
    const end = from + page.readUInt32LE(at + 4);
    checkBounds(id, before, from, end, page);
    before = end;
    elements.push({ key: page.subarray(from, end), page: readU64(page, at + 8) });
  }
  return elements;
}

/** The free pages that a freelist page names. Throws QuorateError "corruption". */
export function freePages({ id, count }: PageHead, page: Buffer): number[] {
  const counted = count === 0xffff;
  const total = counted ? readU64(page, PAGE_HEAD_BYTES) : count;
  const from = PAGE_HEAD_BYTES + (counted ? 8 : 0);
  if (!(from + total * 8 <= page.length)) throw damaged(`freelist page ${id} is too short`);
  return Array.from({ length: total }, (_, place) => readU64(page, from + place * 8));
}

export const NODE_FLAGS: number = PageFlags.branch | PageFlags.leaf;

function checkRoom(id: number, count: number, page: Buffer): void {
  if (PAGE_HEAD_BYTES + count * ELEMENT_BYTES > page.length) {
    throw damaged(`page ${id} has no room for its ${count} elements`);
  }
}

/** bbolt writes keys and values without gaps, in the order of the elements: sizes that were altered do not fit together. */
function checkBounds(id: number, before: number, from: number, end: number, page: Buffer): void {
  if (from !== before || end > page.length) {
    throw damaged(`page ${id} holds an element that is not where it should be`);
  }
}
