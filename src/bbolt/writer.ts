/**
 * Writes a bbolt file front to back, bucket by bucket, without ever having it whole. The size of the file, which the metas
 * at its beginning name, follows from the counts and sizes of what is to come: leaves are filled to `NODE_BYTES` and rounded up
 * to pages, so that the pages can be bounded closely; what the bound leaves over is free space before the root.
 *
 * ```
 * meta 0 | meta 1 | nodes of the buckets, each branch after its children | free pages | root leaf
 * ```
 */
import { assert, present } from "../base/assert.ts";
import {
  BUCKET_BYTES,
  BUCKET_FLAG,
  ELEMENT_BYTES,
  encodeMetaPage,
  encodePageHead,
  KEY_BYTES_MAX,
  PAGE_BYTES,
  PAGE_HEAD_BYTES,
  PageFlags,
  writeU64,
} from "./format.ts";

/** A node is closed once its elements, keys and values take this much. Larger: less is lost to rounding; bbolt rewrites more. */
const NODE_BYTES = 64 * 1024;
/** An empty leaf in place of a root page. */
const EMPTY_BUCKET_BYTES = BUCKET_BYTES + PAGE_HEAD_BYTES;
/** Free pages leave in pieces of this size. */
const ZEROS: Buffer = Buffer.alloc(64 * PAGE_BYTES);

/** What a bucket is going to hold, at most. */
export interface BucketPlan {
  readonly name: string;
  readonly count: number;
  /** Keys and values. */
  readonly bytes: number;
  /** At most `KEY_BYTES_MAX`. */
  readonly keyBytesMax: number;
}

/** Pages that a bucket takes at most. */
function pagesOf(plan: BucketPlan): number {
  if (plan.count === 0) return 0;
  assert(plan.keyBytesMax <= KEY_BYTES_MAX, "bbolt takes the keys");
  const bytes = plan.bytes + plan.count * ELEMENT_BYTES;
  let nodes = Math.min(plan.count, Math.floor(bytes / NODE_BYTES) + 1);
  let pages = roundedUp(bytes, nodes);
  const entryBytes = ELEMENT_BYTES + plan.keyBytesMax;
  const entriesMin = Math.ceil(NODE_BYTES / entryBytes);
  while (nodes > 1) {
    const entries = nodes;
    nodes = Math.ceil(entries / entriesMin);
    pages += roundedUp(entries * entryBytes, nodes);
  }
  return pages;
}

function roundedUp(bytes: number, nodes: number): number {
  return Math.floor((bytes + nodes * (PAGE_HEAD_BYTES + PAGE_BYTES - 1)) / PAGE_BYTES);
}

/** Elements of a node that is not closed yet; in a branch the value is the child's page. */
interface OpenNode {
  readonly keys: Uint8Array[];
  readonly values: (Uint8Array | number)[];
  bytes: number;
}

export class BoltWriter {
  /** Of the whole file. */
  readonly fileBytes: number;
  readonly #plans: ReadonlyMap<string, BucketPlan>;
  readonly #rootPage: number;
  readonly #rootPages: number;
  #out: Buffer[] = [];
  #nextPage = 2;
  /** The bucket being written; from its leaf up. */
  #levels: OpenNode[] = [];
  #bucket: BucketPlan | null = null;
  #count = 0;
  #bytes = 0;
  #lastKey: Uint8Array | null = null;
  /** Root page by bucket, 0 for an empty one. */
  readonly #roots = new Map<string, number>();

