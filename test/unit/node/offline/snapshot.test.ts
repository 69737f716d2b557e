/** Snapshots at rest: what they say, what is made of them, and what is refused. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DataDir } from "../../../../node/data-dir.ts";
import { QuorateError } from "../../../../src/base/errors.ts";
import { command, type CommandOutcome } from "../command-io.ts";
import { databaseOf, exampleMachine, scratch, withDigest } from "./fixture.ts";

const example = await exampleMachine();
const database = await databaseOf(example);
const { revision, compactRevision } = example.machine.store;
const hash = await example.hash();

/** A snapshot in a folder of its own, and where to restore it to. */
function place(bytes: Buffer): { readonly file: string; readonly dataDir: string } & Disposable {
  const folder = scratch();
  const file = join(folder.path, "snapshot.db");
  writeFileSync(file, bytes);
  return {
    file,
    dataDir: join(folder.path, "data"),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

function restore(
  { file, dataDir }: { readonly file: string; readonly dataDir: string },
  ...flags: readonly string[]
): Promise<CommandOutcome> {
  return command(["snapshot", "restore", file, `--data-dir=${dataDir}`, ...flags]);
}

async function json(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await command([...args, "-o", "json"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("quorate snapshot", () => {
  it("status tells revision, live keys, size and version in every form", async () => {
    using at = place(withDigest(database));
    const found = await json("snapshot", "status", at.file);
    const { keyCount } = example.machine.store;
    assert.deepEqual(
      { ...found, hash: typeof found["hash"] },
      {
        hash: "number",
        revision,
        totalKey: keyCount,
        totalSize: database.length,
        version: "3.6.0",
      },
    );
    const { stdout } = await command(["snapshot", "status", at.file, "--write-out=table"]);
    assert.match(
      stdout,
      /^\+-+\+.*\n\| +HASH +\| REVISION \| TOTAL KEYS \| TOTAL SIZE \| VERSION \|\n/,
    );
    const simple = await command(["snapshot", "status", at.file]);
    assert.match(simple.stdout, /^[0-9a-f]+, \d+, \d+, \d+ kB, 3\.6\.0\n$/);
  });

  it("hashkv of the file and of what is restored from it are those of the member", async () => {
    using at = place(withDigest(database));
    const expected = { hash, hashRevision: revision, compactRevision };
    assert.deepEqual(await json("hashkv", at.file), expected);
    assert.equal((await restore(at)).code, 0);
    assert.deepEqual(await json("hashkv", `--data-dir=${at.dataDir}`), expected);
    const old = await json("hashkv", at.file, "--rev=250");
    assert.deepEqual(await json("hashkv", `--data-dir=${at.dataDir}`, "--rev=250"), old);
    const early = await command(["hashkv", at.file, "--rev=10"]);
    assert.deepEqual([early.code, early.stdout], [2, ""]);
    assert.match(early.stderr, /--rev=10 was compacted/);
  });

  it("restores the same identity from the same file, another from another bump or token", async () => {
    const ids = async (...flags: readonly string[]): Promise<string> => {
      using at = place(withDigest(database));
      const found = await json(
        "snapshot",
        "restore",
        at.file,
        `--data-dir=${at.dataDir}`,
        ...flags,
      );
      return `${String(found["clusterId"])}/${String(found["memberId"])}`;
    };
    const first = await ids();
    assert.equal(await ids(), first);
    const bumped = await ids("--bump-revision=1000", "--mark-compacted");
    const named = await ids("--initial-cluster-token=other");
    const again = await ids("--incarnation=2");
    assert.equal(await ids("--incarnation=1"), first);
    assert.equal(new Set([first, bumped, named, again]).size, 4);
  });

  it("a raised revision is the last, and all before it is compacted", async () => {
    using at = place(withDigest(database));
    const { code, stderr } = await restore(at, "--bump-revision=1000", "--mark-compacted");
    assert.equal(code, 0, stderr);
    const found = await json("hashkv", `--data-dir=${at.dataDir}`);
    assert.equal(found["hashRevision"], revision + 1000);
    assert.equal(found["compactRevision"], revision + 1000);
  });

  it("belongs to the incarnation that it is given, so that no fence keeps it out", async () => {
    const incarnation = async (...flags: readonly string[]): Promise<number> => {
      using at = place(withDigest(database));
      assert.equal((await restore(at, ...flags)).code, 0);
      return new DataDir(at.dataDir, null).readIdentity().fenceIncarnation;
    };
    assert.equal(await incarnation(), 1);
    assert.equal(await incarnation("--incarnation=7"), 7);
  });

  it("the log of a restored member is whole and begins after the state", async () => {
    using at = place(withDigest(database));
    await restore(at);
    const log = await json("wal", "verify", `--data-dir=${at.dataDir}`);
    assert.deepEqual([log["firstIndex"], log["lastIndex"], log["tornBytes"]], [2, 1, 0]);
    const wal = join(at.dataDir, "member", "wal");
    const [segment = ""] = readdirSync(wal).filter((name) => name.endsWith(".wal"));
    const bytes = readFileSync(join(wal, segment));
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(join(wal, segment), bytes);
    const { code, stderr } = await command(["wal", "verify", `--data-dir=${at.dataDir}`]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^quorate wal: [^\\n]*${segment}[^\\n]*\\n$`));
  });
});

describe("quorate snapshot restore", () => {
  it("fills an empty directory, and puts the log where it is told to", async () => {
    using at = place(withDigest(database));
    const logDir = join(at.dataDir, "..", "log");
    mkdirSync(at.dataDir);
    const outcome = await restore(at, `--wal-dir=${logDir}`);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal(existsSync(join(at.dataDir, "member", "wal")), false);
    const dirs = [`--data-dir=${at.dataDir}`, `--wal-dir=${logDir}`];
    assert.equal((await json("wal", "verify", ...dirs))["firstIndex"], 2);
    assert.equal((await json("hashkv", ...dirs))["hash"], hash);
    const again = join(at.dataDir, "..", "again");
    const taken = await restore({ file: at.file, dataDir: again }, `--wal-dir=${logDir}`);
    assert.equal(taken.code, 2);
    assert.match(taken.stderr, /--wal-dir=.* is not empty/);
    assert.equal(existsSync(again), false);
  });
});

describe("quorate snapshot restore refuses, and writes nothing", () => {
  const foreign = Buffer.alloc(8192, 1);
  const altered = Buffer.from(database);
  altered[9000] = (altered[9000] ?? 0) ^ 1;
  const cases: readonly (readonly [string, Buffer, number, RegExp, readonly string[]])[] = [
    ["what was cut off", withDigest(database).subarray(0, 9000), 1, /cut off/, []],
    ["what lost its checksum", database, 2, /no checksum at its end.*--skip-hash-check/, []],
    [
      "what was altered",
      Buffer.concat([altered, withDigest(database).subarray(-32)]),
      1,
      /altered/,
      [],
    ],
    ["what is no database", withDigest(foreign), 1, /no etcd database/, []],
    ["an empty file", Buffer.alloc(0), 1, /no etcd database/, []],
    [
      "a bump without its mark",
      withDigest(database),
      2,
      /needs --mark-compacted/,
      ["--bump-revision=5"],
    ],
    [
      "a mark without its bump",
      withDigest(database),
      2,
      /needs --bump-revision/,
      ["--mark-compacted"],
    ],
    [
      "a member that is not in the cluster",
      withDigest(database),
      2,
      /--initial-cluster does not name/,
      ["--initial-cluster=b=http://127.0.0.1:1"],
    ],
    [
      "an unknown flag",
      withDigest(database),
      2,
      /unknown flag --nam: did you mean --name\?/,
      ["--nam=x"],
    ],
  ];
  for (const [what, bytes, code, reason, flags] of cases) {
    it(what, async () => {
      using at = place(bytes);
      const outcome = await restore(at, ...flags);
      assert.match(outcome.stderr, reason);
      assert.match(outcome.stderr, /^quorate snapshot: [^\n]+\n$/);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
      assert.equal(existsSync(at.dataDir), false);
    });
  }

  it("a directory that holds something, which is left as it is", async () => {
    using at = place(withDigest(database));
    mkdirSync(at.dataDir);
    writeFileSync(join(at.dataDir, "mine"), "x");
    const { code, stderr } = await restore(at);
    assert.equal(code, 2);
    assert.match(stderr, /is not empty/);
    assert.deepEqual(readdirSync(at.dataDir), ["mine"]);
  });

  it("a file that does not exist", async () => {
    using at = place(Buffer.alloc(0));
    const { code, stderr } = await command(["snapshot", "restore", `${at.file}.no`]);
    assert.equal(code, 2);
    assert.match(stderr, /does not exist\n$/);
  });

  it("to go on once it is interrupted, and leaves nothing", async () => {
    using at = place(withDigest(database));
    const signal = AbortSignal.abort(new QuorateError("cancelled", "ended by SIGINT"));
    const args = ["snapshot", "restore", at.file, `--data-dir=${at.dataDir}`];
    const { code, stderr } = await command(args, { signal });
    assert.deepEqual([code, stderr], [1, "quorate snapshot: ended by SIGINT\n"]);
    assert.equal(existsSync(at.dataDir), false);
  });
});
