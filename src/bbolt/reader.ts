/**
 * Reads a bbolt file and checks all of it on the way, as bbolt's own check does: each page is what its parent takes it for,
 * is reached once, holds its keys in order and between those of its parent; and what is not reached is free.
 */
import {
  BUCKET_BYTES,
  damaged,
  decodeMeta,
  decodePageHead,
  type Meta,
  PAGE_HEAD_BYTES,
  PageFlags,
  readU64,
} from "./format.ts";
import {
  branchElements,
  type ByteSource,
  freePages,
  type LeafElement,
  leafElements,
  NODE_FLAGS,
  PageReader,
} from "./pages.ts";
import { QuorateError } from "../base/errors.ts";

const META_READ_BYTES = 80;
/** Deeper than any tree of a file that fits on a disk. */
const DEPTH_MAX = 64;

/** A key with its value: views that stay as they are. */
export type BoltRow = readonly [key: Buffer, value: Buffer];

/** Where a bucket begins. */
interface BucketRoot {
  /** 0: in place. */
  readonly page: number;
  readonly inline: Buffer;
}

/** A page on the way down: its children from `from` to `end` (exclusive) are keys of it. */
interface Visit {
  readonly page: number;
  readonly from: Buffer | null;
  readonly end: Buffer | null;
  readonly depth: number;
}

export class BoltFile {
  readonly meta: Meta;
  readonly #source: ByteSource;

  /** Throws QuorateError "corruption" for what is no bbolt file or shorter than it says. */
  static async open(source: ByteSource): Promise<BoltFile> {
    const meta = await readMeta(source);
    if (meta === null) {
      throw new QuorateError("corruption", "this is no etcd database, or its beginning is damaged");
    }
    const bytes = meta.pageCount * meta.pageBytes;
    if (!(bytes <= source.size)) {
      throw damaged(`it should have ${bytes} bytes, it has ${source.size}: it was cut off`);
    }
    return new BoltFile(source, meta);
  }

  private constructor(source: ByteSource, meta: Meta) {
    this.#source = source;
    this.meta = meta;
  }

