/** A member whose store or log is damaged stops serving, and is rebuilt from its peers as the member it was. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { hashes } from "../../../conformance/support/client.ts";
import type { Cluster, Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";
import { flip, largestTable, storeOf } from "./damage.ts";
import {
  awaitCaughtUp,
  awaitLeader,
  putMany,
  readAll,
  withClient,
  withMembers,
} from "./support.ts";

async function awaitRebuilt(
  cluster: Cluster,
  member: Member,
  written: ReadonlyMap<string, string>,
) {
  await until("the member is rebuilt", 30_000, () =>
    readFileSync(member.logFile, "utf8").includes("rebuilt this member from its peers"),
  );
  await member.awaitHealthy();
  await awaitCaughtUp(member, await awaitLeader(cluster));
  assert.deepEqual(await withClient(member, readAll), written);
  assert.equal(new Set(await hashes(cluster.members.map(({ endpoint }) => endpoint))).size, 1);
}

describe("a damaged member", () => {
  it("with a damaged record in a table is rebuilt at its start", async () => {
    await withMembers(3, ["--corruption-repair"], async (cluster) => {
      const written = await withClient(cluster.member(0), (client) =>
        putMany(client, "k", 300, 200),
      );
      const member = cluster.member(1);
      await member.stop("SIGTERM");
      flip(largestTable(storeOf(member)), 5_000);
      cluster.restart(member);
      await awaitRebuilt(cluster, member, written);
    });
  });

  it("with a damaged log is rebuilt, log and store, and keeps its vote", async () => {
    await withMembers(3, ["--corruption-repair"], async (cluster) => {
      const written = await withClient(cluster.member(0), (client) =>
        putMany(client, "k", 300, 200),
      );
      const member = cluster.member(2);
      await member.stop("SIGTERM");
      flip(join(member.dataDir, "member", "wal", "0000000000000001.wal"), 4096 * 3 + 50);
      cluster.restart(member);
      await awaitRebuilt(cluster, member, written);
    });
  });

  it("whose log lost what it acknowledged is told by its leader, and rebuilt", async () => {
    await withMembers(3, ["--corruption-repair"], async (cluster) => {
      const leader = await awaitLeader(cluster);
      const member = cluster.members.find((each) => each !== leader);
      assert.ok(member !== undefined);
      const written = await withClient(leader, (client) => putMany(client, "k", 100, 200));
      await awaitCaughtUp(member, leader);
      await member.stop("SIGKILL");
      const path = join(member.dataDir, "member", "wal", "0000000000000001.wal");
      const bytes = readFileSync(path);
      // As a disk that forgot its last writes: nothing says that there was more.
      const end = bytes.length - 4096 * 4;
      const last = bytes.findLastIndex((byte) => byte !== 0);
      writeFileSync(path, bytes.fill(0, Math.min(end, Math.floor(last / 4096 - 5) * 4096)));
      cluster.restart(member);
      await awaitRebuilt(cluster, member, written);
      assert.match(readFileSync(member.logFile, "utf8"), /but entry \d+ was acknowledged/);
    });
  });

  it("without --corruption-repair ends with a line that names the damage and the way out", async () => {
    await withMembers(3, [], async (cluster) => {
      await withClient(cluster.member(0), (client) => putMany(client, "k", 50, 200));
      const member = cluster.member(1);
      await member.stop("SIGTERM");
      flip(join(member.dataDir, "member", "wal", "0000000000000001.wal"), 4096 * 2 + 50);
      cluster.restart(member);
      await until("it ends", 20_000, () => !member.running);
      assert.match(
        member.logTail(),
        /quorate: log file 0000000000000001.wal offset 8192: .*: start it with --corruption-repair/,
      );
    });
  });

  it("that is alone ends with a line that names the damage: nobody can help it", async () => {
    await withMembers(1, ["--corruption-repair"], async (cluster) => {
      const member = cluster.member(0);
      await withClient(member, (client) => putMany(client, "k", 50, 200));
      await member.stop("SIGTERM");
      flip(largestTable(storeOf(member)), 2_000);
      cluster.restart(member);
      await until("it ends", 20_000, () => !member.running);
      assert.match(member.logTail(), /quorate: .*bucket.*: there is no peer .*restore a snapshot/);
    });
  });
});
