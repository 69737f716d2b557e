import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LEASE } from "../../../operator/api/resources.ts";
import { KubeError, type KubeObject } from "../../../operator/kube/api.ts";
import { Elector, microTime } from "../../../operator/kube/election.ts";
import { Prng } from "../../../src/base/prng.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { present } from "../contract/subject.ts";
import { FakeApi } from "../fake-api.ts";
import { unreachable } from "../fake/faults.ts";
import { VirtualTime } from "../virtual-time.ts";

const TIMES = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };
const REF = { namespace: "default", name: "quorate-operator" };

type Lease = KubeObject & { spec: Record<string, unknown> };

interface Competitor {
  readonly elector: Elector;
  readonly told: string[];
}

class Arena {
  readonly time = new VirtualTime();
  readonly fake = new FakeApi({ time: this.time });
  readonly all: Competitor[] = [];

  /** Each calls as a field manager of its own, so that faults befall one of them. */
  enter(identity: string): Competitor {
    const told: string[] = [];
    const elector = new Elector({
      api: this.fake.as(identity),
      time: this.time,
      random: new Prng(this.all.length + 1),
      logger: silentLogger,
      ...REF,
      identity,
      times: TIMES,
      onLeading: () => told.push(`leads at ${Math.round(this.time.now())}`),
      onLost: (reason) => told.push(`lost: ${reason}`),
    });
    const competitor = { elector, told };
    this.all.push(competitor);
    elector.start();
    return competitor;
  }

  leaders(): number {
    return this.all.filter(({ elector }) => elector.isLeader).length;
  }

  lease(): Lease {
    return present(this.fake.store.get(LEASE, REF)) as unknown as Lease;
  }
}

