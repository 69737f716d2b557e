/** What moves between etcd and us: snapshots, and what must be the same before and after. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Cluster, commandOf, type Member, type Product } from "./cluster.ts";
import { type Fields, MemberClient } from "./client.ts";
import { run, tool } from "./tools.ts";

/** Runs a command that must succeed; answers its standard output. */
export async function succeed(command: readonly string[], timeoutMs = 60_000): Promise<string> {
  const { code, stdout, stderr } = await run(command, { timeoutMs });
  assert.equal(code, 0, `${command.join(" ")}: ${stdout}${stderr.slice(-2000)}`);
  return stdout;
}

export async function etcdctl(member: Member, ...args: readonly string[]): Promise<string> {
  const flags = [`--endpoints=${member.endpoint}`, "--command-timeout=60s"];
  return await succeed([tool("etcdctl"), ...flags, ...args], 90_000);
}

export async function quorate(...args: readonly string[]): Promise<string> {
  return await succeed([...commandOf("quorate"), ...args]);
}

/** Hash, revision and compact revision: what is equal exactly where the histories are. */
export interface Hashed {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}

export async function hashOf(member: Member): Promise<Hashed> {
  const [found] = JSON.parse(await etcdctl(member, "endpoint", "hashkv", "-w", "json")) as {
    readonly HashKV: Readonly<Record<string, number>>;
  }[];
  return hashed(
    found?.HashKV["hash"],
    found?.HashKV["hash_revision"],
    found?.HashKV["compact_revision"],
  );
}

/** `hashkv FILE` of etcdutl and of ours, which print the same. */
export function parseHash(text: string): Hashed {
  const [hash, revision, compactRevision] = text.trim().split(", ").map(Number);
  return hashed(hash, revision, compactRevision);
}

function hashed(hash?: number, revision?: number, compactRevision?: number): Hashed {
  return { hash: hash ?? 0, revision: revision ?? 0, compactRevision: compactRevision ?? -1 };
}

/** Clusters for the time of one test; data and logs are kept when it throws. */
export class Clusters {
  readonly #all: Cluster[] = [];

  static async during(body: (clusters: Clusters) => Promise<void>): Promise<void> {
    const clusters = new Clusters();
    let keep = true;
    try {
      await body(clusters);
      keep = false;
    } finally {
      await Promise.all(clusters.#all.map((cluster) => cluster.stop({ keep })));
    }
  }

  async start(product: Product, flags: readonly string[] = []): Promise<Cluster> {
    return this.#add(await Cluster.start({ product, members: 1, flags }));
  }

  async restored(
    product: Product,
    members: number,
    file: string,
    flags: readonly string[] = [],
  ): Promise<Cluster> {
    return this.#add(await restored(product, members, file, flags));
  }

  #add(cluster: Cluster): Cluster {
    this.#all.push(cluster);
    return cluster;
  }
}

/** Makes a cluster of members whose directories are restored from `file`, and starts it. */
async function restored(
  product: Product,
  members: number,
  file: string,
  flags: readonly string[] = [],
): Promise<Cluster> {
  const cluster = await Cluster.prepare({ product, members });
  const command = product === "etcd" ? [tool("etcdutl")] : commandOf("quorate");
  for (const member of cluster.members) {
    await succeed([
      ...command,
      "snapshot",
      "restore",
      file,
      `--data-dir=${member.dataDir}`,
      `--name=${member.name}`,
      `--initial-cluster=${cluster.initialCluster}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
      ...flags,
    ]);
  }
  for (const member of cluster.members) cluster.restart(member);
  try {
    await cluster.awaitHealthy();
  } catch (thrown) {
    await cluster.stop({ keep: true });
    throw thrown;
  }
  return cluster;
}

/** Every event of all keys from `revision` to `last`, in order, as text. */
export async function eventsFrom(
  member: Member,
  revision: number,
  last: number,
): Promise<string[]> {
  const client = new MemberClient(member.endpoint);
  const stream = client.open("Watch/Watch");
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
  stream.write({ createRequest: { ...all, startRevision: revision } });
  const seen: string[] = [];
  const timer = setTimeout(() => stream.cancel(), 20_000);
  try {
    for await (const answer of stream as AsyncIterable<Fields>) {
      assert.equal(answer["canceled"], false, String(answer["cancelReason"]));
      let reached = 0;
      for (const { type, kv } of answer["events"] as { type: number; kv: Fields }[]) {
        const value = (kv["value"] as Buffer).toString("base64");
        const fields = [type, kv["key"], kv["modRevision"], kv["createRevision"], kv["version"]];
        seen.push([...fields, kv["lease"], value].map(String).join(" "));
        reached = Number(kv["modRevision"]);
      }
      if (reached >= last) return seen;
    }
    throw new Error(`the watch ended after ${seen.length} events`);
  } finally {
    clearTimeout(timer);
    stream.cancel();
    client.close();
  }
}

/** Leases with what is left of them up to a minute, and their keys. */
export async function leasesOf(member: Member): Promise<readonly string[]> {
  const client = new MemberClient(member.endpoint);
  try {
    const { leases } = (await client.call("Lease/LeaseLeases", {})) as {
      leases: readonly { ID: string }[];
    };
    const found: string[] = [];
    for (const { ID } of leases.toSorted((a, b) => a.ID.localeCompare(b.ID))) {
      const time = await client.call("Lease/LeaseTimeToLive", { ID, keys: true });
      const keys = (time["keys"] as Buffer[]).map(String).toSorted().join(",");
      assert.ok(Number(time["TTL"]) > 0, `lease ${ID} lives`);
      found.push(`${ID} of ${String(time["grantedTTL"])}: ${keys}`);
    }
    return found;
  } finally {
    client.close();
  }
}

/** The file that a member's snapshot is saved to. */
export function snapshotPath(cluster: Cluster, name = "snapshot.db"): string {
  return join(cluster.folder, name);
}
