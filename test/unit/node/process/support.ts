/** Real members as processes on loopback, for the length of one test. */
import { randomBytes } from "node:crypto";

import { type Fields, findLeader, MemberClient } from "../../../conformance/support/client.ts";
import { Cluster, type Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";

/** Short timeouts, so that elections do not take most of the time; long enough for a busy machine. */
export const QUICK: readonly string[] = ["--heartbeat-interval=50", "--election-timeout=500"];

/** A cluster for the time of `body`; data and logs are kept when it throws. */
export async function withMembers(
  members: number,
  flags: readonly string[],
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const all = [...QUICK, ...flags];
  const cluster = await Cluster.start({ product: "quorate", members, flags: all });
  let keep = true;
  try {
    await body(cluster);
    keep = false;
  } finally {
    await cluster.stop({ keep });
  }
}

/** One connection for the time of `body`. */
export async function withClient<T>(
  member: { readonly endpoint: string },
  body: (client: MemberClient) => Promise<T>,
): Promise<T> {
  const client = new MemberClient(member.endpoint);
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

/** Puts `count` keys `<prefix>0`, …; each value is random, `bytes` long. Returns what was acknowledged. */
export async function putMany(
  client: MemberClient,
  prefix: string,
  count: number,
  bytes = 16,
): Promise<Map<string, string>> {
  const acknowledged = new Map<string, string>();
  const one = async (at: number): Promise<void> => {
    const value = randomBytes(bytes);
    await client.call("KV/Put", { key: Buffer.from(`${prefix}${at}`), value }, 10_000);
    acknowledged.set(`${prefix}${at}`, value.toString("base64"));
  };
  for (let from = 0; from < count; from += 32) {
    const end = Math.min(count, from + 32);
    await Promise.all(Array.from({ length: end - from }, (_, at) => one(from + at)));
  }
  return acknowledged;
}

/** Everything that is there, by a linearizable read. */
export async function readAll(client: MemberClient): Promise<Map<string, string>> {
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
  const { kvs } = (await client.call("KV/Range", all, 10_000)) as {
    kvs: readonly { key: Buffer; value: Buffer }[];
  };
  return new Map(kvs.map(({ key, value }) => [key.toString(), value.toString("base64")]));
}

export async function statusFields(member: { readonly endpoint: string }): Promise<Fields> {
  return await withClient(member, (client) => client.call("Maintenance/Status", {}, 2000));
}

/** The member that leads, as soon as one does that is not `except`. */
export async function awaitLeader(cluster: Cluster, except: Member | null = null): Promise<Member> {
  const others = cluster.members.filter((member) => member.running && member !== except);
  return await findLeader(others);
}

/** Waits until `member` has applied what `ahead` has now. */
export async function awaitCaughtUp(
  member: { readonly endpoint: string },
  ahead: { readonly endpoint: string },
  withinMs = 15_000,
): Promise<void> {
  const target = Number((await statusFields(ahead))["raftAppliedIndex"]);
  await until(`${member.endpoint} has applied entry ${target}`, withinMs, async () => {
    const status = await statusFields(member).catch((): Fields => ({}));
    return Number(status["raftAppliedIndex"] ?? -1) >= target;
  });
}
