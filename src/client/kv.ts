/** Keys and values. */
import { KV } from "../api/gen/methods.ts";
import { type Bytes, type KeyRange, keyAfter, toWireRange } from "./bytes.ts";
import type { Calls, MemberCallOptions } from "./calls.ts";
import type { KeyValue } from "./key-value.ts";
import {
  type DeleteOptions,
  type DeleteResult,
  type GetOptions,
  type PutOptions,
  type PutResult,
  type RangeOptions,
  type RangeResult,
  toDeleteRequest,
  toDeleteResult,
  toPutRequest,
  toPutResult,
  toRangeRequest,
  toRangeResult,
} from "./op.ts";
import type { CallOptions } from "./time.ts";
import { Txn } from "./txn.ts";

export interface PageOptions extends CallOptions {
  /** Rows a request, 1000 unless given. */
  readonly pageSize?: number | undefined;
  /** All pages are read as of this revision: the newest when the first is read, unless given. */
  readonly revision?: number | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly serializable?: boolean | undefined;
}

/** A part of a range; all parts are of the same revision. */
export interface Page {
  readonly rows: readonly KeyValue[];
  readonly revision: number;
}

/** Everything of a range as of one revision: a watch from `revision + 1` misses nothing. */
export interface Listing {
  readonly rows: readonly KeyValue[];
  readonly revision: number;
}

const PAGE_SIZE = 1_000;

export class Kv {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** The key's row, or null. */
  async get(key: Bytes, options: GetOptions & CallOptions = {}): Promise<KeyValue | null> {
    return (await this.range(key, options)).rows[0] ?? null;
  }

  /** One request for a range, at the member named if one is. What may be large is better read by `pages` or `getAll`. */
  async range(
    range: KeyRange,
    options: RangeOptions & MemberCallOptions = {},
  ): Promise<RangeResult> {
    const kind = options.serializable === true ? "local" : "read";
    const request = toRangeRequest(range, options);
    return toRangeResult(await this.#calls.unary(KV.range, request, kind, options));
  }

  /** A range page by page, ascending, as of one revision. Fails with a CompactedError when that is compacted meanwhile. */
  async *pages(range: KeyRange, options: PageOptions = {}): AsyncGenerator<Page, void, undefined> {
    const { rangeEnd: end } = toWireRange(range);
    const limit = options.pageSize ?? PAGE_SIZE;
    let revision = options.revision ?? 0;
    let next: KeyRange = range;
    for (;;) {
      const page = await this.range(next, { ...options, limit, revision });
      if (revision === 0) revision = page.revision;
      yield { rows: page.rows, revision };
      const last = page.rows.at(-1);
      if (!page.more || last === undefined) return;
      next = { from: keyAfter(last.key), end };
    }
  }

  /** A range row by row, as `pages`. */
  async *rows(
    range: KeyRange,
    options: PageOptions = {},
  ): AsyncGenerator<KeyValue, void, undefined> {
    for await (const page of this.pages(range, options)) yield* page.rows;
  }

  /** All of a range in memory, as of one revision. */
  async getAll(range: KeyRange, options: PageOptions = {}): Promise<Listing> {
    const rows: KeyValue[] = [];
    let revision = 0;
    for await (const page of this.pages(range, options)) {
      for (const row of page.rows) rows.push(row);
      revision = page.revision;
    }
    return { rows, revision };
  }

  /** How many keys there are. */
  async count(range: KeyRange, options: GetOptions & CallOptions = {}): Promise<number> {
    return (await this.range(range, { ...options, countOnly: true })).count;
  }

  /** Fails with `outcomeUnknown` where the answer was lost. */
  async put(key: Bytes, value: Bytes, options: PutOptions & CallOptions = {}): Promise<PutResult> {
    const request = toPutRequest(key, value, options);
    return toPutResult(await this.#calls.unary(KV.put, request, "write", options));
  }

  /** Fails with `outcomeUnknown` where the answer was lost. */
  async delete(range: KeyRange, options: DeleteOptions & CallOptions = {}): Promise<DeleteResult> {
    const request = toDeleteRequest(range, options);
    return toDeleteResult(await this.#calls.unary(KV.deleteRange, request, "write", options));
  }

  /** Begins a transaction. */
  txn(): Txn {
    return new Txn(this.#calls, [], [], []);
  }

  /** Forgets what was overwritten or deleted before `revision`. `physical`: answers once that is gone from the disk. */
  async compact(
    revision: number,
    options: CallOptions & { readonly physical?: boolean | undefined } = {},
  ): Promise<void> {
    const physical = options.physical ?? false;
    await this.#calls.unary(KV.compact, { revision, physical }, "write", options);
  }
}
