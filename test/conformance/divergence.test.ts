/** A member whose history is whole and wrong: found by comparison, named, silenced, and rebuilt where that is wanted. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { status } from "@grpc/grpc-js";

import { type Fields, findLeader, hashes, MemberClient, statusOf } from "./support/client.ts";
import { Cluster, type Member } from "./support/cluster.ts";
import { divert } from "./support/damage.ts";
import { until } from "./support/tools.ts";

const QUICK: readonly string[] = ["--heartbeat-interval=50", "--election-timeout=500"];
const REPAIR = "--corruption-repair";
const GATES = "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true";
const KEY = Buffer.from("k5");

async function ask(member: Member, name: string, request: Fields = {}): Promise<Fields> {
  const client = new MemberClient(member.endpoint);
  try {
    return await client.call(name, request);
  } finally {
    client.close();
  }
}

/** Members that hold the same, in `body` with one that does not, and runs. */
async function withDivergent(
  options: { readonly members: number; readonly flags: readonly string[] },
  body: (cluster: Cluster, divergent: Member) => Promise<void>,
): Promise<void> {
  const { members, flags } = options;
  const cluster = await Cluster.start({
    product: "quorate",
    members,
    flags: [...QUICK, ...flags],
  });
  let keep = true;
  try {
    for (let at = 0; at < 20; at++) {
      await ask(cluster.member(0), "KV/Put", { key: Buffer.from(`k${at}`), value: KEY });
    }
    const divergent = cluster.member(members - 1);
    await divergent.stop("SIGTERM");
    await divert(divergent.dataDir, "k5");
    cluster.restart(divergent);
    await body(cluster, divergent);
    keep = false;
  } finally {
    await cluster.stop({ keep });
  }
}

async function awaitRebuilt(cluster: Cluster, member: Member): Promise<void> {
  await until("the member is rebuilt", 30_000, () =>
    readFileSync(member.logFile, "utf8").includes("rebuilt this member from its peers"),
  );
  await member.awaitHealthy();
  const { kvs } = (await ask(member, "KV/Range", { key: KEY })) as { kvs: Fields[] };
  assert.equal(String(kvs[0]?.["value"]), "k5");
  assert.equal(new Set(await hashes(cluster.members.map(({ endpoint }) => endpoint))).size, 1);
  const { alarms } = (await ask(member, "Maintenance/Alarm")) as { alarms: unknown[] };
  assert.deepEqual(alarms, [], "nobody has to disarm anything");
}

/** Its first answer. Being healthy is not waited for: the alarm may come first, and ends that for good. */
async function awaitStatus(member: Member): Promise<Fields> {
  let header: Fields | null = null;
  await until("the member answers", 30_000, async () => {
    const answer = await ask(member, "Maintenance/Status").catch(() => null);
    header = answer === null ? null : (answer as { header: Fields }).header;
    return header !== null;
  });
  return header ?? {};
}

async function awaitAlarms(member: Member): Promise<readonly Fields[]> {
  let alarms: readonly Fields[] = [];
  await until("the alarm is raised", 20_000, async () => {
    ({ alarms } = (await ask(member, "Maintenance/Alarm").catch(() => ({ alarms: [] }))) as {
      alarms: Fields[];
    });
    return alarms.length > 0;
  });
  return alarms;
}

