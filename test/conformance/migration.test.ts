/** From etcd to us: a database with everything in it, restored into three members, is the same database. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/prng.ts";
import { command } from "../unit/node/command-io.ts";
import { MemberClient } from "./support/client.ts";
import type { Cluster, Member } from "./support/cluster.ts";
import {
  Clusters,
  etcdctl,
  eventsFrom,
  hashOf,
  leasesOf,
  parseHash,
  quorate,
  snapshotPath,
  succeed,
} from "./support/migration.ts";
import { tool } from "./support/tools.ts";

const KEYS = 200_000;

/** Keys, overwrites, deletes, leases, a compaction, and again some of each. Answers a revision that a watch may begin at. */
async function fill(member: Member, keys: number): Promise<number> {
  const load = ["--conns=10", "--clients=200", `--endpoints=${member.endpoint}`];
  const size = ["--key-size=16", "--val-size=64", `--key-space-size=${keys}`];
  const put = [tool("benchmark"), ...load, "put", ...size];
  await succeed([...put, "--sequential-keys", `--total=${keys}`], 120_000);
  const client = new MemberClient(member.endpoint);
  const key = (name: string): Buffer => Buffer.from(name);
  try {
    for (let at = 0; at < 100; at++) {
      await client.call("Lease/LeaseGrant", { ID: `${1000 + at}`, TTL: "3600" });
      await client.call("KV/Put", {
        key: key(`leased/${at}`),
        value: key("v"),
        lease: `${1000 + at}`,
      });
    }
    for (let at = 0; at < 300; at++) {
      await client.call("KV/Put", { key: key(`gone/${at % 150}`), value: key(`${at}`) });
      if (at % 3 === 0) await client.call("KV/DeleteRange", { key: key(`gone/${at % 150}`) });
    }
    await client.call("KV/DeleteRange", { key: key("gone/1"), rangeEnd: key("gone/2") });
    const { header } = (await client.call("KV/Range", { key: key("x") })) as {
      header: { revision: string };
    };
    const compacted = Number(header.revision) - 200;
    await client.call("KV/Compact", { revision: `${compacted}`, physical: true }, 30_000);
    for (let at = 0; at < 200; at++) {
      await client.call("KV/Put", {
        key: key(`gone/${at % 50}`),
        value: Buffer.alloc(at * 40, at),
      });
      if (at % 5 === 0) await client.call("KV/DeleteRange", { key: key(`gone/${(at + 7) % 50}`) });
    }
    await client.call("KV/Put", { key: key("large"), value: Buffer.alloc(1_000_000, 7) });
    return compacted + 10;
  } finally {
    client.close();
  }
}

/** Users and roles, not enforced: they are data here. */
async function addUsers(member: Member): Promise<void> {
  await etcdctl(member, "role", "add", "readers");
  await etcdctl(member, "role", "grant-permission", "readers", "read", "leased/", "leased0");
  await etcdctl(member, "user", "add", "ann:secret");
  await etcdctl(member, "user", "grant-role", "ann", "readers");
}

