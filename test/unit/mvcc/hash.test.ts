import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { crc32c } from "../../../src/base/checksum.ts";
import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { Core } from "../../../src/mvcc/core.ts";
import { TreeIndex } from "../../../src/mvcc/tree-index.ts";
import { anySlot } from "../../../src/mvcc/hash.ts";
import { bytes, Fixture, k, testPace } from "./fixture.ts";

type Step =
  | { readonly put: readonly [key: string, value: string] }
  | { readonly delete: readonly [key: string, end: string | null] }
  | { readonly txn: readonly Step[] }
  | { readonly compact: number }
  | { readonly restart: true }
  | { readonly hash: number; readonly expect: HashStep };

interface HashStep {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}

/** Histories with the hashes that etcd 3.6.8 answered, asked through `etcdctl endpoint hashkv`. */
const histories = JSON.parse(
  readFileSync(new URL("../../fixtures/hashkv/histories.json", import.meta.url), "utf8"),
) as readonly { readonly name: string; readonly steps: readonly Step[] }[];

async function run(steps: readonly Step[]): Promise<number> {
  let f = await Fixture.open({ compactionRowsMax: 2 });
  let hashes = 0;
  for (const [at, step] of steps.entries()) {
    if ("hash" in step) {
      const outcome = await f.store.hash(step.hash, AbortSignal.timeout(5_000));
      assert.equal(outcome.kind, "hash", `step ${at}`);
      if (outcome.kind === "hash") assert.deepEqual(outcome.hash, step.expect, `step ${at}`);
      hashes++;
    } else if ("compact" in step) {
      await f.compacted(step.compact);
    } else if ("restart" in step) {
      f = await f.reopened({ compactionRowsMax: 2 });
    } else {
      f.write((txn) => {
        for (const op of "txn" in step ? step.txn : [step]) {
          if ("put" in op) txn.put(k(op.put[0]), bytes(op.put[1]), 0n);
          if (!("delete" in op)) continue;
          txn.deleteRange(k(op.delete[0]), op.delete[1] === null ? null : k(op.delete[1]), 1_000);
        }
      });
    }
  }
  return hashes;
}

describe("HistoryHasher", () => {
  for (const { name, steps } of histories) {
    it(`answers what etcd answers: ${name}`, async () => {
      assert.ok((await run(steps)) > 0);
    });
  }
});

describe("Store.hash", () => {
  it("does not depend on how far a compaction got, with nothing live at its revision", async () => {
    const f = await Fixture.open();
    f.put("a", "1");
    f.delete("a");
    f.put("a", "2");
    const outcome = f.compact(3);
    const during = await f.store.hash(3, AbortSignal.timeout(5_000));
    if (outcome.kind === "scheduled") await outcome.done;
    const again = await f.reopened();
    assert.deepEqual(during, await again.store.hash(3, AbortSignal.timeout(5_000)));
  });
});

describe("anySlot", () => {
  it("looks at every key of the index, and lets the loop turn while it does", async () => {
    const backend = new MemoryBackend();
    let turns = 0;
    const turn = async (): Promise<void> => {
      turns++;
      await testPace.turn();
    };
    const core = new Core(
      backend,
      BackendBuffer.open(backend),
      { ...testPace, turn },
      new TreeIndex(0),
      () => assert.fail("the store is damaged"),
    );
    const name = (at: number): string => String(at).padStart(6, "0");
    for (let at = 0; at < 20_000; at++) core.index.put(k(name(at)), 2, at);
    for (const at of [0, 8_191, 8_192, 8_193, 19_999]) {
      assert.ok(await anySlot(core, (leaf, slot) => leaf.keys[slot] === name(at)), name(at));
    }
    turns = 0;
    assert.equal(await anySlot(core, () => false), false);
    assert.equal(turns, 2);
  });
});

describe("crc32c", () => {
  it("answers the check value of the Castagnoli polynomial, in one part or many", () => {
    assert.equal(crc32c(bytes("123456789")), 0xe3069283);
    assert.equal(crc32c(bytes("")), 0);
    const long = Buffer.alloc(100, "quorate ");
    for (let cut = 0; cut <= long.length; cut++) {
      assert.equal(crc32c(long.subarray(cut), crc32c(long.subarray(0, cut))), crc32c(long));
    }
  });

  it("answers the values of RFC 3720", () => {
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, at) => at))), 0x46dd794e);
  });
});