describe("a member with another history", () => {
  it("is rebuilt before it serves, where members compare at the start", async () => {
    await withDivergent({ members: 3, flags: [GATES, REPAIR] }, awaitRebuilt);
  });

  it("is found by the leader, which has it rebuilt", async () => {
    const flags = ["--corrupt-check-time=1s", REPAIR];
    await withDivergent({ members: 3, flags }, awaitRebuilt);
  });

  it("is found as the leader itself, hands over and is rebuilt", async () => {
    const flags = ["--corrupt-check-time=4s", REPAIR];
    await withDivergent({ members: 3, flags }, async (cluster, divergent) => {
      await divergent.awaitHealthy();
      const { header } = (await ask(divergent, "Maintenance/Status")) as { header: Fields };
      const leader = await findLeader(cluster.members);
      if (leader !== divergent) {
        await ask(leader, "Maintenance/MoveLeader", { targetID: header["memberId"] }).catch(
          () => {},
        );
      }
      await awaitRebuilt(cluster, divergent);
    });
  });

  it("is found by the hashes of a compaction", async () => {
    const flags = ["--feature-gates=CompactHashCheck=true", "--compact-hash-check-time=1s", REPAIR];
    await withDivergent({ members: 3, flags }, async (cluster, divergent) => {
      await divergent.awaitHealthy();
      await ask(cluster.member(0), "KV/Compact", { revision: "15" });
      await awaitRebuilt(cluster, divergent);
    });
  });

  it("without --corruption-repair refuses to start, where members compare at the start", async () => {
    await withDivergent({ members: 3, flags: [GATES] }, async (_, divergent) => {
      await until("it ends", 20_000, () => !divergent.running);
      assert.match(divergent.logTail(), /found data inconsistency with peers: start it with/);
    });
  });

  it("without --corruption-repair is named by the alarm, reads nothing, and the cluster takes no writes", async () => {
    const flags = ["--corrupt-check-time=1s"];
    await withDivergent({ members: 3, flags }, async (cluster, divergent) => {
      const other = cluster.member(0);
      const header = await awaitStatus(divergent);
      const alarms = await awaitAlarms(other);
      assert.deepEqual(
        alarms.map(({ memberID, alarm }) => [memberID, alarm]),
        [[header["memberId"], 2]],
      );
      const corrupt = (error: unknown): boolean => {
        assert.equal(statusOf(error), status.DATA_LOSS);
        assert.match(String(error), /etcdserver: corrupt cluster/);
        return true;
      };
      const put = { key: KEY, value: KEY };
      await assert.rejects(ask(other, "KV/Put", put), corrupt);
      await assert.rejects(ask(other, "KV/DeleteRange", { key: KEY }), corrupt);
      await assert.rejects(ask(other, "Lease/LeaseGrant", { TTL: "60" }), corrupt);
      await ask(other, "KV/Range", { key: KEY });
      await until("the alarm reaches it", 5_000, async () => {
        const { alarms: there } = (await ask(divergent, "Maintenance/Alarm")) as {
          alarms: Fields[];
        };
        return there.length > 0;
      });
      await assert.rejects(ask(divergent, "KV/Range", { key: KEY, serializable: true }), corrupt);
      await assert.rejects(ask(divergent, "KV/Range", { key: KEY }), corrupt);
      const readyz = await fetch(`${divergent.clientUrl}/readyz?verbose`);
      assert.equal(readyz.status, 503);
      assert.match(await readyz.text(), /\[-\]data_corruption failed: alarm activated: CORRUPT/);
      assert.equal((await fetch(`${other.clientUrl}/health`)).status, 503);
      assert.equal((await fetch(`${other.clientUrl}/health?exclude=CORRUPT`)).status, 200);
      await divergent.stop("SIGTERM");
      const disarm = { action: 2, memberID: header["memberId"], alarm: 2 };
      await ask(other, "Maintenance/Alarm", disarm);
      await ask(other, "KV/Put", put);
    });
  });

  it("of two names all, rebuilds nobody, and raises the alarm", async () => {
    const flags = ["--corrupt-check-time=1s", REPAIR];
    await withDivergent({ members: 2, flags }, async (cluster, divergent) => {
      await awaitStatus(divergent);
      const alarms = await awaitAlarms(cluster.member(0));
      assert.deepEqual(
        alarms.map(({ memberID, alarm }) => [memberID, alarm]),
        [["0", 2]],
      );
      const leader = await findLeader(cluster.members);
      await until("its log names all", 5_000, () => leader.logTail().includes("members differ"));
      assert.match(
        leader.logTail(),
        /the members differ at revision \d+.*\([0-9a-f]+: [0-9a-f]+, [0-9a-f]+:/,
      );
      assert.ok(!divergent.logTail().includes("rebuilt"));
    });
  });
});