describe("a snapshot of etcd", { timeout: 180_000 }, () => {
  it("restored into three members has etcd's hash, history, leases, and goes on", async () => {
    await Clusters.during(async (clusters) => {
      const etcd = await clusters.start("etcd");
      const source = etcd.member(0);
      const from = await fill(source, KEYS);
      await addUsers(source);
      const file = snapshotPath(etcd);
      await etcdctl(source, "snapshot", "save", file);
      const hash = await hashOf(source);
      assert.equal(
        await quorate("snapshot", "status", file),
        await succeed([tool("etcdutl"), "snapshot", "status", file]),
      );
      assert.deepEqual(parseHash(await quorate("hashkv", file)), hash);

      const ours = await clusters.restored("quorate", 3, file);
      for (const member of ours.members) assert.deepEqual(await hashOf(member), hash, member.name);
      assert.deepEqual(await leasesOf(ours.member(0)), await leasesOf(source));
      assert.deepEqual(
        await eventsFrom(ours.member(1), from, hash.revision),
        await eventsFrom(source, from, hash.revision),
      );
      await goesOn(ours, hash.revision);
    });
  });

  it("with a raised revision has etcd's hash too, restored by either and moved on", async () => {
    await Clusters.during(async (clusters) => {
      const source = await clusters.start("etcd");
      for (let at = 0; at < 5; at++) await etcdctl(source.member(0), "put", `k${at % 3}`, `v${at}`);
      const file = snapshotPath(source);
      await etcdctl(source.member(0), "snapshot", "save", file);
      const bump = ["--bump-revision=1000000", "--mark-compacted"];
      const etcd = await clusters.restored("etcd", 1, file, bump);
      const ours = await clusters.restored("quorate", 1, file, bump);
      const hash = await hashOf(etcd.member(0));
      assert.deepEqual(await hashOf(ours.member(0)), hash);
      assert.equal(hash.revision, hash.compactRevision);
      for (const member of [etcd.member(0), ours.member(0)]) {
        await etcdctl(member, "put", "after", "restore");
        await etcdctl(member, "compact", "--physical", `${hash.revision + 1}`);
        await etcdctl(member, "put", "after", "compaction");
      }
      assert.deepEqual(await hashOf(ours.member(0)), await hashOf(etcd.member(0)));
      const moved = snapshotPath(etcd, "moved.db");
      await etcdctl(etcd.member(0), "snapshot", "save", moved);
      const again = await clusters.restored("quorate", 1, moved);
      assert.deepEqual(await hashOf(again.member(0)), await hashOf(etcd.member(0)));
      const all = ["get", "--prefix", "", "-w", "fields"];
      const rows = (text: string): string => text.slice(text.indexOf('"Key"'));
      assert.equal(
        rows(await etcdctl(again.member(0), ...all)),
        rows(await etcdctl(etcd.member(0), ...all)),
      );
      await again.member(0).stop("SIGTERM");
      again.restart(again.member(0));
      await again.awaitHealthy();
      assert.deepEqual(await hashOf(again.member(0)), await hashOf(etcd.member(0)));
    });
  });

  it("that is cut off or altered anywhere is refused, and nothing is written", async () => {
    await Clusters.during(async (clusters) => {
      const etcd = await clusters.start("etcd");
      for (let at = 0; at < 200; at++)
        await etcdctl(etcd.member(0), "put", `key${at}`, `value${at}`);
      const file = snapshotPath(etcd);
      await etcdctl(etcd.member(0), "snapshot", "save", file);
      const whole = readFileSync(file);
      const random = new Prng(7);
      const altered = snapshotPath(etcd, "altered.db");
      const dataDir = join(etcd.folder, "restored");
      for (let round = 0; round < 40; round++) {
        const bytes = Buffer.from(whole);
        const at = random.between(0, bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ random.between(1, 256);
        writeFileSync(altered, round % 2 === 0 ? bytes : bytes.subarray(0, at));
        const { code, stderr } = await command([
          "snapshot",
          "restore",
          altered,
          `--data-dir=${dataDir}`,
        ]);
        assert.ok(code === 1 || code === 2, `byte ${at}: exit code ${code}`);
        assert.match(stderr, /^quorate snapshot: [^\n]+\n$/);
        assert.equal(existsSync(dataDir), false);
      }
      const { code, stderr } = await command([
        "snapshot",
        "restore",
        file,
        `--data-dir=${dataDir}`,
      ]);
      assert.equal(code, 0, stderr);
    });
  });
});

/** Members that lost nothing take writes, and each of them has them. */
async function goesOn(cluster: Cluster, revision: number): Promise<void> {
  await etcdctl(cluster.member(0), "put", "after", "restore");
  for (const member of cluster.members) {
    assert.equal(await etcdctl(member, "get", "after", "--print-value-only"), "restore\n");
  }
  const first = await hashOf(cluster.member(0));
  assert.equal(first.revision, revision + 1);
  for (const member of cluster.members) assert.deepEqual(await hashOf(member), first);
}
