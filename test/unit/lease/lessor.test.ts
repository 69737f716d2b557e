import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { readBucket } from "../../../src/backend/scan.ts";
import { totalsOf } from "../../../src/backend/state.ts";
import type { Key } from "../../../src/base/bytes.ts";
import {
  CHECKPOINT_INTERVAL_MS,
  grantedTtl,
  LEASE_TTL_MAX,
  Lessor,
} from "../../../src/lease/lessor.ts";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const ELECTION_MS = 1_000;
const key = (text: string): Key => text as Key;

interface Setup {
  readonly backend: MemoryBackend;
  readonly buffer: BackendBuffer;
  readonly lessor: Lessor;
}

function setup(): Setup {
  const backend = new MemoryBackend();
  const buffer = BackendBuffer.open(backend);
  return { backend, buffer, lessor: new Lessor(buffer) };
}

/** The member started again on what it had stored. */
async function restarted({ backend, buffer }: Setup): Promise<Setup> {
  buffer.seal(buffer.appliedIndex + 1, 1);
  await buffer.drain();
  const again = backend.crash(backend.unflushedBatches);
  const reopened = BackendBuffer.open(again);
  const { totals } = await reopened.sealedView();
  const rows = await readBucket(again, Bucket.lease, totalsOf(totals, Bucket.lease));
  return { backend: again, buffer: reopened, lessor: new Lessor(reopened, rows) };
}

function leader(): Setup {
  const made = setup();
  made.lessor.promote(0, 0);
  return made;
}

describe("Lessor, as entries are applied", () => {
  it("grants any int64 but zero, once", () => {
    const { lessor } = setup();
    for (const id of [1n, -1n, INT64_MIN, INT64_MAX]) {
      assert.deepEqual(lessor.grant(id, 10, 0), { kind: "granted", ttl: 10 });
      assert.deepEqual(lessor.grant(id, 10, 0), { kind: "exists" });
    }
    assert.deepEqual(lessor.grant(0n, 10, 0), { kind: "notFound" });
    assert.equal(lessor.size, 4);
  });

  it("refuses a TTL above the limit and takes the limit", () => {
    const { lessor } = setup();
    assert.deepEqual(lessor.grant(1n, LEASE_TTL_MAX + 1, 0), { kind: "tooLarge" });
    assert.equal(lessor.has(1n), false);
    assert.deepEqual(lessor.grant(1n, LEASE_TTL_MAX, 0), { kind: "granted", ttl: LEASE_TTL_MAX });
  });

  it("raises a TTL below one and a half election timeouts, in whole seconds", () => {
    assert.equal(grantedTtl(1, 1_000), 2);
    assert.equal(grantedTtl(-5, 1_000), 2);
    assert.equal(grantedTtl(0, 100), 1);
    assert.equal(grantedTtl(60, 1_000), 60);
    assert.equal(
      grantedTtl(LEASE_TTL_MAX + 1, 1_000),
      LEASE_TTL_MAX + 1,
      "too large stays too large",
    );
  });

  it("revokes with the keys in byte order, and knows nothing of it afterwards", () => {
    const { lessor } = setup();
    lessor.grant(7n, 10, 0);
    for (const name of ["b", "\xff", "a", "a\0", "\x80"]) lessor.attach(7n, key(name));
    assert.deepEqual(lessor.revoke(7n), {
      kind: "revoked",
      keys: ["a", "a\0", "b", "\x80", "\xff"],
    });
    assert.deepEqual(lessor.revoke(7n), { kind: "notFound" });
    assert.equal(lessor.leaseOf(key("a")), 0n);
    assert.equal(lessor.keysOf(7n), undefined);
  });

  it("hangs a key on one lease at a time", () => {
    const { lessor } = setup();
    lessor.grant(1n, 10, 0);
    lessor.grant(2n, 10, 0);
    lessor.attach(1n, key("k"));
    lessor.attach(2n, key("k"));
    lessor.attach(2n, key("k"));
    assert.deepEqual(lessor.keysOf(1n), []);
    assert.deepEqual(lessor.keysOf(2n), ["k"]);
    assert.equal(
      lessor.everyKey(2n, (key) => key === "k"),
      true,
    );
    assert.equal(
      lessor.everyKey(2n, () => false),
      false,
    );
    assert.equal(
      lessor.everyKey(404n, () => false),
      true,
    );
    assert.equal(lessor.leaseOf(key("k")), 2n);
    lessor.detach(key("k"));
    lessor.detach(key("never"));
    assert.deepEqual(lessor.revoke(2n), { kind: "revoked", keys: [] });
  });

  it("finds every lease again after a restart, negative ids too (R8)", async () => {
    const before = setup();
    for (const id of [1n, -1n, INT64_MIN, INT64_MAX, 5n]) before.lessor.grant(id, 100, 0);
    before.lessor.checkpoint({ id: -1n, remainingTtl: 40 }, 0);
    before.lessor.revoke(5n);
    const { lessor } = await restarted(before);
    assert.deepEqual(lessor.list(), [INT64_MIN, -1n, 1n, INT64_MAX]);
    lessor.promote(0, 0);
    assert.equal(lessor.timeToLive(-1n, 0)?.ttl, 40);
    assert.equal(lessor.timeToLive(INT64_MIN, 0)?.ttl, 100);
    lessor.attach(INT64_MIN, key("k"));
    assert.deepEqual(lessor.revoke(INT64_MIN), { kind: "revoked", keys: ["k"] });
  });

  it("finds a lost lease record at the start", async () => {
    const before = setup();
    before.lessor.grant(1n, 100, 0);
    before.lessor.grant(2n, 100, 0);
    before.buffer.seal(1, 1);
    await before.buffer.drain();
    await before.buffer.flush();
    before.backend.damage(Buffer.from("030000000000000002", "hex"), () => null);
    await assert.rejects(restarted(before), { code: "corruption", message: /bucket 3/ });
  });

  it("leaves a checkpoint of an unknown lease alone", () => {
    const { lessor, buffer } = setup();
    lessor.checkpoint({ id: 9n, remainingTtl: 4 }, 0);
    assert.equal(buffer.totals(Bucket.lease).count, 0);
  });
});

