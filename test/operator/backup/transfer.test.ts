/** The parts of a transfer that need no cluster: which member is read, what a snapshot must end with, what is told at the end. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import {
  type Manifest,
  decodeManifest,
  encodeManifest,
  folderOf,
} from "../../../operator/backup/layout.ts";
import {
  TransferError,
  type TransferResult,
  decodeResult,
  encodeResult,
  exitCodeOf,
  toFailure,
} from "../../../operator/backup/transfer/result.ts";
import {
  type Candidate,
  type SourcePolicy,
  chooseMember,
} from "../../../operator/backup/transfer/source.ts";
import { checkedSnapshot, drain, unpacked } from "../../../operator/backup/transfer/streams.ts";
import { runTransfer } from "../../../operator/backup/transfer/transfer.ts";
import { withSecondLook } from "../../../operator/backup/transfer/verify.ts";

function member(name: string, changes: Partial<Candidate> = {}): Candidate {
  const base = { endpoint: `https://${name}:2379`, name, version: "1.2.3", revision: 100 };
  return { ...base, isLeader: false, isLearner: false, isCorrupt: false, ...changes };
}

describe("chooseMember", () => {
  const leader = member("kv-0", { isLeader: true });
  const table: readonly [string, readonly Candidate[], SourcePolicy, string | null][] = [
    ["a follower before the leader", [leader, member("kv-1")], "PreferFollower", "kv-1"],
    ["the leader where it is asked for", [member("kv-1"), leader], "Leader", "kv-0"],
    ["anybody where nobody else is left", [leader], "Any", "kv-0"],
    ["the only member there is", [leader], "PreferFollower", "kv-0"],
    [
      "no follower that is behind",
      [leader, member("kv-1", { revision: 99 }), member("kv-2")],
      "PreferFollower",
      "kv-2",
    ],
    [
      "rather nobody yet than the leader while followers are behind",
      [leader, member("kv-1", { revision: 99 })],
      "PreferFollower",
      null,
    ],
    ["the leader once waiting is over", [leader, member("kv-1", { revision: 99 })], "Any", "kv-0"],
    ["no learner", [leader, member("kv-1", { isLearner: true })], "Any", "kv-0"],
    ["no damaged one", [leader, member("kv-1", { isCorrupt: true })], "Any", "kv-0"],
    ["nobody of nobody", [], "Any", null],
  ];
  for (const [claim, candidates, policy, chosen] of table) {
    it(`takes ${claim}`, () => {
      assert.equal(chooseMember(candidates, 100, policy)?.name ?? null, chosen);
    });
  }
});

function snapshot(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]);
}

describe("checkedSnapshot", () => {
  async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
    let at = 0;
    for (const size of sizes) {
      yield bytes.subarray(at, at + size);
      at += size;
    }
    yield bytes.subarray(at);
  }
  const damaged = (error: unknown): boolean =>
    error instanceof TransferError && error.reason === "SnapshotDamaged";

  it("accepts a whole one however it is cut, and passes every byte on", async () => {
    const sectors = fc.integer({ min: 1, max: 4 });
    const sizes = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 20 });
    const property = fc.asyncProperty(sectors, sizes, async (count, cuts) => {
      const whole = snapshot(Buffer.alloc(512 * count, count));
      const seen: Uint8Array[] = [];
      for await (const piece of checkedSnapshot(cut(whole, cuts), "it")) seen.push(piece);
      assert.ok(Buffer.concat(seen).equals(whole));
    });
    await fc.assert(property, { numRuns: 100 });
  });

  it("refuses one that lost its end, a sector, a byte of itself or of its checksum", async () => {
    const whole = snapshot(Buffer.alloc(2048, 5));
    const altered = (at: number): Buffer => {
      const copy = Buffer.from(whole);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
    const bad = [
      Buffer.alloc(0),
      whole.subarray(0, 2048),
      whole.subarray(0, 20),
      Buffer.concat([whole.subarray(0, 512), whole.subarray(1024)]),
      altered(0),
      altered(whole.length - 1),
    ];
    for (const bytes of bad)
      await assert.rejects(drain(checkedSnapshot(cut(bytes, [100, 100]), "it")), damaged);
  });

  it("gzip is known by its first bytes, one by one if they come so, and must be whole", async () => {
    const whole = snapshot(Buffer.alloc(4096, 3));
    const packed = gzipSync(whole);
    const seen: Uint8Array[] = [];
    for await (const piece of unpacked(cut(packed, [1, 1, 1]), "it")) seen.push(piece);
    assert.ok(Buffer.concat(seen).equals(whole));
    await assert.rejects(drain(unpacked(cut(packed.subarray(0, -9), []), "it")), damaged);
    const flipped = Buffer.from(packed);
    flipped[20] = (flipped[20] ?? 0) ^ 0xff;
    await assert.rejects(drain(unpacked(cut(flipped, []), "it")), damaged);
  });

  it("what the source throws comes out as it is", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield gzipSync(Buffer.alloc(100)).subarray(0, 10);
      throw new RangeError("the store went away");
    }
    await assert.rejects(drain(unpacked(broken(), "it")), RangeError);
  });
});

describe("transfer verify", () => {
  const root = mkdtempSync(join(tmpdir(), "quorate-verify-"));
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Its result, its exit code and how often it fetched. */
  async function verify(file: string, ...more: readonly string[]): Promise<Verified> {
    const log: string[] = [];
    const result = join(root, "result");
    const code = await runTransfer(
      ["verify", "--store=claim", `--claim-root=${root}`, `--key=${file}`, ...more].concat(
        `--result=${result}`,
      ),
      {
        print: () => {},
        log: (line) => log.push(line),
        signal: AbortSignal.timeout(10_000),
        now: () => Date.now(),
      },
    );
    const again = log.filter((line) => line.includes("fetched once more")).length;
    return { code, again, result: decodeResult(readFileSync(result, "utf8")) };
  }

  interface Verified {
    readonly code: number;
    readonly again: number;
    readonly result: TransferResult | null;
  }

  it("tells what is stored of a whole snapshot, packed or not", async () => {
    const plain = snapshot(Buffer.alloc(4096, 7));
    writeFileSync(join(root, "plain.db"), plain);
    writeFileSync(join(root, "packed.db.gz"), gzipSync(plain));
    for (const file of ["plain.db", "packed.db.gz"]) {
      const { code, again, result } = await verify(file);
      assert.deepEqual([code, again], [0, 0]);
      assert.ok(result?.kind === "verify" && result.sizeBytes === plain.length, file);
    }
  });

  it("reads what is damaged twice and ends for good: of itself, of what was promised, or missing", async () => {
    const plain = snapshot(Buffer.alloc(4096, 7));
    writeFileSync(join(root, "plain.db"), plain);
    plain[100] = 0;
    writeFileSync(join(root, "altered.db"), plain);
    const cases: readonly [string, readonly string[], string, number][] = [
      ["altered.db", [], "SnapshotDamaged", 1],
      ["plain.db", [`--sha256=${"a".repeat(64)}`], "SnapshotDamaged", 1],
      ["absent.db", [], "NotFound", 0],
    ];
    for (const [file, more, reason, times] of cases) {
      const { code, again, result } = await verify(file, ...more);
      assert.deepEqual([code, again], [2, times], file);
      assert.equal(result?.kind === "failure" && result.reason, reason);
    }
  });

  it("takes a file for sound that was damaged on its way once", async () => {
    const plain = snapshot(Buffer.alloc(4096, 7));
    let fetched = 0;
    const read = withSecondLook(
      async () =>
        await drain(checkedSnapshot(once(fetched++ === 0 ? plain.subarray(1) : plain), "it")),
      () => {},
    );
    await read;
    assert.equal(fetched, 2);
  });

  async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
});

