import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { LevelBackend } from "../../../src/backend/level.ts";
import { BucketTotals } from "../../../src/backend/record.ts";
import { del, describeContract, put, scan } from "./contract.ts";
import { entryOf, keyOf } from "./crash-child.ts";

const root = mkdtempSync(join(tmpdir(), "quorate-level-"));
let made = 0;
const fresh = (): string => join(root, `store-${made++}`);

after(() => rmSync(root, { recursive: true, force: true }));

/** Runs a writer to its kill -9, somewhere after it said it had `entries` in the store. Answers the last flushed index. */
async function crashed(directory: string, entries: number): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "crash-child.ts"), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let durable = 0;
  let output = "";
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (_, signal) => {
      if (signal === "SIGKILL") resolve();
      else reject(new Error("the writer ended by itself"));
    });
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const lines = output.split("\n");
      output = lines.pop() ?? "";
      for (const line of lines) {
        const [committed = 0, flushed = 0] = line.split(" ").map(Number);
        durable = flushed;
        if (committed >= entries) child.kill("SIGKILL");
      }
    });
  });
  return durable;
}

/** Asserts that the store holds exactly the entries up to its applied index, and answers that. */
async function assertPrefix(directory: string): Promise<number> {
  const backend = await LevelBackend.open(directory);
  const buffer = BackendBuffer.open(backend);
  const { view, appliedIndex, totals } = await buffer.sealedView();
  const rows = view.iterate(Uint8Array.of(Bucket.keys), Uint8Array.of(Bucket.keys + 1));
  const counted = new BucketTotals();
  let index = 0;
  for (let part = await rows.next(500); part.length > 0; part = await rows.next(500)) {
    for (const [recordKey, value] of part) {
      index++;
      const payload = counted.addStored(recordKey, value);
      assert.deepEqual(Buffer.from(recordKey.subarray(1)), keyOf(index));
      assert.deepEqual(Buffer.from(payload), entryOf(index));
    }
  }
  assert.equal(index, appliedIndex, "as many records as entries");
  assert.ok(
    counted.equals(totals[Bucket.keys] ?? new BucketTotals()),
    "the totals are those of the rows",
  );
  if (appliedIndex > 0) {
    const last = buffer.getSync(Bucket.lease, keyOf(0)) ?? new Uint8Array();
    assert.deepEqual(
      Buffer.from(last),
      keyOf(appliedIndex),
      "an overwritten record is of the same entry",
    );
  }
  await rows.close();
  await view.close();
  await buffer.close();
  return appliedIndex;
}

function copyStore(from: string): string {
  const to = fresh();
  mkdirSync(to);
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(to, name));
  return to;
}

describe("LevelBackend", () => {
  describeContract(async () => await LevelBackend.open(fresh()));

  it("reopens at what was flushed", async () => {
    const directory = fresh();
    const backend = await LevelBackend.open(directory);
    await backend.commit([put("a", "1")]);
    await backend.flush();
    await backend.commit([put("b", "2")]);
    await backend.close();
    const again = await LevelBackend.open(directory);
    assert.deepEqual(await scan(again), ["a=1"]);
    await again.close();
  });

  it("compacts by slices of bounded size, giving back what was deleted and losing nothing else", async () => {
    const directory = fresh();
    const backend = await LevelBackend.open(directory, 512 * 1024);
    const value = "v".repeat(1000);
    const keys = Array.from({ length: 4000 }, (_, at) => {
      const key = Buffer.alloc(9, Bucket.keys);
      key.writeBigUInt64BE(BigInt(at), 1);
      return key.toString("latin1");
    });
    await backend.commit(keys.map((key) => put(key, value)));
    await backend.flush();
    const before = await backend.fileBytes();
    await backend.commit(keys.filter((_, at) => at % 4 > 0).map(del));
    await backend.compact(new Uint8Array(0), null);
    const log = readFileSync(join(directory, "LOG"), "latin1");
    const slices = log.match(/Manual compaction at level-0/g)?.length ?? 0;
    assert.ok(slices >= 8, `${slices} slices`);
    assert.ok((await backend.fileBytes()) < before / 2, "the space came back");
    assert.equal((await scan(backend, {}, 2000)).length, 1000);
    await backend.close();
  });

  it("refuses a second opener", async () => {
    const directory = fresh();
    const backend = await LevelBackend.open(directory);
    await assert.rejects(LevelBackend.open(directory), { code: "storage" });
    await backend.close();
  });

  it("refuses tables without the file that names them, instead of starting empty", async () => {
    const directory = fresh();
    const backend = await LevelBackend.open(directory);
    await backend.commit([put("a", "1")]);
    await backend.flush();
    await backend.close();
    rmSync(join(directory, "CURRENT"));
    await assert.rejects(LevelBackend.open(directory), { code: "corruption" });
  });

  it("is an exact prefix of the entries after kill -9, not below the durable index", async () => {
    const directory = fresh();
    const durable = await crashed(directory, 30_000);
    assert.ok(durable > 0, "the writer flushed before it died");
    const applied = await assertPrefix(directory);
    assert.ok(applied >= durable, `applied ${applied} is at least the durable index ${durable}`);
  });

  it("is the same prefix whatever page of LevelDB's logs is lost or damaged", async () => {
    const directory = fresh();
    await crashed(directory, 9_000);
    const logs = readdirSync(directory).filter((name) => name.endsWith(".log"));
    assert.ok(logs.length > 0, "there is a log to damage");
    const expected = await assertPrefix(copyStore(directory));
    const PAGE = 4096;
    for (const name of logs) {
      const pages = Math.ceil(readFileSync(join(directory, name)).length / PAGE);
      const step = Math.max(1, Math.floor(pages / 6));
      for (let page = 0; page < pages; page += step) {
        const copy = copyStore(directory);
        const damaged = readFileSync(join(copy, name));
        if (page % 2 === 0) damaged.fill(0, page * PAGE, (page + 1) * PAGE);
        else damaged[page * PAGE + 100] = (damaged[page * PAGE + 100] ?? 0) ^ 0x40;
        writeFileSync(join(copy, name), damaged);
        assert.equal(await assertPrefix(copy), expected, `${name}, page ${page}`);
        rmSync(copy, { recursive: true });
      }
    }
  });
});
