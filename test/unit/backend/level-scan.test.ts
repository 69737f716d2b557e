import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import type { BackendOperation } from "../../../src/backend/backend.ts";
import type { Bucket } from "../../../src/backend/buckets.ts";
import { LevelBackend } from "../../../src/backend/level.ts";
import { readRuns } from "../../../src/backend/level/manifest.ts";
import { scanTables } from "../../../src/backend/level/scan.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import { del, put, scan, visited } from "./contract.ts";

const root = mkdtempSync(join(tmpdir(), "quorate-level-scan-"));
let made = 0;
const fresh = (): string => join(root, `store-${made++}`);
const BUCKET = 2;
const FROM = Uint8Array.of(BUCKET);
const NEXT = "\x03";

after(() => rmSync(root, { recursive: true, force: true }));

/** A store of several runs: overwritten, deleted and re-made records, keys of many lengths, buckets before and after. */
async function manyRuns(directory: string, seed: number): Promise<void> {
  const random = new Prng(seed);
  const key = (): string => {
    const name = `${random.between(0, 3_000)}`.repeat(1 + random.between(0, 4));
    return `${String.fromCharCode(1 + random.between(0, 3))}${name}`;
  };
  const backend = await LevelBackend.open(directory);
  for (let round = 0; round < 6; round++) {
    const operations: BackendOperation[] = [];
    for (let at = 0; at < 2_500; at++) {
      const name = key();
      if (random.between(0, 4) === 0) operations.push(del(name));
      else
        operations.push(
          put(
            name,
            `${round}`.repeat(random.between(0, random.between(0, 40) === 0 ? 9_000 : 300)),
          ),
        );
    }
    await backend.commit(operations);
    await backend.flush();
    if (round === 2) await backend.compact(Uint8Array.of(1), null);
  }
  await backend.close();
}

const files = (directory: string, pattern: RegExp): string[] =>
  readdirSync(directory)
    .filter((name) => pattern.test(name))
    .map((name) => join(directory, name));

async function scanned(directory: string): Promise<string[]> {
  const found: string[] = [];
  const rest = await scanTables(directory, BUCKET as Bucket, FROM, (key, value) => {
    found.push(`${Buffer.from(key).toString("latin1")}=${Buffer.from(value).toString("latin1")}`);
  });
  assert.equal(rest, null, "all of it was read from the tables");
  return found;
}

describe("a scan past LevelDB", () => {
  it("visits what LevelDB's own iterator shows, whatever lies over what in the levels", async () => {
    for (const seed of [1, 2, 3]) {
      const directory = fresh();
      await manyRuns(directory, seed);
      assert.ok((await readRuns(directory)).length > 2, "there is something to merge");
      const fromTables = await scanned(directory);
      const backend = await LevelBackend.open(directory);
      const rows = await scan(backend, { from: "\x02", end: NEXT }, 1_000);
      assert.ok(rows.length > 1_000);
      assert.deepEqual(fromTables, rows, `seed ${seed}`);
      assert.deepEqual(await visited(backend, BUCKET), rows);
      await backend.close();
    }
  });

  it("goes on through LevelDB where a table was replaced under it", async () => {
    const directory = fresh();
    await manyRuns(directory, 4);
    const expected = await scanned(directory);
    const last = files(directory, /\.ldb$/).at(-1) ?? "";
    const bytes = readFileSync(last);
    rmSync(last);
    const before: string[] = [];
    const rest = await scanTables(directory, BUCKET as Bucket, FROM, (key, value) => {
      before.push(
        `${Buffer.from(key).toString("latin1")}=${Buffer.from(value).toString("latin1")}`,
      );
    });
    assert.ok(rest !== null, "it says from where on the rest is to be read");
    assert.deepEqual(before, expected.slice(0, before.length));
    writeFileSync(last, bytes);
  });

  it("visits nothing in an empty store", async () => {
    const directory = fresh();
    await (await LevelBackend.open(directory)).close();
    assert.deepEqual(await scanned(directory), []);
  });

  it("names the file that was cut short, and never reads beyond a block", async () => {
    const directory = fresh();
    await manyRuns(directory, 5);
    const random = new Prng(7);
    const tables = files(directory, /\.ldb$/);
    for (let round = 0; round < 60; round++) {
      const path = tables[random.between(0, tables.length)] ?? "";
      const bytes = readFileSync(path);
      const damaged = Buffer.from(bytes);
      // Anything may follow a flipped bit but an error that is no corruption: the totals of the bucket judge the rest.
      for (let flips = 0; flips < 40; flips++) {
        const at = random.between(0, damaged.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.between(0, 8));
      }
      const cut = round % 3 === 0 ? random.between(0, damaged.length) : damaged.length;
      writeFileSync(path, damaged.subarray(0, cut));
      const outcome = await scanTables(directory, BUCKET as Bucket, FROM, () => {}).catch(
        (error: unknown) => error,
      );
      if (cut < damaged.length) {
        assert.ok(outcome instanceof QuorateError && outcome.code === "corruption");
        assert.ok(outcome.message.includes(path), outcome.message);
      } else if (outcome !== null) {
        assert.ok(outcome instanceof QuorateError);
        assert.equal(outcome.code, "corruption");
      }
      writeFileSync(path, bytes);
    }
  });

  it("refuses a manifest with a flipped bit", async () => {
    const directory = fresh();
    await manyRuns(directory, 6);
    const [path = ""] = files(directory, /^MANIFEST/);
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await assert.rejects(readRuns(directory), { code: "corruption" });
  });
});