describe("a transfer's result", () => {
  it("fits into a termination message, whatever the failure has to say", () => {
    for (const letter of ["x", "\u0000", "ü", '"', "語"]) {
      const text = encodeResult(toFailure(new Error(letter.repeat(10_000))));
      assert.ok(Buffer.byteLength(text) <= 4096, `${letter}: ${Buffer.byteLength(text)}`);
      assert.equal(decodeResult(text)?.kind, "failure");
    }
  });

  it("text that is none is nobody's word", () => {
    for (const text of ["", "Killed", "null", "[]", '{"kind":"other"}', '{"kind":'])
      assert.equal(decodeResult(text), null);
  });

  it("ends with 2 only for what trying again does not mend", () => {
    type Reason = ConstructorParameters<typeof TransferError>[0];
    const codesOf = (command: string, ...reasons: readonly Reason[]): number[] =>
      reasons.map((reason) => exitCodeOf(toFailure(new TransferError(reason, "")), command));
    for (const command of ["backup", "restore", "verify"]) {
      const lasting = codesOf(command, "Misconfigured", "VolumeInUse", "StoreConflict");
      assert.deepEqual(lasting, [2, 2, 2]);
      assert.deepEqual(codesOf(command, "StoreUnreachable", "ClusterUnavailable"), [1, 1]);
    }
    // Somebody waits while a restore is tried, or its check; a backup that was read back damaged is made anew.
    for (const command of ["restore", "verify"])
      assert.deepEqual(codesOf(command, "SnapshotDamaged", "NotFound"), [2, 2]);
    assert.deepEqual(codesOf("backup", "SnapshotDamaged", "NotFound"), [1, 1]);
  });
});

describe("a manifest", () => {
  const manifest: Manifest = {
    formatVersion: 1,
    backup: { namespace: "data", name: "kv-1", uid: "u-1" },
    cluster: "kv",
    clusterId: "8e9e05c52164694d",
    serverVersion: "1.2.3",
    member: "kv-1",
    revision: 7,
    authEnabled: false,
    created: "2026-01-01T00:00:00Z",
    file: "snapshot.db.gz",
    compression: "Gzip",
    sizeBytes: 544,
    sha256: "a".repeat(64),
    storedBytes: 100,
    storedSha256: "b".repeat(64),
  };

  it("comes back as it was written", () => {
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
  });

  it("of a later format, cut off, or naming a file elsewhere is refused", () => {
    const refused = (changes: object): void => {
      const text = JSON.stringify({ ...manifest, ...changes });
      assert.throws(() => decodeManifest(Buffer.from(text)), Error, text);
    };
    refused({ formatVersion: 2 });
    refused({ sha256: "short" });
    refused({ file: "../other/snapshot.db" });
    refused({ backup: {} });
    refused({ sizeBytes: "many" });
    assert.throws(() => decodeManifest(encodeManifest(manifest).subarray(0, 100)));
    assert.throws(() => decodeManifest(Buffer.from("null")));
  });

  it("lies in a folder of the backup's name and uid, whatever slashes the path has", () => {
    assert.equal(folderOf("a//b/", "kv", "u"), "a/b/kv-u");
    assert.equal(folderOf(null, "kv", "u"), "kv-u");
  });
});
