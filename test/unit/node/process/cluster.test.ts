/** Three members as processes: killed in turn, stopped kindly, left behind. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { FailoverClient, hashes, MemberClient } from "../../../conformance/support/client.ts";
import { until } from "../../../conformance/support/tools.ts";
import {
  awaitCaughtUp,
  awaitLeader,
  putMany,
  readAll,
  statusFields,
  withClient,
  withMembers,
} from "./support.ts";

describe("three members as processes", () => {
  it("keep all that was acknowledged while each is killed in turn, and end equal", async () => {
    await withMembers(3, [], async (cluster) => {
      const endpoints = cluster.members.map((member) => member.endpoint);
      const client = new FailoverClient(endpoints);
      const written = new Set<string>();
      let stop = false;
      const writer = (async () => {
        for (let at = 0; !stop; at++) {
          const key = `k${at}`;
          await client.call("KV/Put", { key: Buffer.from(key), value: Buffer.from(key) });
          written.add(key);
        }
      })();
      for (const member of cluster.members) {
        await member.stop("SIGKILL");
        const before = written.size;
        await until("writes go on without it", 15_000, () => written.size > before + 20);
        cluster.restart(member);
        await member.awaitHealthy();
      }
      stop = true;
      await writer;
      client.close();
      const all = await withClient(cluster.member(0), readAll);
      for (const key of written) assert.ok(all.has(key), `${key} was acknowledged and is gone`);
      assert.equal(new Set(await hashes(endpoints)).size, 1);
    });
  });

  it("hand leadership over at SIGTERM, before the leader ends", async () => {
    await withMembers(3, [], async (cluster) => {
      const leader = await awaitLeader(cluster);
      const other = cluster.members.find((member) => member !== leader);
      assert.ok(other !== undefined);
      const term = Number((await statusFields(other))["raftTerm"]);
      const began = performance.now();
      const stopped = leader.stop("SIGTERM");
      const next = await awaitLeader(cluster, leader);
      const tookMs = performance.now() - began;
      await stopped;
      const after = await statusFields(next);
      assert.equal(Number(after["raftTerm"]), term + 1, "one election, won at once");
      assert.ok(tookMs < 5_000, `${tookMs} ms`);
      assert.match(leader.logTail(), /"moved":true/, "logs end with the process");
      await withClient(next, (client) => client.call("KV/Put", { key: Buffer.from("after") }));
    });
  });

  it("bring a member that missed more than the log holds back by a snapshot", async () => {
    const flags = ["--snapshot-catchup-entries=10", "--wal-segment-bytes=4194304"];
    await withMembers(3, flags, async (cluster) => {
      const leader = await awaitLeader(cluster);
      const [behind] = cluster.members.filter((member) => member !== leader);
      assert.ok(behind !== undefined);
      await withClient(leader, (client) => putMany(client, "early", 5));
      await behind.stop("SIGKILL");
      await withClient(leader, async (client) => {
        await client.call("Lease/LeaseGrant", { ID: "9", TTL: "600" });
        await client.call("KV/Put", { key: Buffer.from("leased"), lease: "9" });
        await client.call("KV/DeleteRange", { key: Buffer.from("early0") });
        // The store is flushed by size: only then the log's beginning goes.
        const first = join(leader.dataDir, "member", "wal", "0000000000000001.wal");
        for (let round = 0; round < 30 && existsSync(first); round++) {
          await putMany(client, "big", 64, 65_536);
        }
        assert.ok(!existsSync(first), "the log lets go of its beginning");
        await putMany(client, "late", 20);
      });
      cluster.restart(behind);
      await behind.awaitHealthy();
      await awaitCaughtUp(behind, leader);
      await until("its log names the state", 5_000, () => {
        return behind.logTail().includes("adopted the state of a peer");
      });
      const endpoints = cluster.members.map((member) => member.endpoint);
      assert.equal(new Set(await hashes(endpoints)).size, 1);
      await withClient(behind, async (client) => {
        const lease = (await client.call("Lease/LeaseTimeToLive", { ID: "9", keys: true })) as {
          keys: Buffer[];
        };
        assert.deepEqual(lease.keys.map(String), ["leased"]);
      });
      // What was adopted is there after a restart too.
      await behind.stop("SIGKILL");
      cluster.restart(behind);
      await behind.awaitHealthy();
      await awaitCaughtUp(behind, leader);
      assert.equal(new Set(await hashes(endpoints)).size, 1);
    });
  });
});

describe("membership", () => {
  it("takes a learner in, promotes it once it has caught up, and lets it go", async () => {
    await withMembers(1, [], async (cluster) => {
      const first = cluster.member(0);
      const client = new MemberClient(first.endpoint);
      await putMany(client, "k", 50);
      const learner = await cluster.prepareMember();
      const { member } = (await client.call("Cluster/MemberAdd", {
        peerURLs: [learner.peerUrl],
        isLearner: true,
      })) as { member: { ID: string } };
      const early = client.call("Cluster/MemberPromote", { ID: member.ID });
      await assert.rejects(early, /can only promote a learner member which is in sync with leader/);
      cluster.join(learner);
      await until("the learner serves", 15_000, async () => {
        return await statusFields(learner).then(
          (of) => of["isLearner"] === true,
          () => false,
        );
      });
      await withClient(learner, (of) =>
        assert.rejects(of.call("KV/Range", { key: Buffer.from("k1") }), /learner/),
      );
      await until("the learner is promoted", 15_000, () =>
        client.call("Cluster/MemberPromote", { ID: member.ID }).then(
          () => true,
          () => false,
        ),
      );
      await learner.awaitHealthy();
      const endpoints = [first.endpoint, learner.endpoint];
      assert.equal(new Set(await hashes(endpoints)).size, 1);
      await client.call("Cluster/MemberRemove", { ID: member.ID }, 10_000);
      await until("the removed member ends by itself", 15_000, () => !learner.running);
      await client.call("KV/Put", { key: Buffer.from("alone") });
      const { members } = (await client.call("Cluster/MemberList", {})) as { members: unknown[] };
      assert.equal(members.length, 1);
      client.close();
    });
  });
});
