/** Snapshots of a real member: taken, restored and lived on; and clients that take them slowly, or not to the end. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Fields, MemberClient, statusOf } from "../../../conformance/support/client.ts";
import { Cluster } from "../../../conformance/support/cluster.ts";
import { Pki } from "../../../conformance/support/tls.ts";
import { SnapshotFile } from "../../../../node/offline/snapshot-file.ts";
import { crc32c } from "../../../../src/base/checksum.ts";
import { command, type CommandOutcome } from "../command-io.ts";
import { putMany, QUICK, readAll, withClient, withMembers } from "./support.ts";

/** Of the state that is streamed: more than a client and its connection take unread. */
const KEYS = 300;
const VALUE_BYTES = 20_000;

/** A snapshot that is being taken, read up to its first message and then no further. */
async function beginSnapshot(client: MemberClient): Promise<{ cancel(): void }> {
  const stream = client.open("Maintenance/Snapshot");
  stream.on("error", () => {});
  stream.write({});
  stream.end();
  await new Promise<void>((resolve) => {
    stream.once("data", () => {
      stream.pause();
      resolve();
    });
  });
  return stream;
}

/** What etcd's Hash is of a database. */
async function hashOfFile(file: string): Promise<number> {
  let [crc, bucket] = [0, ""];
  const unhashed = new Set(["consistent_index", "term", "storageVersion"]);
  const snapshot = await SnapshotFile.open(file);
  const reading = await snapshot.database.read({
    onBucket: (name) => {
      bucket = name;
      crc = crc32c(Buffer.from(name), crc);
    },
    onRow: (key, value) => {
      const isLeftOut = bucket === "meta" && unhashed.has(Buffer.from(key).toString());
      if (!isLeftOut) crc = crc32c(value, crc32c(key, crc));
    },
  });
  for await (const _ of reading.records());
  await snapshot.close();
  return crc;
}

describe("a snapshot of a member", () => {
  it("is saved whole, and a member restored from it has all that there was", async () => {
    await withMembers(1, [], async (cluster) => {
      const source = cluster.member(0);
      const file = join(cluster.folder, "snapshot.db");
      const written = await withClient(source, (client) => putMany(client, "k", KEYS, VALUE_BYTES));
      const saved = await command(["snapshot", "save", file, `--endpoints=${source.endpoint}`]);
      assert.equal(saved.code, 0, saved.stderr);
      assert.equal(existsSync(`${file}.part`), false);
      const { hash } = await withClient(source, (client) => client.call("Maintenance/Hash", {}));
      assert.equal(hash, await hashOfFile(file), "Hash is that of the saved database");

      const next = await Cluster.prepare({ product: "quorate", members: 1, flags: QUICK });
      const member = next.member(0);
      const restored = await command([
        "snapshot",
        "restore",
        file,
        `--data-dir=${member.dataDir}`,
        `--name=${member.name}`,
        `--initial-cluster=${next.initialCluster}`,
        `--initial-advertise-peer-urls=${member.peerUrl}`,
      ]);
      try {
        assert.equal(restored.code, 0, restored.stderr);
        next.restart(member);
        await member.awaitHealthy();
        await withClient(member, async (client) => {
          assert.deepEqual(await readAll(client), written);
          await client.call("KV/Put", { key: Buffer.from("after"), value: Buffer.from("x") });
        });
      } finally {
        await next.stop();
      }
    });
  });

  it("that nobody reads on holds up neither writes nor compaction, and one that is left is released", async () => {
    await withMembers(1, [], async (cluster) => {
      const client = new MemberClient(cluster.member(0).endpoint);
      await putMany(client, "k", KEYS, VALUE_BYTES);
      const begun = await beginSnapshot(client);
      await putMany(client, "k", KEYS);
      const { header } = (await client.call("KV/Range", { key: Buffer.from("x") })) as {
        header: { revision: string };
      };
      await client.call("KV/Compact", { revision: header.revision, physical: true }, 10_000);
      begun.cancel();
      // More than there may be at a time: each makes room for the next when it goes.
      for (let round = 0; round < 12; round++) (await beginSnapshot(client)).cancel();
      const file = join(cluster.folder, "snapshot.db");
      const { code, stderr } = await command([
        "snapshot",
        "save",
        file,
        `--endpoints=${client.endpoint}`,
      ]);
      assert.equal(code, 0, stderr);
      client.close();
    });
  });

  it("is refused while too many are being taken", async () => {
    await withMembers(1, [], async (cluster) => {
      const client = new MemberClient(cluster.member(0).endpoint);
      await putMany(client, "k", KEYS, VALUE_BYTES);
      const begun = await Promise.all(Array.from({ length: 8 }, () => beginSnapshot(client)));
      const ninth = client.open("Maintenance/Snapshot");
      ninth.write({});
      ninth.end();
      const refused = await (async () => {
        for await (const _ of ninth as AsyncIterable<Fields>);
      })().catch(statusOf);
      assert.equal(refused, 8, "RESOURCE_EXHAUSTED");
      for (const each of begun) each.cancel();
      client.close();
    });
  });

  it("over mutual TLS with users asked for is the root's alone, and a certificate is needed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-snapshot-tls-"));
    const pki = new Pki(folder);
    const flags = QUICK;
    const cluster = await Cluster.start({ product: "quorate", members: 1, flags, tls: pki });
    const member = cluster.member(0);
    const client = new MemberClient(member.endpoint, pki.channel());
    await client.call("Auth/UserAdd", { name: "root", password: "pw" });
    await client.call("Auth/UserGrantRole", { user: "root", role: "root" });
    await client.call("Auth/UserAdd", { name: "ann", password: "secret" });
    await client.call("Auth/AuthEnable", {});
    client.close();
    const file = join(folder, "snapshot.db");
    const endpoint = `--endpoints=${member.clientUrl}`;
    const [trusted = "", ...own] = pki.clientFlags;
    const save = (...args: readonly string[]): Promise<CommandOutcome> =>
      command(["snapshot", "save", file, endpoint, ...args]);
    try {
      for (const [args, reason] of [
        [[trusted, ...own], /user name not found/],
        [[trusted, ...own, "--user=ann:secret"], /permission denied/],
        [[trusted, ...own, "--user=root:wrong"], /authentication failed/],
        [[trusted, "--user=root:pw"], /does not answer|certificate/],
        [[...own, "--user=root:pw"], /does not answer/],
        [[trusted, ...own.slice(0, 1), "--user=root:pw"], /--cert and --key go together/],
      ] as const) {
        const { code, stderr } = await save(...args);
        assert.notEqual(code, 0, args.join(" "));
        assert.match(stderr, reason);
        assert.match(stderr, /^quorate snapshot: [^\n]+\n$/);
        assert.doesNotMatch(stderr, /secret|wrong|pw/);
        assert.equal(existsSync(file) || existsSync(`${file}.part`), false);
      }
      const { code, stderr } = await save(trusted, ...own, "--user=root", "--password=pw");
      assert.equal(code, 0, stderr);
    } finally {
      await cluster.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it("that cannot be had leaves no file", async () => {
    const file = join(import.meta.dirname, "no-such-folder", "snapshot.db");
    const unwritable = await command(["snapshot", "save", file, "--endpoints=127.0.0.1:1"]);
    assert.deepEqual(unwritable.code, 1);
    assert.match(unwritable.stderr, /^quorate snapshot: 127\.0\.0\.1:1 does not answer\n$/);
    const many = await command(["snapshot", "save", file, "--endpoints=a:1,b:1"]);
    assert.equal(many.code, 2);
    assert.match(many.stderr, /name only that one\n$/);
  });
});
