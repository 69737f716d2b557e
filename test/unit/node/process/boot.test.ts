/** Members under an operator: tickets, fences, and what they say of themselves meanwhile. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { AlarmAction, AlarmType } from "../../../../src/api/gen/maintenance.ts";
import { until } from "../../../conformance/support/tools.ts";
import { addMember, BootCell, grow, ticket } from "./boot-cell.ts";
import { flip, largestTable, storeOf } from "./damage.ts";
import { awaitCaughtUp, putMany, readAll, withClient } from "./support.ts";

describe("a member with an empty disk", () => {
  it("awaits its ticket, alive and not ready, and then begins a cluster of one", async () => {
    await BootCell.with(1, async (cell) => {
      cell.start(0);
      const waiting = await cell.awaitPhase(0, "AwaitingTicket");
      assert.match(waiting.reason, /the disk is empty and there is no ticket/);
      assert.equal(waiting.memberId, null);
      assert.deepEqual(waiting.tls, { client: null, peer: null });
      assert.equal((await cell.get(0, "/livez")).status, 200);
      for (const path of ["/readyz", "/ready", "/metrics", "/health"]) {
        const { status, body } = await cell.get(0, path);
        assert.equal(status, 503, path);
        assert.match(body, /AwaitingTicket: the disk is empty/, path);
      }
      cell.write(0, "{");
      await cell.awaitReport(0, "names the file", ({ reason }) =>
        /m0\.json is not JSON/.test(reason),
      );
      cell.write(0, { ticket: null, fence: null });
      await cell.awaitReport(0, "awaits again", ({ reason }) => /there is no ticket/.test(reason));

      cell.write(0, { ticket: ticket("bootstrap", "n-1", cell.cluster(0)), fence: null });
      await cell.awaitReady(0);
      const running = await cell.awaitPhase(0, "Running");
      assert.equal(running.usedNonce, "n-1");
      assert.equal(running.incarnation, 1);
      assert.equal(running.leader, running.memberId);
      assert.equal(running.reason, "");
      await withClient(cell.member(0), (client) => putMany(client, "k", 10));
      const later = await cell.awaitPhase(0, "Running");
      assert.ok((later.lastIndex ?? 0) >= (running.lastIndex ?? 0) + 10);
      assert.equal(later.lastIndex, later.appliedIndex);
      // The client port says the same.
      const own = await fetch(`${cell.member(0).clientUrl}/boot`);
      assert.deepEqual(await own.json(), later);
      assert.equal((await fetch(`${cell.member(0).clientUrl}/ready`)).status, 200);
    });
  });

  it("does not begin a cluster where one has begun: by the file, or by who answers", async () => {
    await BootCell.with(2, async (cell) => {
      const first = await cell.seed();
      // Its disk is gone, and nobody has revoked its ticket yet.
      await cell.member(0).stop("SIGKILL");
      rmSync(join(cell.member(0).dataDir), { recursive: true });
      const old = ticket("bootstrap", "seed-1", cell.cluster(0));
      const fence = { incarnation: 1, clusterId: first.clusterId, memberId: first.memberId };
      cell.write(0, { ticket: old, fence });
      cell.start(0);
      const { reason } = await cell.awaitPhase(0, "AwaitingTicket");
      assert.match(reason, /cluster [0-9a-f]+ has begun already/);
      assert.ok(!existsSync(join(cell.member(0).dataDir, "member", "IDENTITY")));

      cell.write(0, { ticket: ticket("bootstrap", "seed-2", cell.cluster(0)), fence: null });
      await cell.awaitReady(0);
      const second = await cell.awaitPhase(0, "Running");
      assert.notEqual(second.clusterId, first.clusterId, "another nonce makes another cluster");
      cell.write(1, { ticket: ticket("bootstrap", "seed-3", cell.cluster(0, 1)), fence: null });
      cell.start(1);
      await cell.awaitReport(1, "refuses", ({ phase, reason: why }) => {
        return phase === "AwaitingTicket" && /one answers at its initialCluster/.test(why);
      });
    });
  });

  it("joins by its ticket, however late the others and its place appear; not twice", async () => {
    await BootCell.with(2, async (cell) => {
      cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence: null });
      cell.start(1);
      await cell.awaitReport(1, "finds nobody", ({ phase, reason }) => {
        return phase === "Starting" && /does not answer/.test(reason);
      });
      await cell.seed();
      await cell.awaitReport(1, "has no place", ({ phase, reason }) => {
        return phase === "Starting" && /does not name the peer URLs of this member/.test(reason);
      });
      const fence = { incarnation: 1, clusterId: null, memberId: "abc" };
      cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence });
      const id = await addMember(cell, 1);
      await cell.awaitReport(1, "is not who its fence names", ({ phase, reason }) => {
        return phase === "Starting" && /names member [0-9a-f]+ at these URLs, not abc/.test(reason);
      });
      const own = { ...fence, memberId: id };
      cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence: own });
      await cell.awaitReady(1);
      const joined = await cell.awaitPhase(1, "Running");
      assert.equal(joined.memberId, id);
      assert.equal(joined.usedNonce, "join-1");
      const written = await withClient(cell.member(1), (client) => putMany(client, "k", 5));

      // A restart needs no ticket.
      await cell.member(1).stop("SIGTERM");
      cell.write(1, { ticket: null, fence: { incarnation: 1, clusterId: null, memberId: id } });
      cell.start(1);
      await cell.awaitReady(1);
      assert.deepEqual(await withClient(cell.member(1), readAll), written);

      // A wiped disk is not the member that voted, whatever the old ticket says.
      await cell.member(1).stop("SIGKILL");
      rmSync(cell.member(1).dataDir, { recursive: true });
      cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence: null });
      cell.start(1);
      const { reason } = await cell.awaitPhase(1, "AwaitingTicket");
      // Alone of two, the other cannot lead, and still says whom it knows.
      assert.match(reason, new RegExp(`member ${id} has started before`));
    });
  });
});

describe("/ready", () => {
  it("is no for a learner, for who is without a leader, and for whose data are wrong", async () => {
    await BootCell.with(2, async (cell) => {
      await cell.seed();
      cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence: null });
      await addMember(cell, 1, { isLearner: true });
      cell.start(1);
      const unready = async (at: number, why: RegExp): Promise<void> => {
        await until(`m${at} says ${why}`, 15_000, async () => {
          const answer = await cell.get(at, "/ready").catch(() => null);
          return answer?.status === 503 && why.test(answer.body);
        });
      };
      await unready(1, /^this member is a learner$/m);
      const { memberId } = await cell.awaitPhase(1, "Running");
      const memberID = BigInt(`0x${memberId}`).toString();
      await withClient(cell.member(0), async (client) => {
        await until("it is promoted", 15_000, () => {
          const promoted = client.call("Cluster/MemberPromote", { ID: memberID });
          return promoted.then(
            () => true,
            () => false,
          );
        });
        await cell.awaitReady(1);
        const alarm = { action: AlarmAction.activate, memberID, alarm: AlarmType.corrupt };
        await client.call("Maintenance/Alarm", alarm);
        await unready(1, /^alarm CORRUPT of this member$/m);
        assert.equal((await cell.get(0, "/ready")).status, 200, "it is not this one's");
        await client.call("Maintenance/Alarm", { ...alarm, action: AlarmAction.deactivate });
        await cell.awaitReady(1);
      });
      await cell.member(0).stop("SIGKILL");
      await unready(1, /^there is no leader$/m);
      assert.equal((await cell.get(1, "/livez")).status, 200);
    });
  });
});

describe("a member with data", () => {
  it("that was removed keeps a tombstone, and is fenced for good", async () => {
    await BootCell.with(3, async (cell) => {
      await grow(cell, 3);
      const { memberId } = await cell.awaitPhase(2, "Running");
      const ID = BigInt(`0x${memberId}`).toString();
      await withClient(cell.member(0), (client) =>
        client.call("Cluster/MemberRemove", { ID }, 10_000),
      );
      const fenced = await cell.awaitPhase(2, "Fenced");
      assert.match(fenced.reason, /this member was removed from the cluster/);
      assert.equal(fenced.memberId, memberId);
      assert.ok(fenced.lastIndex !== null && fenced.lastIndex > 1);
      assert.equal(cell.member(2).running, true);
      assert.equal((await cell.get(2, "/livez")).status, 200);
      assert.match((await cell.get(2, "/ready")).body, /^Fenced: this member was removed/);
      await assert.rejects(fetch(`${cell.member(2).clientUrl}/health`), "it serves no clients");

      await cell.member(2).stop("SIGTERM");
      cell.start(2);
      const again = await cell.awaitPhase(2, "Fenced");
      assert.equal(again.memberId, memberId);
      // Ends its log with what it had, of which others might want to know.
      assert.ok((again.lastIndex ?? 0) >= fenced.lastIndex);
      await withClient(cell.member(0), (client) => putMany(client, "after", 3));
    });
  });

  it("stops when a fence rises above it, loses nothing, and goes on where that was a mistake", async () => {
    await BootCell.with(1, async (cell) => {
      const { clusterId, memberId } = await cell.seed();
      const written = await withClient(cell.member(0), (client) => putMany(client, "k", 20));
      const fence = { incarnation: 1, clusterId, memberId };
      const fences = [
        [{ ...fence, incarnation: 2 }, /of incarnation 1, the cluster of 2/],
        [{ ...fence, clusterId: "abc" }, /is of cluster [0-9a-f]+, not of abc/],
        [{ ...fence, memberId: "abc" }, /whose place member abc has taken/],
      ] as const;
      for (const [wrong, claim] of fences) {
        cell.write(0, { ticket: null, fence: wrong });
        const report = await cell.awaitPhase(0, "Fenced");
        assert.match(report.reason, claim);
        assert.ok((report.lastIndex ?? 0) > 20);
        assert.equal(report.leader, null);
        await assert.rejects(fetch(`${cell.member(0).clientUrl}/health`));
        cell.write(0, { ticket: null, fence });
        await cell.awaitReady(0);
        assert.deepEqual(await withClient(cell.member(0), readAll), written);
      }
    });
  });

  it("that is fenced cannot take part any more, and who stays goes on without it", async () => {
    await BootCell.with(3, async (cell) => {
      const { clusterId } = await grow(cell, 3);
      cell.write(1, { ticket: null, fence: { incarnation: 2, clusterId, memberId: null } });
      await cell.awaitPhase(1, "Fenced");
      await cell.member(1).stop("SIGTERM");
      cell.start(1);
      await cell.awaitPhase(1, "Fenced");
      const written = await withClient(cell.member(0), (client) => putMany(client, "k", 5));
      await awaitCaughtUp(cell.member(2), cell.member(0));
      assert.deepEqual(await withClient(cell.member(2), readAll), written);
      const report = await cell.awaitPhase(1, "Fenced");
      const other = await cell.awaitPhase(0, "Running");
      assert.ok((report.lastIndex ?? 0) < (other.lastIndex ?? 0), "it gets no entry");
    });
  });

  it("says that it lives while it is rebuilt from peers, and until one of them answers", async () => {
    await BootCell.with(2, async (cell) => {
      await grow(cell, 2);
      const member = cell.member(1);
      const written = await withClient(member, (client) => putMany(client, "k", 300, 200));
      const { memberId } = await cell.awaitPhase(1, "Running");
      await member.stop("SIGTERM");
      await cell.member(0).stop("SIGTERM");
      flip(largestTable(storeOf(member)), 5_000);
      cell.start(1, "--corruption-repair");
      const rebuilding = await cell.awaitReport(1, "is being rebuilt", ({ phase, reason }) => {
        return phase === "Starting" && /^being rebuilt from its peers: .*bucket/.test(reason);
      });
      assert.equal(rebuilding.memberId, memberId);
      assert.equal((await cell.get(1, "/livez")).status, 200);
      assert.equal((await cell.get(1, "/ready")).status, 503);
      cell.start(0);
      await cell.awaitReady(1);
      assert.deepEqual(await withClient(member, readAll), written);
    });
  });
});
