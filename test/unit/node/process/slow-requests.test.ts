/** Requests that take long, at real members: what the log and the metrics say of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import type { MemberClient } from "../../../conformance/support/client.ts";
import type { Cluster, Member } from "../../../conformance/support/cluster.ts";
import { scrape, valueOf } from "../../../conformance/support/scrape.ts";
import { until } from "../../../conformance/support/tools.ts";
import { awaitLeader, withClient, withMembers } from "./support.ts";

/** The cluster stands still for so long, and keeps its leader. */
const STALL_MS = 600;
const PATIENT: readonly string[] = [
  "--heartbeat-interval=100",
  "--election-timeout=5000",
  "--warning-unary-request-duration=200ms",
];
const SECRET_KEY = "secret-key";
const SECRET_VALUE = "secret-value";

type Event = Readonly<Record<string, unknown>>;

function events(member: Member, message: string): Event[] {
  return readFileSync(member.logFile, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Event)
    .filter(({ msg }) => msg === message);
}

function number(event: Event | undefined, name: string): number {
  const value = event?.[name];
  assert.ok(typeof value === "number", `${name} of ${JSON.stringify(event)}`);
  return value;
}

/** Runs `body` while all but the leader stand still. */
async function whileOthersStall(
  cluster: Cluster,
  leader: Member,
  body: () => Promise<unknown>,
): Promise<void> {
  const others = cluster.members.filter((member) => member !== leader);
  for (const { pid } of others) if (pid !== undefined) process.kill(pid, "SIGSTOP");
  const work = body();
  setTimeout(() => {
    for (const { pid } of others) if (pid !== undefined) process.kill(pid, "SIGCONT");
  }, STALL_MS);
  await work;
}

/** The line about a request that was slow for this reason; on a busy machine others may be slow as well. */
async function awaitSlow(member: Member, path: string, phase: string): Promise<Event> {
  let found: Event | undefined;
  await until(`a line about a ${path} that was slow by ${phase}`, 10_000, () => {
    found = events(member, "a request took long").find(
      (event) => event["path"] === path && number(event, phase) > STALL_MS / 2,
    );
    return found !== undefined;
  });
  return found ?? assert.fail();
}

const put = (client: MemberClient): Promise<unknown> =>
  client.call("KV/Put", { key: Buffer.from(SECRET_KEY), value: Buffer.from(SECRET_VALUE) });
const get = (client: MemberClient): Promise<unknown> =>
  client.call("KV/Range", { key: Buffer.from(SECRET_KEY) });

describe("a slow request", () => {
  it("is logged with where its time went, and without key or value", async () => {
    await withMembers(3, PATIENT, async (cluster) => {
      const leader = await awaitLeader(cluster);
      await withClient(leader, async (client) => {
        await put(client);
        await whileOthersStall(cluster, leader, () => put(client));
        await whileOthersStall(cluster, leader, () => get(client));
      });

      const slowPut = await awaitSlow(leader, "/etcdserverpb.KV/Put", "replicateMs");
      const phases = ["queueMs", "logMs", "replicateMs", "applyMs", "respondMs"];
      const sum = phases.reduce((total, phase) => total + number(slowPut, phase), 0);
      assert.ok(Math.abs(sum - number(slowPut, "ms")) <= 2, JSON.stringify(slowPut));
      assert.partialDeepStrictEqual(slowPut, {
        level: "warn",
        status: "OK",
        request: {
          op: "put",
          keyBytes: SECRET_KEY.length,
          valueBytes: SECRET_VALUE.length,
          leased: false,
        },
      });
      assert.match(String(slowPut["remote"]), /^127\.0\.0\.1:\d+$/);

      const slowGet = await awaitSlow(leader, "/etcdserverpb.KV/Range", "readIndexMs");
      assert.partialDeepStrictEqual(slowGet, {
        request: { op: "range", keyBytes: SECRET_KEY.length, range: "one key" },
      });

      const metrics = await scrape(leader.clientUrl);
      const slow = metrics.get("quorate_slow_requests_total");
      assert.ok((valueOf(slow, { grpc_method: "Put", phase: "replicate" }) ?? 0) >= 1);
      assert.ok((valueOf(slow, { grpc_method: "Range", phase: "readIndex" }) ?? 0) >= 1);
      const slowReads = valueOf(metrics.get("etcd_server_slow_read_indexes_total")) ?? 0;
      assert.ok(slowReads >= 1, "half a second without a quorum is a slow read index");
      for (const member of cluster.members) {
        assert.doesNotMatch(readFileSync(member.logFile, "utf8"), /secret/);
      }
    });
  });
});