describe("Lessor, as the leader", () => {
  it("expires a lease at its TTL after the last renewal, not before", () => {
    const { lessor } = leader();
    lessor.grant(1n, 10, 0);
    assert.deepEqual(lessor.expired(9_999), []);
    assert.deepEqual(lessor.renew(1n, 9_999), { kind: "renewed", ttl: 10 });
    assert.deepEqual(lessor.expired(19_998), []);
    assert.deepEqual(lessor.expired(19_999), [1n]);
  });

  it("answers time to live in whole seconds, rounded down, never negative for a lease that is there", () => {
    const { lessor } = leader();
    lessor.grant(1n, 10, 0);
    lessor.attach(1n, key("b"));
    lessor.attach(1n, key("a"));
    assert.deepEqual(lessor.timeToLive(1n, 1), { ttl: 9, grantedTtl: 10, keys: ["a", "b"] });
    assert.equal(lessor.timeToLive(1n, 60_000)?.ttl, 0);
    assert.equal(lessor.timeToLive(2n, 0), undefined);
  });

  it("lists leases by the time they have left", () => {
    const { lessor } = leader();
    lessor.grant(1n, 30, 0);
    lessor.grant(2n, 10, 0);
    lessor.grant(3n, 20, 0);
    assert.deepEqual(lessor.list(), [2n, 3n, 1n]);
    lessor.demote();
    assert.deepEqual(lessor.list(), [1n, 2n, 3n]);
  });

  it("does not renew what is unknown, expired or revoked (R35)", () => {
    const { lessor } = leader();
    assert.deepEqual(lessor.renew(1n, 0), { kind: "notFound" });
    lessor.grant(1n, 10, 0);
    assert.deepEqual(lessor.renew(1n, 10_000), { kind: "expiring" }, "before the scan saw it");
    assert.deepEqual(lessor.expired(10_000), [1n]);
    assert.deepEqual(
      lessor.renew(1n, 10_001),
      { kind: "expiring" },
      "while its revoke is in flight",
    );
    lessor.revoke(1n);
    assert.deepEqual(lessor.renew(1n, 10_002), { kind: "notFound" });
  });

  it("answers no renewal and expires nothing once deposed (R33, R36)", () => {
    const { lessor } = leader();
    lessor.grant(1n, 10, 0);
    lessor.grant(2n, 1_000, 0);
    lessor.demote();
    assert.deepEqual(lessor.renew(1n, 1), { kind: "notPrimary" });
    assert.deepEqual(lessor.expired(100_000), []);
    assert.deepEqual(lessor.dueCheckpoints(10 * CHECKPOINT_INTERVAL_MS), []);
    lessor.checkpoint({ id: 2n, remainingTtl: 500 }, 0);
    assert.deepEqual(lessor.dueCheckpoints(10 * CHECKPOINT_INTERVAL_MS), []);
    lessor.promote(200_000, ELECTION_MS);
    assert.deepEqual(lessor.expired(210_999), [], "a new term starts with the full time");
    assert.deepEqual(lessor.expired(211_000), [1n]);
  });

  it("keeps what is left over five leader changes, never less (R34)", () => {
    const { lessor } = setup();
    const ttl = 3_600;
    lessor.grant(1n, ttl, 0);
    let now = 0;
    let term = 0;
    for (; term < 5; term++) {
      lessor.promote(now, ELECTION_MS);
      now += CHECKPOINT_INTERVAL_MS;
      for (const due of lessor.dueCheckpoints(now)) lessor.checkpoint(due, now);
      now += 60_000;
      lessor.demote();
    }
    lessor.promote(now, ELECTION_MS);
    const left = lessor.timeToLive(1n, now)?.ttl ?? 0;
    const elapsed = now / 1000;
    assert.ok(left >= ttl - elapsed, "never early");
    assert.ok(
      left <= ttl - elapsed + 6 * 61,
      "at most what ran since the last checkpoint of each term",
    );
  });

  it("takes a checkpoint back before it renews, so that a leader change does not cut the renewal short", () => {
    const { lessor } = leader();
    lessor.grant(1n, 1_000, 0);
    const [due] = lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS);
    assert.deepEqual(due, { id: 1n, remainingTtl: 700 });
    lessor.checkpoint({ id: 1n, remainingTtl: 700 }, CHECKPOINT_INTERVAL_MS);
    const now = CHECKPOINT_INTERVAL_MS + 1;
    const checkpoint = { id: 1n, remainingTtl: 0 };
    assert.deepEqual(lessor.renew(1n, now), { kind: "checkpointFirst", checkpoint });
    lessor.checkpoint(checkpoint, now);
    assert.deepEqual(lessor.renew(1n, now), { kind: "renewed", ttl: 1_000 });
    lessor.promote(now, 0);
    assert.equal(lessor.timeToLive(1n, now)?.ttl, 1_000);
  });

  it("checkpoints every five minutes what has more left, and nothing else", () => {
    const { lessor } = leader();
    lessor.grant(1n, 300, 0);
    lessor.grant(2n, 301, 0);
    lessor.grant(3n, 900, 0);
    assert.deepEqual(lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS - 1), []);
    assert.deepEqual(
      lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS).map((due) => due.id),
      [2n, 3n],
    );
    assert.deepEqual(lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS + 1), []);
    assert.deepEqual(lessor.dueCheckpoints(2 * CHECKPOINT_INTERVAL_MS), [
      { id: 3n, remainingTtl: 300 },
    ]);
  });

  it("has 16 revokes in flight, and retries each after three seconds", () => {
    const { lessor } = leader();
    for (let id = 1n; id <= 40n; id++) lessor.grant(id, 10, 0);
    const first = lessor.expired(10_000);
    assert.equal(first.length, 16);
    assert.deepEqual(lessor.expired(10_001), []);
    for (const id of first.slice(0, 4)) lessor.revoke(id);
    assert.equal(lessor.expired(10_002).length, 4);
    assert.deepEqual(lessor.expired(13_000), first.slice(4), "lost ones again, though others wait");
    lessor.revokeFailed(first[4] ?? 0n);
    assert.equal(lessor.expired(13_001).length, 1, "one that failed makes room at once");
  });

  it("revokes no more than 500 leases in half a second", () => {
    const { lessor } = leader();
    for (let id = 1n; id <= 900n; id++) lessor.grant(id, 10, 0);
    let revoked = 0;
    const drain = (now: number): void => {
      for (let ids = lessor.expired(now); ids.length > 0; ids = lessor.expired(now)) {
        for (const id of ids) lessor.revoke(id);
        revoked += ids.length;
      }
    };
    drain(10_000);
    drain(10_499);
    assert.equal(revoked, 500);
    drain(10_500);
    assert.equal(revoked, 900);
  });

  it("spreads the deadlines of many leases over time when it begins to lead", () => {
    const { lessor } = setup();
    for (let id = 1n; id <= 3_000n; id++) lessor.grant(id, 10, 0);
    lessor.promote(0, ELECTION_MS);
    const due = [0, 0, 0, 0, 0];
    for (let id = 1n; id <= 3_000n; id++) {
      const left = lessor.timeToLive(id, 0)?.ttl ?? 0;
      assert.ok(left >= 11, "spreading only lengthens");
      due[left - 11] = (due[left - 11] ?? 0) + 1;
    }
    assert.deepEqual(due, [750, 750, 750, 750, 0]);
  });
});