describe("the election", () => {
  it("the first to come leads, writes times of six digits, and renews", async () => {
    const arena = new Arena();
    const { elector, told } = arena.enter("one");
    await arena.time.run(0);
    assert.deepEqual([elector.isLeader, told], [true, ["leads at 0"]]);
    const { spec } = arena.lease();
    assert.equal(spec["acquireTime"], "2026-01-05T00:00:00.000000Z");
    assert.deepEqual(
      [spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]],
      ["one", 15, 0],
    );
    await arena.time.run(60_000);
    assert.equal(arena.lease().spec["renewTime"], microTime(arena.time.wall()));
    assert.equal(arena.lease().spec["acquireTime"], "2026-01-05T00:00:00.000000Z");
    assert.deepEqual([elector.isLeader, told.length], [true, 1]);
  });

  it("of many that begin at once exactly one leads", async () => {
    const arena = new Arena();
    for (let at = 0; at < 7; at++) arena.enter(`c${at}`);
    for (let at = 0; at < 100; at++) {
      await arena.time.run(500);
      assert.equal(arena.leaders(), 1);
    }
    assert.equal(arena.all.filter(({ told }) => told.length > 0).length, 1);
  });

  it("a lease that is given back is taken at the next try, and the change is counted", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    await arena.time.run(5000);
    const two = arena.enter("two");
    await arena.time.run(5000);
    await one.elector.stop();
    const { spec } = arena.lease();
    assert.deepEqual([spec["holderIdentity"], one.elector.isLeader], ["", false]);
    const before = arena.time.now();
    await arena.time.until("the second leads", 3000, () => two.elector.isLeader);
    assert.ok(arena.time.now() - before <= 2400);
    assert.deepEqual([arena.lease().spec["leaseTransitions"], one.told], [1, ["leads at 0"]]);
  });

  it("a holder that vanished is followed after a whole lease, by the watcher's own clock", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    const two = arena.enter("two");
    await arena.time.run(10_000);
    assert.equal(one.elector.isLeader, true);
    // It is gone from one moment to the next: nothing of what it does arrives any more.
    arena.fake.faults.plan({ on: { manager: "one" }, times: Infinity, error: unreachable() });
    const vanished = arena.time.now();
    await arena.time.until("the second leads", 60_000, () => two.elector.isLeader);
    const after = arena.time.now() - vanished;
    assert.ok(
      after >= TIMES.leaseMs - TIMES.retryMs * 1.2 && after <= TIMES.leaseMs + TIMES.retryMs * 1.2,
      `${after} ms`,
    );
    assert.deepEqual(one.told.slice(1), ["lost: not renewed within 10000 ms"]);
  });

  it("times in the lease do not count, however wrong the holder's clock is", async () => {
    const arena = new Arena();
    const spec = {
      holderIdentity: "elsewhere",
      leaseDurationSeconds: 15,
      acquireTime: "1999-01-01T00:00:00.000000Z",
      renewTime: "1999-01-01T00:00:00.000000Z",
      leaseTransitions: 4,
    };
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { ...REF },
      spec,
    };
    await arena.fake.as("elsewhere").create(LEASE, lease);
    const { elector } = arena.enter("one");
    await arena.time.run(TIMES.leaseMs - 1000);
    assert.equal(elector.isLeader, false, "it may be alive");
    await arena.time.run(4000);
    assert.equal(elector.isLeader, true);
    assert.equal(arena.lease().spec["leaseTransitions"], 5);
  });

  it("a holder stops before another can have begun, whichever calls fail and whenever", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new Prng(seed);
      const arena = new Arena();
      const names = ["a", "b", "c"];
      for (const name of names) arena.enter(name);
      for (let step = 0; step < 80; step++) {
        const manager = names[random.between(0, 3)] ?? "a";
        const when = random.chance(0.5) ? "before" : "after";
        const delayMs = random.between(0, 12_000);
        const error = random.chance(0.7) ? new KubeError("timeout", "late") : null;
        arena.fake.faults.plan({
          on: { manager },
          when,
          delayMs,
          error,
          times: random.between(1, 4),
        });
        await arena.time.run(random.between(1, 3000));
        assert.ok(arena.leaders() <= 1, `seed ${seed}: two lead`);
        // Whoever is out begins anew, as its process would.
        for (const [at, { told }] of arena.all.entries()) {
          if (told.length < 2) continue;
          const name = `${names[at % 3]}`;
          arena.all.splice(at, 1);
          arena.enter(name);
          break;
        }
      }
    }
  });

  it("a holder that finds another's name in the lease stops at once", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    await arena.time.run(1000);
    await arena.fake.as("somebody").mergePatch(LEASE, REF, { spec: { holderIdentity: "two" } });
    await arena.time.run(2500);
    assert.deepEqual([one.elector.isLeader, one.told.slice(1)], [false, ["lost: held by two"]]);
  });

  it("a note on the lease and a lease that was deleted cost nobody anything", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    await arena.time.run(1000);
    await arena.fake
      .as("somebody")
      .mergePatch(LEASE, REF, { metadata: { annotations: { a: "b" } } });
    await arena.time.run(10_000);
    await arena.fake.as("somebody").delete(LEASE, REF);
    await arena.time.run(10_000);
    assert.deepEqual([one.elector.isLeader, one.told.length], [true, 1]);
    assert.equal(arena.lease().spec["holderIdentity"], "one");
  });

  it("one that stops waits for no API server that hangs", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    await arena.time.run(1000);
    arena.fake.faults.plan({
      on: { manager: "one" },
      times: Infinity,
      delayMs: 60_000,
      error: null,
    });
    await arena.time.run(3000);
    const began = arena.time.now();
    let stoppedAt = Number.NaN;
    void one.elector.stop().then(() => (stoppedAt = arena.time.now()));
    await arena.time.until("it has stopped", 10_000, () => !Number.isNaN(stoppedAt));
    assert.ok(stoppedAt - began <= 3000);
    assert.deepEqual(
      [one.elector.isLeader, one.told.length],
      [false, 1],
      "nothing was lost: it ended",
    );
  });

  it("one that is stopped while it waits never leads", async () => {
    const arena = new Arena();
    const one = arena.enter("one");
    await arena.time.run(100);
    const two = arena.enter("two");
    await arena.time.run(100);
    await two.elector.stop();
    await one.elector.stop();
    await arena.time.run(60_000);
    assert.deepEqual(two.told, []);
  });
});
