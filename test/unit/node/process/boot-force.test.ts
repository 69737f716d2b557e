/** Two of three disks are lost, and a person lets the third go on alone: under an operator, and by etcd's flag. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { describe, it } from "node:test";

import type { BootReport } from "../../../../src/api/boot.ts";
import { Prng } from "../../../../src/base/prng.ts";
import type { Fields } from "../../../conformance/support/client.ts";
import type { Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";
import { addMember, BootCell, grow, ticket } from "./boot-cell.ts";
import { awaitCaughtUp, putMany, QUICK, readAll, withClient, withMembers } from "./support.ts";

function logOf(member: Member): string {
  return existsSync(member.logFile) ? readFileSync(member.logFile, "utf8") : "";
}

async function membersOf(member: Member): Promise<Fields[]> {
  const answer = await withClient(member, (client) =>
    client.call("Cluster/MemberList", { linearizable: true }, 10_000),
  );
  return answer["members"] as Fields[];
}

function idsOf(members: readonly Fields[]): string[] {
  return members.map((each) => BigInt(String(each["ID"])).toString(16)).toSorted();
}

const BEGUN = "the ticket makes this member the only one";

/** Kills member 0 in the midst of it, `times` times, at moments that `random` chooses; it is left running. */
async function killMidway(cell: BootCell, random: Prng, times: number): Promise<void> {
  const member = cell.member(0);
  const begun = (): number => logOf(member).split(BEGUN).length - 1;
  for (let time = 0, seen = 0; time < times; time++) {
    await until("it begins", 20_000, async () => {
      return begun() > seen || (await cell.report(0))?.usedNonce === "force-1";
    });
    const isOver = begun() === seen;
    seen = begun();
    await new Promise((resolve) => setTimeout(resolve, random.between(0, 250)));
    await member.stop("SIGKILL");
    cell.start(0);
    if (isOver) return;
  }
}

/** Orders for who survives, and for all others. */
function recover(cell: BootCell, { clusterId, memberId }: BootReport): void {
  const fence = { incarnation: 2, clusterId, memberId: null };
  const force = ticket("forceNew", "force-1", "", { incarnation: 2, clusterId });
  cell.write(1, { ticket: null, fence });
  cell.write(0, { ticket: force, fence: { ...fence, memberId } });
}

describe("a member whose cluster has lost its quorum for good", () => {
  it("goes on alone by its ticket, though it is killed meanwhile; the past stays out, new members join", async (context) => {
    const seed = Date.now() % 1_000_000;
    context.diagnostic(`seed ${seed}`);
    await BootCell.with(3, async (cell) => {
      const before = await grow(cell, 3);
      const written = await withClient(cell.member(2), (client) => putMany(client, "k", 300, 512));
      await awaitCaughtUp(cell.member(0), cell.member(2));
      await cell.member(1).stop("SIGKILL");
      await cell.member(2).stop("SIGKILL");
      rmSync(cell.member(2).dataDir, { recursive: true });
      const alone = await cell.awaitReport(0, "has no leader", ({ leader }) => leader === null);
      assert.equal(alone.phase, "Running");
      assert.match((await cell.get(0, "/ready")).body, /there is no leader/);

      recover(cell, before);
      await killMidway(cell, new Prng(seed), 4);
      await cell.awaitReady(0);
      const forced = await cell.awaitPhase(0, "Running");
      assert.equal(forced.usedNonce, "force-1");
      assert.equal(forced.incarnation, 2);
      assert.equal(forced.memberId, before.memberId);
      assert.notEqual(forced.clusterId, before.clusterId);
      assert.ok((forced.lastIndex ?? 0) > (alone.lastIndex ?? 0));
      assert.ok((forced.lastTerm ?? 0) > (alone.lastTerm ?? 0));
      assert.deepEqual(await withClient(cell.member(0), readAll), written);
      assert.deepEqual(idsOf(await membersOf(cell.member(0))), [forced.memberId]);
      for (const [key, value] of await withClient(cell.member(0), (client) =>
        putMany(client, "n", 5),
      ))
        written.set(key, value);

      await theOldOneStaysOut(cell);
      const { clusterId, memberId } = forced;
      cell.write(0, { ticket: null, fence: { incarnation: 2, clusterId, memberId } });
      const joined = await joinAnew(cell, clusterId);
      assert.deepEqual(await withClient(cell.member(1), readAll), written);
      const expected = [memberId, joined].map(String).toSorted();
      assert.deepEqual(idsOf(await membersOf(cell.member(0))), expected);
      await cell.member(0).stop("SIGTERM");
      cell.start(0);
      await cell.awaitReady(0);
      assert.equal((await cell.awaitPhase(0, "Running")).clusterId, clusterId);
    });
  });

  it("goes on alone by etcd's flag, which begins one cluster and not one at each start", async () => {
    await withMembers(3, [], async (cluster) => {
      const written = await withClient(cluster.member(1), (client) => putMany(client, "k", 50));
      const [member] = cluster.members;
      assert.ok(member !== undefined);
      await awaitCaughtUp(member, cluster.member(1));
      for (const each of cluster.members) await each.stop("SIGKILL");
      const clusterIds = new Set<string>();
      for (let start = 0; start < 2; start++) {
        member.start(cluster.initialCluster, "new", [...QUICK, "--force-new-cluster"]);
        await member.awaitHealthy();
        assert.deepEqual(await withClient(member, readAll), written);
        assert.equal((await membersOf(member)).length, 1);
        const report = (await (await fetch(`${member.clientUrl}/boot`)).json()) as BootReport;
        clusterIds.add(String(report.clusterId));
        await member.stop("SIGTERM");
      }
      assert.equal(clusterIds.size, 1);
      assert.match(member.logTail(), /the only one already: remove --force-new-cluster/);
    });
  });
});

/** Member 1 has data of before: fenced by its file, and refused by the others even without one. */
async function theOldOneStaysOut(cell: BootCell): Promise<void> {
  cell.start(1);
  assert.match((await cell.awaitPhase(1, "Fenced")).reason, /of incarnation 1, the cluster of 2/);
  cell.write(1, { ticket: null, fence: null });
  await cell.awaitPhase(1, "Running");
  await until("member 0 has refused it", 15_000, () => {
    return /a peer was refused/.test(logOf(cell.member(0)));
  });
  assert.match(logOf(cell.member(0)), /"refusal":"it belongs to cluster [0-9a-f]+, this member to/);
  assert.equal((await cell.awaitPhase(1, "Running")).leader, null);
}

/** Member 1 on an empty disk, in the new cluster; its id. */
async function joinAnew(cell: BootCell, clusterId: string | null): Promise<string> {
  await cell.member(1).stop("SIGKILL");
  rmSync(cell.member(1).dataDir, { recursive: true });
  const join = ticket("join", "join-again", cell.cluster(0, 1), { incarnation: 2, clusterId });
  cell.write(1, { ticket: join, fence: null });
  cell.start(1);
  const id = await addMember(cell, 1);
  await cell.awaitReady(1);
  const report = await cell.awaitPhase(1, "Running");
  assert.equal(report.incarnation, 2);
  assert.equal(report.clusterId, clusterId);
  assert.equal(report.memberId, id);
  return id;
}