  /** The names must differ. */
  constructor(plans: readonly BucketPlan[]) {
    this.#plans = new Map(plans.map((plan) => [plan.name, plan]));
    assert(this.#plans.size === plans.length, "a bucket is planned once");
    const rootBytes = plans.reduce(
      (sum, { name }) => sum + ELEMENT_BYTES + Buffer.byteLength(name) + EMPTY_BUCKET_BYTES,
      0,
    );
    this.#rootPages = roundedUp(rootBytes, 1);
    this.#rootPage = plans.reduce((sum, plan) => sum + pagesOf(plan), 2);
    const pageCount = this.#rootPage + this.#rootPages;
    this.fileBytes = pageCount * PAGE_BYTES;
    const shared = { pageBytes: PAGE_BYTES, root: this.#rootPage, freelist: null, pageCount };
    this.#out.push(
      encodeMetaPage({ ...shared, transaction: 0 }),
      encodeMetaPage({ ...shared, transaction: 1 }),
    );
  }

  /** The bytes of the file since the last time, in order: whole pages, which nobody else keeps. */
  take(): readonly Buffer[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** From now on, rows are of this bucket. */
  begin(name: string): void {
    assert(this.#bucket === null, "one bucket is written at a time");
    assert(!this.#roots.has(name), "a bucket is written once");
    this.#bucket = present(this.#plans.get(name), "a bucket was planned");
    this.#levels = [];
    this.#count = 0;
    this.#bytes = 0;
    this.#lastKey = null;
  }

  /** The next row, in ascending order of keys. Both are borrowed until the node that takes them is closed. */
  add(key: Uint8Array, value: Uint8Array): void {
    assert(this.#bucket !== null, "a bucket has begun");
    assert(key.length > 0 && key.length <= this.#bucket.keyBytesMax, "a key is as planned");
    const inOrder = this.#lastKey === null || Buffer.compare(this.#lastKey, key) < 0;
    assert(inOrder, "keys come in their order");
    this.#lastKey = key;
    this.#count++;
    this.#bytes += key.length + value.length;
    this.#append(0, key, value, key.length + value.length);
  }

  /** The bucket has all of its rows. */
  end(): void {
    const bucket = present(this.#bucket, "a bucket has begun");
    const asPlanned = this.#count <= bucket.count && this.#bytes <= bucket.bytes;
    assert(asPlanned, "a bucket holds no more than was planned");
    this.#roots.set(bucket.name, this.#closeLevels());
    this.#bucket = null;
  }

  /** All buckets are written: free space, and the root that names them. */
  finish(): void {
    assert(this.#bucket === null, "the last bucket has ended");
    assert(this.#roots.size === this.#plans.size, "every planned bucket was written");
    assert(this.#nextPage <= this.#rootPage, "the plan bounds the pages");
    const free = (this.#rootPage - this.#nextPage) * PAGE_BYTES;
    for (let at = 0; at < free; at += ZEROS.length) this.#out.push(ZEROS.subarray(0, free - at));
    this.#nextPage = this.#rootPage;
    const root: OpenNode = { keys: [], values: [], bytes: 0 };
    for (const [name, page] of [...this.#roots].toSorted(byName)) {
      const key = Buffer.from(name);
      const value = bucketValue(page);
      root.keys.push(key);
      root.values.push(value);
      root.bytes += ELEMENT_BYTES + key.length + value.length;
    }
    this.#write(root, this.#rootPages, true);
  }

  #append(level: number, key: Uint8Array, value: Uint8Array | number, bytes: number): void {
    const node = (this.#levels[level] ??= { keys: [], values: [], bytes: 0 });
    node.keys.push(key);
    node.values.push(value);
    node.bytes += ELEMENT_BYTES + bytes;
    if (node.bytes >= NODE_BYTES) this.#close(level);
  }

  #close(level: number): void {
    const node = present(this.#levels[level], "a level is open");
    this.#levels[level] = { keys: [], values: [], bytes: 0 };
    const pages = Math.ceil((PAGE_HEAD_BYTES + node.bytes) / PAGE_BYTES);
    const first = Buffer.from(present(node.keys[0], "a node has keys"));
    const page = this.#nextPage;
    this.#write(node, pages, level === 0);
    this.#append(level + 1, first, page, first.length);
  }

  /** The page of the bucket's root: the first level that comes down to one node. */
  #closeLevels(): number {
    for (let level = 0; level < this.#levels.length; level++) {
      const node = present(this.#levels[level], "levels are contiguous");
      const isTop = level === this.#levels.length - 1;
      const [only] = node.values;
      if (level > 0 && isTop && node.keys.length === 1 && typeof only === "number") return only;
      if (node.keys.length > 0) this.#close(level);
    }
    return 0;
  }

  #write(node: OpenNode, pages: number, isLeaf: boolean): void {
    const count = node.keys.length;
    const bytes = Buffer.alloc(pages * PAGE_BYTES);
    const flags = isLeaf ? PageFlags.leaf : PageFlags.branch;
    encodePageHead(bytes, { id: this.#nextPage, flags, count, overflow: pages - 1 });
    const isRoot = this.#nextPage === this.#rootPage;
    let element = PAGE_HEAD_BYTES;
    let at = element + count * ELEMENT_BYTES;
    for (const [place, key] of node.keys.entries()) {
      const value = node.values[place] ?? 0;
      if (typeof value === "number") {
        bytes.writeUInt32LE(at - element, element);
        bytes.writeUInt32LE(key.length, element + 4);
        writeU64(bytes, value, element + 8);
      } else {
        bytes.writeUInt32LE(isRoot ? BUCKET_FLAG : 0, element);
        bytes.writeUInt32LE(at - element, element + 4);
        bytes.writeUInt32LE(key.length, element + 8);
        bytes.writeUInt32LE(value.length, element + 12);
        bytes.set(value, at + key.length);
      }
      bytes.set(key, at);
      at += key.length + (typeof value === "number" ? 0 : value.length);
      element += ELEMENT_BYTES;
    }
    this.#nextPage += pages;
    this.#out.push(bytes);
  }
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function bucketValue(page: number): Buffer {
  const value = Buffer.alloc(page === 0 ? EMPTY_BUCKET_BYTES : BUCKET_BYTES);
  if (page === 0) {
    const head = { id: 0, flags: PageFlags.leaf, count: 0, overflow: 0 };
    encodePageHead(value.subarray(BUCKET_BYTES), head);
  } else {
    writeU64(value, page, 0);
  }
  return value;
}
