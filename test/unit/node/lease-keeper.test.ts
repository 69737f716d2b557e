/** The leader's care for leases: never early, and never in the name of a leader that may be one no more. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { LeaseKeeper, type Renewal } from "../../../node/lease-keeper.ts";
import { RequestIds } from "../../../node/request-ids.ts";
import { proposeOwn } from "../../../node/rpc/answer.ts";
import { encodeLeaseGrantRequest } from "../../../src/api/gen/lease.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { CommandField } from "../../../src/machine/command.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { PREFIX } from "../machine/fixture.ts";
import { Cluster, type Member } from "./loop-member.ts";

const ELECTION_MS = 1_000;
const TTL_S = 10;

/** A keeper at the leader `of`, told as the member tells it. */
class Kept {
  readonly cluster: Cluster;
  readonly member: Member;
  readonly keeper: LeaseKeeper;
  readonly #ids = new RequestIds(BigInt(PREFIX) as MemberId, 1_000_000);

  static async of(members: number): Promise<Kept> {
    const cluster = await Cluster.of(members);
    const kept = new Kept(cluster, await cluster.elect(0));
    await kept.tick(1);
    const body = Buffer.from(encodeLeaseGrantRequest({ id: 7n, ttl: TTL_S }));
    const granted = proposeOwn(kept.#host(), CommandField.leaseGrant, body);
    await cluster.settle();
    assert.equal((await granted).kind, "leaseGrant");
    return kept;
  }

  private constructor(cluster: Cluster, member: Member) {
    this.cluster = cluster;
    this.member = member;
    this.keeper = new LeaseKeeper(this.#host(), ELECTION_MS);
    this.keeper.onLeading();
    member.onRole = (leads): void => {
      if (!leads) this.keeper.onFollowing();
      else if (!member.machine.lessor.isPrimary) this.keeper.onLeading();
    };
  }

  #host(): ConstructorParameters<typeof LeaseKeeper>[0] {
    const { loop, machine } = this.member;
    const clock = { now: (): number => this.cluster.nowMs };
    return { clock, logger: silentLogger, loop, machine, requestIds: this.#ids };
  }

  get hasLease(): boolean {
    return this.member.machine.lessor.has(7n);
  }

  /** Time passes as it does while nothing stands still. */
  async tick(count: number, only?: readonly Member[]): Promise<void> {
    for (let at = 0; at < count; at++) {
      await this.cluster.tick(1, only);
      this.keeper.tick();
      await this.cluster.settle();
    }
  }
}

/** Notes how a renewal ends. */
function watched(renewal: Renewal | Promise<Renewal>): Renewal[] {
  const seen: Renewal[] = [];
  if (renewal instanceof Promise) void renewal.then((of) => seen.push(of));
  else seen.push(renewal);
  return seen;
}

describe("the lease keeper", () => {
  it("ends a lease soon after its time, never before, and later for each renewal", async () => {
    const kept = await Kept.of(1);
    await kept.tick(90);
    assert.deepEqual(kept.keeper.renew(7n), { kind: "renewed", ttl: TTL_S }, "at once");
    await kept.tick(99);
    assert.equal(kept.hasLease, true);
    await kept.tick(10);
    assert.equal(kept.hasLease, false);
    assert.equal(kept.keeper.expiredCount, 1);
    assert.deepEqual(kept.keeper.renew(7n), { kind: "renewed", ttl: 0 }, "no such lease");
    await kept.cluster.close();
  });

  it("renews only after a quorum has confirmed it, where the loop stood still", async () => {
    const kept = await Kept.of(3);
    kept.cluster.isolate(kept.member);
    kept.cluster.nowMs += ELECTION_MS / 2 + 101;
    const renewed = watched(kept.keeper.renew(7n));
    await kept.cluster.settle();
    assert.deepEqual(renewed, [], "nobody has confirmed it");
    kept.cluster.heal();
    await kept.tick(3);
    assert.deepEqual(renewed, [{ kind: "renewed", ttl: TTL_S }]);
    await kept.cluster.close();
  });

  it("neither renews nor ends a lease after it slept through its own deposition", async () => {
    const kept = await Kept.of(3);
    const { cluster, member, keeper } = kept;
    cluster.isolate(member);
    const others = cluster.members.slice(1);
    await cluster.tick(TTL_S * 10 + 50, others); // it sleeps; the others elect, and time passes
    const next = others.find((of) => of.loop.softState.role === "leader");
    assert.ok(next !== undefined);
    assert.equal(member.loop.softState.role, "leader", "as far as it knows");
    const renewed = watched(keeper.renew(7n));
    keeper.tick();
    await cluster.settle();
    assert.equal(keeper.expiredCount, 0);
    assert.deepEqual(renewed, []);
    cluster.heal();
    await kept.tick(5);
    assert.deepEqual(renewed, [{ kind: "notLeader" }]);
    assert.equal(keeper.expiredCount, 0);
    assert.equal(next.machine.lessor.has(7n), true, "its new keeper decides");
    await cluster.close();
  });

  it("only forwards where it does not lead", async () => {
    const kept = await Kept.of(1);
    kept.keeper.onFollowing();
    assert.deepEqual(kept.keeper.renew(7n), { kind: "notLeader" });
    kept.cluster.nowMs += 60_000;
    kept.keeper.tick();
    assert.equal(kept.keeper.expiredCount, 0);
    await kept.cluster.close();
  });

  it("gives every lease its time anew where it begins to lead", async () => {
    const kept = await Kept.of(1);
    await kept.tick(95);
    kept.keeper.onFollowing();
    kept.keeper.onLeading();
    await kept.tick(100);
    assert.equal(kept.hasLease, true, "its full time, and an election timeout");
    await kept.tick(20);
    assert.equal(kept.hasLease, false);
    await kept.cluster.close();
  });
});