  /** Begins to read the whole. Rejects with "corruption". */
  async pass(): Promise<BoltPass> {
    return await BoltPass.begin(new PageReader(this.#source, this.meta), this.meta);
  }
}

/** One reading of the whole file: each bucket once, then `finish`. What is damaged is thrown as "corruption". */
export class BoltPass {
  readonly #reader: PageReader;
  readonly #meta: Meta;
  /** A bit for each page that was reached. */
  readonly #reached: Uint8Array;
  readonly #buckets = new Map<string, BucketRoot>();
  readonly #unread: Set<string>;

  static async begin(reader: PageReader, meta: Meta): Promise<BoltPass> {
    const pass = new BoltPass(reader, meta);
    for await (const elements of pass.#walk(meta.root)) {
      for (const { isBucket, key, value } of elements) {
        if (!isBucket) throw damaged(`its root holds '${key.toString()}', which is no bucket`);
        pass.#buckets.set(key.toString("latin1"), rootOf(key, value));
        pass.#unread.add(key.toString("latin1"));
      }
    }
    return pass;
  }

  private constructor(reader: PageReader, meta: Meta) {
    this.#reader = reader;
    this.#meta = meta;
    this.#reached = new Uint8Array(Math.ceil(meta.pageCount / 8));
    this.#reached[0] = 0b11; // the metas
    this.#unread = new Set();
  }

  /** Names of all buckets, in their order. */
  get buckets(): readonly string[] {
    return [...this.#buckets.keys()];
  }

  /** All rows of a bucket in the order of keys, a leaf at a time; none if there is no such bucket. Once for each bucket. */
  async *rows(bucket: string): AsyncGenerator<readonly BoltRow[]> {
    const root = this.#buckets.get(bucket);
    if (root === undefined) return;
    if (!this.#unread.delete(bucket)) throw new Error("a pass reads a bucket once");
    const leaves = root.page === 0 ? [inlineElements(root.inline)] : this.#walk(root.page);
    for await (const elements of leaves) {
      const nested = elements.find(({ isBucket }) => isBucket);
      if (nested !== undefined) throw damaged(`bucket '${bucket}' holds another bucket`);
      yield elements.map(({ key, value }): BoltRow => [key, value]);
    }
  }

  /** Reads what was not asked for, and accounts for every page. */
  async finish(): Promise<void> {
    for (const bucket of this.#unread) {
      const rows = this.rows(bucket);
      while ((await rows.next()).done !== true);
    }
    const { freelist, pageCount } = this.#meta;
    if (freelist === null) return; // then free is what nothing reaches
    const { head, page } = await this.#reader.read(freelist, PageFlags.freelist);
    this.#reach(freelist, head.overflow);
    for (const free of freePages(head, page)) {
      if (!(free >= 2 && free < pageCount)) throw damaged(`it calls page ${free} free`);
      this.#reach(free, 0);
    }
    for (let page = 0; page < pageCount; page++) {
      if (!this.#isReached(page)) throw damaged(`page ${page} is neither in use nor free`);
    }
  }

  /** The leaves below a page, from left to right. */
  async *#walk(root: number): AsyncGenerator<readonly LeafElement[]> {
    const stack: Visit[] = [{ page: root, from: null, end: null, depth: 0 }];
    for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
      const { head, page } = await this.#reader.read(visit.page, NODE_FLAGS);
      this.#reach(visit.page, head.overflow);
      if (head.flags === PageFlags.leaf) {
        const elements = leafElements(head, page);
        checkOrder(visit, elements);
        yield elements;
        continue;
      }
      if (visit.depth >= DEPTH_MAX) throw damaged("its tree has no end");
      const elements = branchElements(head, page);
      checkOrder(visit, elements);
      for (let place = elements.length - 1; place >= 0; place--) {
        const element = elements[place];
        if (element === undefined) continue;
        const end = elements[place + 1]?.key ?? visit.end;
        stack.push({ page: element.page, from: element.key, end, depth: visit.depth + 1 });
      }
    }
  }

  #reach(page: number, overflow: number): void {
    for (let at = page; at <= page + overflow; at++) {
      if (this.#isReached(at)) throw damaged(`page ${at} is in use twice`);
      this.#reached[at >> 3] = (this.#reached[at >> 3] ?? 0) | (1 << (at & 7));
    }
  }

  #isReached(page: number): boolean {
    return ((this.#reached[page >> 3] ?? 0) & (1 << (page & 7))) !== 0;
  }
}

/** Of the two metas the newer one that is whole. The second lies after a page whose size only a meta tells. */
async function readMeta(source: ByteSource): Promise<Meta | null> {
  const found: Meta[] = [];
  const readAt = async (offset: number): Promise<void> => {
    if (offset + META_READ_BYTES > source.size) return;
    const meta = decodeMeta(await source.read(offset, META_READ_BYTES));
    if (meta !== null) found.push(meta);
  };
  await readAt(0);
  const sizes =
    found[0] === undefined
      ? [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
      : [found[0].pageBytes];
  for (const size of sizes) await readAt(size);
  const [newest] = found.toSorted((a, b) => b.transaction - a.transaction);
  return newest ?? null;
}

function rootOf(key: Buffer, value: Buffer): BucketRoot {
  if (value.length < BUCKET_BYTES) throw damaged(`bucket '${key.toString()}' has no root`);
  return { page: readU64(value, 0), inline: value.subarray(BUCKET_BYTES) };
}

function inlineElements(page: Buffer): LeafElement[] {
  if (page.length < PAGE_HEAD_BYTES) throw damaged("a bucket in place is too short");
  const head = decodePageHead(page);
  if (head.flags !== PageFlags.leaf || head.overflow !== 0) {
    throw damaged("a bucket in place is no leaf");
  }
  const elements = leafElements(head, page);
  checkOrder({ page: 0, from: null, end: null, depth: 0 }, elements);
  return elements;
}

/** Keys ascend, the first is not below the parent's key for this page, the last below the parent's next. */
function checkOrder(visit: Visit, elements: readonly { readonly key: Buffer }[]): void {
  let before: Buffer | null = null;
  for (const { key } of elements) {
    const isAfter =
      before === null
        ? visit.from === null || Buffer.compare(visit.from, key) <= 0
        : Buffer.compare(before, key) < 0;
    if (!isAfter) throw damaged(`page ${visit.page} holds its keys out of order`);
    before = key;
  }
  if (before !== null && visit.end !== null && Buffer.compare(before, visit.end) >= 0) {
    throw damaged(`page ${visit.page} holds keys of the next page`);
  }
}
