/** From us to etcd: our snapshot is a database that etcd's tools take and etcd lives on. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { describe, it } from "node:test";
import { MemberClient } from "./support/client.ts";
import type { Member } from "./support/cluster.ts";
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
import { run, tool } from "./support/tools.ts";

const key = (name: string): Buffer => Buffer.from(name);

/** Puts, overwrites, deletes, values of several pages, a compaction, and more. Answers a revision that a watch may begin at. */
async function fill(member: Member): Promise<number> {
  const load = ["--conns=10", "--clients=200", `--endpoints=${member.endpoint}`];
  const size = ["--key-size=16", "--val-size=200", "--key-space-size=20000", "--total=50000"];
  await succeed([tool("benchmark"), ...load, "put", ...size]);
  const client = new MemberClient(member.endpoint);
  try {
    for (let at = 0; at < 200; at++) {
      await client.call("KV/Put", {
        key: key(`gone/${at % 60}`),
        value: Buffer.alloc(at * 100, at),
      });
      if (at % 4 === 0) await client.call("KV/DeleteRange", { key: key(`gone/${at % 60}`) });
    }
    await client.call("KV/Compact", { revision: "49000", physical: true }, 30_000);
    await client.call("KV/DeleteRange", { key: key("gone/1"), rangeEnd: key("gone/3") });
    await client.call("KV/Put", { key: key("large"), value: Buffer.alloc(1_200_000, 1) });
  } finally {
    client.close();
  }
  return 49_500;
}

async function addLeases(member: Member): Promise<void> {
  const client = new MemberClient(member.endpoint);
  try {
    for (const ID of ["77", "-77", "9223372036854775807"]) {
      await client.call("Lease/LeaseGrant", { ID, TTL: "1800" });
      await client.call("KV/Put", { key: key(`leased/${ID}`), value: key("v"), lease: ID });
    }
  } finally {
    client.close();
  }
}

describe("a snapshot of ours", { timeout: 120_000 }, () => {
  it("is whole to etcdutl, and etcd lives on it with the same hash, history and leases", async () => {
    await Clusters.during(async (clusters) => {
      const ours = await clusters.start("quorate");
      const source = ours.member(0);
      const from = await fill(source);
      const file = snapshotPath(ours);
      await etcdctl(source, "snapshot", "save", file);
      const plain = await hashOf(source);
      // etcdutl's hashkv writes to what it reads, and cannot open a database with leased keys.
      const copy = snapshotPath(ours, "copy.db");
      copyFileSync(file, copy);
      assert.deepEqual(parseHash(await succeed([tool("etcdutl"), "hashkv", copy])), plain);

      await addLeases(source);
      await quorate("snapshot", "save", file, `--endpoints=${source.endpoint}`);
      assert.equal(
        await succeed([tool("etcdutl"), "snapshot", "status", file]),
        await quorate("snapshot", "status", file),
      );
      const hash = await hashOf(source);
      const etcd = await clusters.restored("etcd", 1, file);
      assert.deepEqual(await hashOf(etcd.member(0)), hash);
      assert.deepEqual(await leasesOf(etcd.member(0)), await leasesOf(source));
      assert.deepEqual(
        await eventsFrom(etcd.member(0), from, hash.revision),
        await eventsFrom(source, from, hash.revision),
      );
      await etcdctl(etcd.member(0), "put", "after", "restore");
    });
  });

  it("of an empty member is a database too, both ways", async () => {
    await Clusters.during(async (clusters) => {
      const ours = await clusters.start("quorate");
      const file = snapshotPath(ours);
      await etcdctl(ours.member(0), "snapshot", "save", file);
      await succeed([tool("etcdutl"), "snapshot", "status", file]);
      const etcd = await clusters.restored("etcd", 1, file);
      const again = await clusters.restored("quorate", 1, file);
      assert.deepEqual(await hashOf(again.member(0)), await hashOf(etcd.member(0)));
      await etcdctl(again.member(0), "put", "a", "1");
    });
  });

  it("keeps users, roles and that they are asked for: from etcd to us and back", async () => {
    await Clusters.during(async (clusters) => {
      const etcd = (await clusters.start("etcd")).member(0);
      for (const words of USERS) await etcdctl(etcd, ...words.split(" "));
      const root = "--user=root:pw";
      const ours = await clusters.restored("quorate", 1, await savedBy(etcd, root));
      const saved = snapshotPath(ours);
      await quorate("snapshot", "save", saved, `--endpoints=${ours.member(0).endpoint}`, root);
      const again = await clusters.restored("etcd", 1, saved);
      for (const member of [ours.member(0), again.member(0)]) {
        for (const words of ["user get ann", "role get readers", "auth status"]) {
          const asked = [root, ...words.split(" ")];
          assert.equal(await etcdctl(member, ...asked), await etcdctl(etcd, ...asked));
        }
        assert.equal(await etcdctl(member, "--user=ann:secret", "get", "a1"), "a1\n1\n");
        await refuses(member, "permission denied", "--user=ann:secret", "put", "a1", "2");
        await refuses(member, "authentication failed", "--user=ann:wrong", "get", "a1");
        await refuses(member, "user name is empty", "get", "a1");
        await etcdctl(member, root, "put", "a1", "1");
      }
    });
  });
});

const USERS: readonly string[] = [
  "put a1 1",
  "role add readers",
  "role grant-permission readers read a b",
  "user add ann:secret",
  "user grant-role ann readers",
  "user add root:pw",
  "user grant-role root root",
  "auth enable",
];

async function savedBy(member: Member, user: string): Promise<string> {
  const file = `${member.dataDir}.db`;
  await etcdctl(member, user, "snapshot", "save", file);
  return file;
}

async function refuses(member: Member, reason: string, ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await run([tool("etcdctl"), `--endpoints=${member.endpoint}`, ...words]);
  assert.notEqual(code, 0, words.join(" "));
  assert.ok(stderr.includes(reason), stderr);
}
