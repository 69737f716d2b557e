/** What every store must do: one suite, run on the real one and on its twin. */
import assert from "node:assert/strict";
import { it } from "node:test";

import { EMPTY } from "../../../src/base/bytes.ts";
import type { Backend, BackendOperation } from "../../../src/backend/backend.ts";
import type { Bucket } from "../../../src/backend/buckets.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString("latin1");
export const put = (key: string, value: string): BackendOperation => ({
  type: "put",
  key: bytes(key),
  value: bytes(value),
});
export const del = (key: string): BackendOperation => ({ type: "del", key: bytes(key) });

/** All rows of [from, end) as text, fetched `rowsMax` at a time. */
export async function scan(
  backend: Backend,
  range: { readonly from?: string; readonly end?: string | null; readonly reverse?: boolean } = {},
  rowsMax = 2,
): Promise<string[]> {
  const view = backend.view();
  const end = range.end === undefined || range.end === null ? null : bytes(range.end);
  const rows = view.iterate(range.from === undefined ? EMPTY : bytes(range.from), end, {
    reverse: range.reverse === true,
  });
  const found: string[] = [];
  for (let part = await rows.next(rowsMax); part.length > 0; part = await rows.next(rowsMax)) {
    assert.ok(part.length <= rowsMax);
    for (const [key, value] of part) found.push(`${text(key)}=${text(value)}`);
  }
  assert.deepEqual(await rows.next(rowsMax), [], "an iterator at its end stays there");
  await rows.close();
  await view.close();
  return found;
}

export function describeContract(open: () => Promise<Backend>): void {
  it("answers what was committed and nothing else", async () => {
    const backend = await open();
    await backend.commit([put("b", "1"), put("a", "2"), put("c", "")]);
    assert.equal(text(backend.getSync(bytes("a"))), "2");
    assert.equal(text(backend.getSync(bytes("c"))), "", "an empty value is not an absent one");
    assert.equal(backend.getSync(bytes("aa")), undefined);
    const many = await backend.getMany([bytes("c"), bytes("x"), bytes("b")]);
    assert.deepEqual(many.map(text), ["", undefined, "1"]);
    assert.deepEqual(await backend.getMany([]), []);
    await backend.close();
  });

  it("lets the last operation of a batch on a key win", async () => {
    const backend = await open();
    await backend.commit([put("a", "1"), del("a"), put("a", "2"), put("b", "1"), del("b")]);
    assert.deepEqual(await scan(backend), ["a=2"]);
    await backend.close();
  });

  it("deletes, also what is not there", async () => {
    const backend = await open();
    await backend.commit([put("a", "1"), put("b", "1")]);
    await backend.commit([del("a"), del("never")]);
    assert.deepEqual(await scan(backend), ["b=1"]);
    await backend.close();
  });

  it("iterates half-open ranges of unsigned bytes in both directions", async () => {
    const backend = await open();
    await backend.commit([
      put("\x7f", "1"),
      put("\xff", "4"),
      put("\x80", "2"),
      put("\x80\x00", "3"),
    ]);
    assert.deepEqual(await scan(backend), ["\x7f=1", "\x80=2", "\x80\x00=3", "\xff=4"]);
    assert.deepEqual(await scan(backend, { from: "\x80", end: "\xff" }), ["\x80=2", "\x80\x00=3"]);
    assert.deepEqual(await scan(backend, { from: "\x7f", end: "\xff", reverse: true }), [
      "\x80\x00=3",
      "\x80=2",
      "\x7f=1",
    ]);
    assert.deepEqual(await scan(backend, { from: "\x81", end: "\x7f" }), []);
    await backend.close();
  });

  it("shows a view what was there when it was taken", async () => {
    const backend = await open();
    await backend.commit([put("a", "1"), put("b", "1")]);
    const view = backend.view();
    await backend.commit([put("a", "2"), del("b"), put("c", "2")]);
    const rows = view.iterate(EMPTY, null);
    assert.deepEqual(
      (await rows.next(10)).map(([key, value]) => `${text(key)}=${text(value)}`),
      ["a=1", "b=1"],
    );
    const many = await view.getMany([bytes("a"), bytes("c")]);
    assert.deepEqual(many.map(text), ["1", undefined]);
    await rows.close();
    await view.close();
    assert.deepEqual(await scan(backend), ["a=2", "c=2"]);
    await backend.close();
  });

  it("hands out rows in pieces bounded by bytes", async () => {
    const backend = await open();
    const rows = Array.from({ length: 50 }, (_, at) => put(`k${at + 10}`, "x".repeat(1000)));
    await backend.commit(rows);
    const view = backend.view();
    const iterator = view.iterate(EMPTY, null);
    let seen = 0;
    for (
      let part = await iterator.next(50, 1);
      part.length > 0;
      part = await iterator.next(50, 1)
    ) {
      seen += part.length;
    }
    assert.equal(seen, 50);
    await iterator.close();
    await view.close();
    await backend.close();
  });

  it("keeps a batch larger than one turn together", async () => {
    const backend = await open();
    const rows = Array.from({ length: 20_000 }, (_, at) => put(`k${at}`, "v"));
    const committed = backend.commit(rows);
    await committed;
    assert.equal((await scan(backend, {}, 5_000)).length, 20_000);
    await backend.close();
  });

  it("copies what it commits", async () => {
    const backend = await open();
    const key = Buffer.from("key");
    const value = Buffer.from("value");
    await backend.commit([{ type: "put", key, value }]);
    key.fill(0x21);
    value.fill(0x21);
    assert.deepEqual(await scan(backend), ["key=value"]);
    await backend.close();
  });

  it("keeps everything through flush and compaction, and says how large it is", async () => {
    const backend = await open();
    for (let at = 0; at < 20; at++) await backend.commit([put("a", `${at}`), put(`k${at}`, "v")]);
    await backend.flush();
    await backend.flush();
    await backend.compact(EMPTY, null);
    assert.equal(text(backend.getSync(bytes("a"))), "19");
    assert.equal((await scan(backend)).length, 21);
    assert.ok((await backend.fileBytes()) > 0);
    await backend.close();
  });

  it("scans one bucket in the order of keys, with what was just committed", async () => {
    const backend = await open();
    await backend.commit([
      put("\x02b", "1"),
      put("\x02a", "2"),
      put("\x01z", "3"),
      put("\x03", "4"),
    ]);
    await backend.commit([put("\x02b", "5"), del("\x02a"), put("\x02", "6"), put("\x02\xff", "")]);
    assert.deepEqual(await visited(backend, 2), ["\x02=6", "\x02b=5", "\x02\xff="]);
    assert.deepEqual(await visited(backend, 4), []);
    await backend.close();
  });
}

/** What a scan of `bucket` visits, as text. */
export async function visited(backend: Backend, bucket: number): Promise<string[]> {
  const found: string[] = [];
  await backend.scan(bucket as Bucket, (key, value) => {
    found.push(`${text(key)}=${text(value)}`);
  });
  return found;
}
