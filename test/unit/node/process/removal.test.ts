/** Members that are removed: leader, follower, one of two, the last, one that was away. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FailoverClient, type Fields, MemberClient } from "../../../conformance/support/client.ts";
import type { Cluster, Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";
import { awaitLeader, statusFields, withClient, withMembers } from "./support.ts";

/** Of the cluster, an election timeout as `support.ts` has it. */
const ELECTION_MS = 500;
const REFUSED = /re-configuration failed due to not enough started members/;
const ENDED = /"reason":"the member has been removed from the cluster"/;

async function idOf(member: Member): Promise<string> {
  const header = (await statusFields(member))["header"] as Fields;
  return String(header["memberId"]);
}

async function remove(asked: Member, id: string): Promise<number> {
  const answer = await withClient(asked, (client) =>
    client.call("Cluster/MemberRemove", { ID: id }, 10_000),
  );
  return (answer["members"] as Fields[]).length;
}

/** The process of a removed member ends by itself, and says why. */
async function awaitEnd(member: Member): Promise<void> {
  await until(`${member.name} has ended`, 10_000, () => !member.running);
  assert.match(member.logTail(), ENDED);
  assert.doesNotMatch(member.logTail(), /"level":"(error|fatal)"/);
}

/** How long the longest pause between two acknowledged puts is while `act` runs. */
async function longestPause(members: readonly Member[], act: () => Promise<void>): Promise<number> {
  const client = new FailoverClient(members.map((member) => member.endpoint));
  let longest = 0;
  let stop = false;
  const put = { key: Buffer.from("pause"), value: Buffer.from("x") };
  await client.call("KV/Put", put);
  const writer = (async () => {
    let last = performance.now();
    while (!stop) {
      await client.call("KV/Put", put);
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }
  })();
  await act();
  await new Promise((resolve) => setTimeout(resolve, 2 * ELECTION_MS));
  stop = true;
  await writer;
  client.close();
  return longest;
}

function others(cluster: Cluster, ...gone: readonly Member[]): [Member, Member] {
  const [one, two] = cluster.members.filter((member) => !gone.includes(member));
  assert.ok(one !== undefined && two !== undefined);
  return [one, two];
}

describe("a member that is removed", () => {
  it("ends whether it led or followed, and the rest serves on, down to one, which must stay", async () => {
    await withMembers(3, [], async (cluster) => {
      const leader = await awaitLeader(cluster);
      const stay = others(cluster, leader);
      const leaderId = await idOf(leader);
      const pause = await longestPause(stay, async () => {
        assert.equal(await remove(leader, leaderId), 2);
        await awaitEnd(leader);
      });
      assert.ok(pause < 2 * ELECTION_MS, `writes paused for ${pause} ms`);

      // Two to one, and again it is the leader that goes.
      const second = await awaitLeader(cluster, leader);
      const last = stay[0] === second ? stay[1] : stay[0];
      assert.equal(await remove(last, await idOf(second)), 1);
      await awaitEnd(second);
      const client = new MemberClient(last.endpoint);
      await client.call("KV/Put", { key: Buffer.from("alone"), value: Buffer.from("v") }, 10_000);

      const id = await idOf(last);
      await assert.rejects(client.call("Cluster/MemberRemove", { ID: id }), REFUSED);
      await client.call("KV/Put", { key: Buffer.from("alone"), value: Buffer.from("w") });
      client.close();
    });
  });

  it("and follows ends without a pause for the others, who go on as two, and one of those as one", async () => {
    await withMembers(3, [], async (cluster) => {
      const leader = await awaitLeader(cluster);
      const [follower, other] = others(cluster, leader);
      const followerId = await idOf(follower);
      const pause = await longestPause([leader, other], async () => {
        assert.equal(await remove(follower, followerId), 2);
        await awaitEnd(follower);
      });
      assert.ok(pause < ELECTION_MS, `writes paused for ${pause} ms`);
      assert.equal((await awaitLeader(cluster, follower)).name, leader.name);
      assert.equal(await remove(other, await idOf(other)), 1);
      await awaitEnd(other);
      await withClient(leader, (client) => client.call("KV/Put", { key: Buffer.from("k") }));
    });
  });

  it("while it is away ends when it comes back, since those who stay refuse it", async () => {
    await withMembers(3, [], async (cluster) => {
      const leader = await awaitLeader(cluster);
      const [away] = others(cluster, leader);
      const id = await idOf(away);
      await away.stop("SIGKILL");
      assert.equal(await remove(leader, id), 2);
      cluster.restart(away);
      await awaitEnd(away);
      await withClient(leader, (client) => client.call("KV/Put", { key: Buffer.from("k") }));
    });
  });

  it("cannot be the last one, even where the check before the proposal is off", async () => {
    await withMembers(1, ["--strict-reconfig-check=false"], async (cluster) => {
      const only = cluster.member(0);
      const id = await idOf(only);
      await assert.rejects(remove(only, id), REFUSED);
      await withClient(only, (client) => client.call("KV/Put", { key: Buffer.from("k") }));
    });
  });
});
