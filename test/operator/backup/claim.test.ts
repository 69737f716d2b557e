/** Backups on a real directory: whole or not there, and nothing of others is touched. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ClaimStore } from "../../../operator/backup/claim.ts";
import {
  type ObjectInfo,
  StoreError,
  type StoreErrorKind,
} from "../../../operator/backup/store.ts";

const OWNER = "0f2a";
const KEY = `kv/nightly-${OWNER}/snapshot.db`;
const { signal } = new AbortController();

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

function isKind(kind: StoreErrorKind): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.kind === kind;
}

describe("ClaimStore", () => {
  let root: string;
  let store: ClaimStore;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "claim-"));
    store = new ClaimStore(root);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("what was put is read, headed, listed, and gone after its deletion with its folder", async () => {
    const bytes = await store.put(KEY, pieces("snap", "shot"), { owner: OWNER, signal });
    assert.equal(bytes, 8);
    assert.equal(Buffer.concat(await collect(store.get(KEY, signal))).toString(), "snapshot");
    const info: ObjectInfo = { key: KEY, bytes: 8, owner: null };
    assert.deepEqual(await store.head(KEY), info);
    assert.deepEqual(await collect(store.list("kv/nightly-", signal)), [info]);
    assert.deepEqual(await collect(store.list("other", signal)), []);
    await store.delete(KEY);
    assert.equal(await store.head(KEY), null);
    assert.deepEqual(readdirSync(join(root, "kv")), []);
    await store.delete(KEY);
  });

  it("a source that fails leaves nothing, and its error is told", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      throw new Error("the member went away");
    }
    await assert.rejects(store.put(KEY, broken(), { owner: OWNER, signal }), /went away/);
    assert.deepEqual(readdirSync(join(root, "kv", `nightly-${OWNER}`)), []);
  });

  it("an abort leaves nothing", async () => {
    const abort = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      abort.abort();
      yield Buffer.from("rest");
    }
    const put = store.put(KEY, slow(), { owner: OWNER, signal: abort.signal });
    await assert.rejects(put, isKind("aborted"));
    assert.deepEqual(readdirSync(join(root, "kv", `nightly-${OWNER}`)), []);
  });

  it("replaces its own, and removes what a killed attempt left", async () => {
    const folder = join(root, "kv", `nightly-${OWNER}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, ".snapshot.db.abc.part"), "left behind");
    await store.put(KEY, pieces("one"), { owner: OWNER, signal });
    await store.put(KEY, pieces("two"), { owner: OWNER, signal });
    assert.deepEqual(readdirSync(folder), ["snapshot.db"]);
    assert.equal(readFileSync(join(folder, "snapshot.db"), "utf8"), "two");
  });

  it("never replaces what is in nobody's folder of this backup", async () => {
    writeFileSync(join(root, "precious"), "theirs");
    const put = store.put("precious", pieces("ours"), { owner: OWNER, signal });
    await assert.rejects(put, isKind("conflict"));
    assert.equal(readFileSync(join(root, "precious"), "utf8"), "theirs");
  });

  it("refuses keys that lead elsewhere", async () => {
    const outside = join(root, "..", "outside-of-the-claim");
    for (const key of [
      "../outside-of-the-claim",
      "a/../../outside-of-the-claim",
      "/etc/x",
      "a//b",
    ]) {
      await assert.rejects(store.put(key, pieces("x"), { owner: OWNER, signal }), isKind("failed"));
      await assert.rejects(collect(store.get(key, signal)), isKind("failed"));
      await assert.rejects(store.delete(key), isKind("failed"));
    }
    assert.equal(existsSync(outside), false);
  });

  it("says what is missing", async () => {
    await assert.rejects(collect(store.get(KEY, signal)), isKind("notFound"));
    rmSync(root, { recursive: true });
    await assert.rejects(store.probe(), isKind("notFound"));
    mkdirSync(root);
  });
});
