import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { Bucket } from "../../../src/backend/buckets.ts";
import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { LevelBackend } from "../../../src/backend/level.ts";
import { verifyFiles } from "../../../src/backend/level/verify.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { toRecordKey, toRecordValue } from "../../../src/backend/record.ts";
import { verifyRecords } from "../../../src/backend/verify.ts";
import { Prng } from "../../../src/base/prng.ts";

const root = mkdtempSync(join(tmpdir(), "quorate-verify-"));
after(() => rmSync(root, { recursive: true, force: true }));

const noPause = async (): Promise<void> => {};

async function verified(work: AsyncGenerator<number, void>): Promise<number> {
  let bytes = 0;
  for await (const part of work) bytes += part;
  return bytes;
}

function fill(buffer: BackendBuffer, count: number): void {
  for (let at = 0; at < count; at++) {
    const key = Buffer.alloc(16);
    key.writeUInt32BE(at, 4);
    buffer.put(Bucket.keys, key, Buffer.from(`value ${at} `.repeat(8)));
  }
  buffer.put(Bucket.alarms, Buffer.from("alarm"), Buffer.from("x"));
  buffer.seal(7, 3);
}

describe("verifyFiles", () => {
  it("names every flipped bit of tables, manifest and CURRENT, and finds none in a whole store", async () => {
    const directory = join(root, "files");
    const backend = await LevelBackend.open(directory);
    const buffer = BackendBuffer.open(backend);
    fill(buffer, 400);
    await buffer.close();
    await (await LevelBackend.open(directory)).close();
    const names = readdirSync(directory).filter((name) => /\.ldb$|^MANIFEST|^CURRENT/.test(name));
    assert.equal(names.length, 3);
    const tables = names.filter((name) => name.endsWith(".ldb"));
    const size = readFileSync(join(directory, tables[0] ?? "")).length;
    assert.ok((await verified(verifyFiles(directory, noPause))) > size - 100);
    const random = new Prng(5);
    for (const name of names) {
      const path = join(directory, name);
      const whole = readFileSync(path);
      const everywhere = whole.length < 500;
      for (let round = 0; round < (everywhere ? whole.length : 300); round++) {
        const damaged = Buffer.from(whole);
        const at = everywhere ? round : random.between(0, whole.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.between(0, 8));
        writeFileSync(path, damaged);
        const found = verified(verifyFiles(directory, noPause));
        await assert.rejects(found, { code: "corruption" }, `${name} at ${at}`);
      }
      writeFileSync(path, whole);
    }
    await verified(verifyFiles(directory, noPause));
  });
});

describe("verifyRecords", () => {
  it("counts every record of a point in time, whatever is written meanwhile", async () => {
    const backend = new MemoryBackend();
    const buffer = BackendBuffer.open(backend);
    fill(buffer, 1_500);
    const sealed = await buffer.sealedView();
    const work = verifyRecords(sealed);
    await work.next();
    buffer.put(Bucket.lease, Buffer.from("later"), Buffer.from("y"));
    buffer.seal(8, 3);
    await buffer.drain();
    assert.ok((await verified(work)) > 0);
    await sealed.view.close();
    await verified(verifyRecords(await buffer.sealedView()));
  });

  it("names a record that is damaged, lost, or back", async () => {
    const recordKey = toRecordKey(Bucket.keys, Buffer.alloc(16));
    const strange = toRecordKey(Bucket.users, Buffer.from("nobody"));
    const cases = [
      { type: "put", key: recordKey, value: Buffer.from("damaged.....") },
      { type: "del", key: recordKey },
      { type: "put", key: strange, value: toRecordValue(strange, Buffer.from("back")) },
    ] as const;
    const messages = [
      /Bad record in bucket 1, key 0+:/,
      /bucket 1,.*should hold 10 records/,
      /bucket 5/,
    ];
    for (const [at, operation] of cases.entries()) {
      const backend = new MemoryBackend();
      const buffer = BackendBuffer.open(backend);
      fill(buffer, 10);
      await buffer.drain();
      await backend.commit([operation]);
      const found = verified(verifyRecords(await buffer.sealedView()));
      await assert.rejects(found, { code: "corruption", message: messages[at] as RegExp });
    }
  });
});
