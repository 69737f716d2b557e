/** Leases, locks and elections at one real member, over a wire that can be cut. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Cluster } from "../../conformance/support/cluster.ts";
import { until } from "../../conformance/support/tools.ts";
import { Client, ClientError } from "../../../src/client/client.ts";
import { QUICK } from "../node/process/support.ts";
import { Wire, timed, withLibrary } from "./support.ts";

let cluster: Cluster;
let wire: Wire;
let client: Client;

before(async () => {
  cluster = await Cluster.start({ product: "quorate", members: 1, flags: QUICK });
  wire = await Wire.open(cluster.member(0).endpoint);
  client = new Client({ endpoints: [wire.endpoint], attemptTimeoutMs: 1_000 });
});
after(async () => {
  client.close();
  wire.close();
  await cluster.stop({ keep: false });
});
beforeEach(() =>
  withLibrary({ endpoints: [cluster.member(0).endpoint] }, (direct) =>
    direct.kv.delete({ prefix: "" }),
  ),
);

describe("client.leases", () => {
  it("grants, tells, renews once and revokes", async () => {
    const { id, ttl } = await client.leases.grant(60, { id: -5n });
    assert.deepEqual([id, ttl], [-5n, 60]);
    await client.kv.put("k", "v", { lease: id });
    assert.deepEqual(await client.leases.list(), [id]);
    const told = await client.leases.timeToLive(id, { keys: true });
    assert.deepEqual([told.grantedTtl, told.keys.map(String)], [60, ["k"]]);
    assert.equal(await client.leases.keepAliveOnce(id), 60);
    await client.leases.revoke(id);
    assert.equal(await client.kv.get("k"), null);
    await assert.rejects(client.leases.keepAliveOnce(id), { code: "notFound" });
    assert.equal((await client.leases.timeToLive(id)).ttl, -1);
  });

  it("keeps leases alive over cut connections, and tells at once when one is revoked by others", async () => {
    const lost: string[] = [];
    const kept = await Promise.all(
      [1, 2, 3].map((at) =>
        client.leases.keep(1, { onLost: (error) => lost.push(`${at}: ${error.code}`) }),
      ),
    );
    const end = performance.now() + 2_500;
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      wire.cut();
    }
    assert.deepEqual(lost, []);
    const [first, second, third] = kept;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await withLibrary({ endpoints: [cluster.member(0).endpoint] }, (other) =>
      other.leases.revoke(second.id),
    );
    await until("the loss is told", 2_000, () => second.lost.aborted);
    assert.deepEqual(lost, ["2: notFound"]);
    await first.revoke();
    assert.ok(first.lost.aborted);
    await third[Symbol.asyncDispose]();
    assert.deepEqual(await client.leases.list(), []);
    assert.equal(lost.length, 1, "what we gave back ourselves is no loss");
  });

  it("counts a lease as lost before the members do when nobody can be asked", async () => {
    const kept = await client.leases.keep(1);
    const [, ms] = await Promise.all([
      new Promise((resolve) => kept.lost.addEventListener("abort", resolve)),
      timed(async () => {
        wire.swallow();
        await until("the lease is lost", 3_000, () => kept.lost.aborted);
      }),
    ]);
    assert.ok(ms <= kept.ttl * 1000 + 50, `after ${ms} ms of ${kept.ttl} s`);
    wire.restore();
    await client.kv.get("reconnected");
  });
});

describe("client.lock", () => {
  it("is held by one at a time, in the order of asking", async () => {
    const order: number[] = [];
    let holders = 0;
    await Promise.all(
      [0, 1, 2, 3].map(async (at) => {
        const lock = await client.lock("mutex");
        assert.equal(++holders, 1);
        order.push(lock.revision);
        assert.ok((await client.kv.get(lock.key)) !== null, String(at));
        await new Promise((resolve) => setTimeout(resolve, 20));
        holders--;
        await lock.unlock();
        assert.ok(lock.lost.aborted);
      }),
    );
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      "a later holder has a greater revision",
    );
    assert.equal(await client.kv.count({ prefix: "mutex/" }), 0);
  });

  it("waiting can be given up, and leaves nothing behind", async () => {
    const held = await client.lock("mutex");
    assert.equal(await client.tryLock("mutex"), null);
    const signal = AbortSignal.timeout(100);
    await assert.rejects(client.lock("mutex", { signal }));
    await until("the place is given up", 2_000, async () => {
      return (await client.kv.count({ prefix: "mutex/" })) === 1;
    });
    await held.unlock();
    const again = await client.tryLock("mutex");
    assert.ok(again !== null);
    await again.unlock();
  });

  it("tells its holder when it was lost", async () => {
    const held = await client.lock("mutex", { ttl: 2 });
    const [lease] = await client.leases.list();
    assert.ok(lease !== undefined);
    await client.leases.revoke(lease);
    await until("the holder is told", 3_000, () => held.lost.aborted);
    assert.ok(held.lost.reason instanceof ClientError);
    await held.unlock();
  });
});

describe("client.election", () => {
  it("has one leader, whom everybody sees, and another when that one resigns", async () => {
    const election = client.election("chair");
    const seen: string[] = [];
    const controller = new AbortController();
    const watching = (async () => {
      for await (const row of election.observe({ signal: controller.signal })) seen.push(row.text);
    })();
    const first = await election.campaign("anna");
    await until("anna is seen", 2_000, () => seen.at(-1) === "anna");
    const second = election.campaign("ben");
    await first.proclaim("anna again");
    await until("the new value is seen", 2_000, () => seen.at(-1) === "anna again");
    assert.equal((await election.leader())?.text, "anna again");
    await first.resign();
    await using leadership = await second;
    assert.ok(leadership.revision > first.revision);
    await until("ben is seen", 2_000, () => seen.at(-1) === "ben");
    await assert.rejects(first.proclaim("late"), { message: "election: not leader" });
    controller.abort();
    await watching;
    assert.deepEqual(seen, ["anna", "anna again", "ben"]);
  });
});
