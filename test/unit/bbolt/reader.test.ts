import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeMeta,
  decodePageHead,
  encodeMetaPage,
  encodePageHead,
  type Meta,
  PAGE_BYTES,
  PAGE_HEAD_BYTES,
  PageFlags,
  writeU64,
} from "../../../src/bbolt/format.ts";
import { type Content, readFile, writeFile } from "./fixture.ts";

const rows = Array.from({ length: 3000 }, (_, at) => {
  const key = Buffer.alloc(8);
  key.writeUInt32BE(at);
  return [key, Buffer.alloc(100, at)] as const;
});
const content: Content = new Map([
  ["key", rows],
  ["meta", rows.slice(0, 2)],
]);

/** A file whose pages may be changed; it names no freelist. */
class Altered {
  readonly bytes: Buffer = writeFile(content, 3 * PAGE_BYTES);
  meta: Meta = this.#readMeta();

  #readMeta(): Meta {
    const meta = decodeMeta(this.bytes.subarray(PAGE_BYTES));
    assert.ok(meta !== null);
    return meta;
  }

  page(id: number): Buffer {
    return this.bytes.subarray(id * PAGE_BYTES, (id + 1) * PAGE_BYTES);
  }

  setMeta(changes: Partial<Meta>): void {
    this.meta = { ...this.meta, ...changes };
    for (const transaction of [0, 1]) {
      encodeMetaPage({ ...this.meta, transaction }).copy(this.page(transaction));
    }
  }

  /** Pages between the nodes and the root. */
  get free(): readonly number[] {
    const found: number[] = [];
    for (let id = this.meta.root - 1; this.page(id).every((byte) => byte === 0); id--)
      found.push(id);
    return found;
  }

  /** Puts a freelist with these pages into the last free one. `counted`: as bbolt does for more than 65534. */
  setFreelist(free: readonly number[], counted = false): void {
    const id = this.meta.root - 1;
    const page = this.page(id).fill(0);
    const count = counted ? 0xffff : free.length;
    encodePageHead(page, { id, flags: PageFlags.freelist, count, overflow: 0 });
    const ids = counted ? [free.length, ...free] : free;
    for (const [place, each] of ids.entries()) writeU64(page, each, PAGE_HEAD_BYTES + 8 * place);
    this.setMeta({ freelist: id });
  }
}

function refused(file: Altered, reason: RegExp): Promise<void> {
  return assert.rejects(readFile(file.bytes), reason);
}

describe("a database file with a freelist", () => {
  it("is whole where every page is in use or free", async () => {
    for (const counted of [false, true]) {
      const file = new Altered();
      const [, ...rest] = file.free;
      assert.ok(rest.length > 1, "there are free pages to name");
      file.setFreelist(rest, counted);
      assert.deepEqual(await readFile(file.bytes), content);
    }
  });

  it("is refused where a page is neither, or both, or none of the file", async () => {
    const [, first = 0, ...rest] = new Altered().free;
    const cases: readonly (readonly [readonly number[], RegExp])[] = [
      [rest, new RegExp(`page ${first} is neither in use nor free`)],
      [[first, ...rest, 2], /page 2 is in use twice/],
      [[first, first, ...rest], new RegExp(`page ${first} is in use twice`)],
      [[first, ...rest, 100_000], /it calls page 100000 free/],
      [[first, ...rest, 1], /it calls page 1 free/],
    ];
    for (const [free, reason] of cases) {
      const file = new Altered();
      file.setFreelist(free);
      await refused(file, reason);
    }
  });
});

describe("a database file", () => {
  it("is read by its second meta where the first is damaged, and refused where both are", async () => {
    const file = new Altered();
    file.page(0)[40] = 0xff;
    assert.deepEqual(await readFile(file.bytes), content);
    file.page(1)[40] = 0xff;
    await refused(file, /no etcd database, or its beginning is damaged/);
  });

  it("is refused where a page is something else than its parent takes it for", async () => {
    const file = new Altered();
    file.setMeta({ root: 0 });
    await refused(file, /page 0 is not one of its/);
    file.setMeta({ root: file.meta.pageCount });
    await refused(file, /is not one of its/);
    file.setMeta({ root: Number.MAX_SAFE_INTEGER });
    await refused(file, /is not one of its/);
    file.setMeta({ root: 2 });
    await refused(file, /its root holds .*, which is no bucket/);
  });

  it("is refused where a page says that it is another, or of no known kind, or longer than the file", async () => {
    for (const [change, reason] of [
      [{ id: 3 }, /page 2 says that it is page 3/],
      [{ flags: 3 }, /page 2 is of kind 3/],
      [{ flags: PageFlags.freelist }, /page 2 is of kind 16/],
      [{ overflow: 1_000_000 }, /page 2 goes on beyond the end/],
      [{ count: 0xffff }, /page 2 has no room for its 65535 elements/],
    ] as const) {
      const file = new Altered();
      encodePageHead(file.page(2), { ...decodePageHead(file.page(2)), ...change });
      await refused(file, reason);
    }
  });

  it("is refused where a branch leads back to itself", async () => {
    const file = new Altered();
    const branch = Array.from({ length: file.meta.root }, (_, id) => id).find(
      (id) => id > 1 && decodePageHead(file.page(id)).flags === PageFlags.branch,
    );
    assert.ok(branch !== undefined, "there is a branch");
    writeU64(file.page(branch), branch, PAGE_HEAD_BYTES + 8);
    await refused(file, new RegExp(`page ${branch} is in use twice`));
  });

  it("is refused where a bucket holds a bucket", async () => {
    const file = new Altered();
    file.page(2).writeUInt32LE(1, PAGE_HEAD_BYTES);
    await refused(file, /bucket 'key' holds another bucket/);
  });
});
