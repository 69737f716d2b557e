import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import type { Key } from "../../../src/base/bytes.ts";
import { ExpiryHeap, heapEntry } from "../../../src/lease/expiry-heap.ts";
import { Lessor } from "../../../src/lease/lessor.ts";

const id = fc.constantFrom(-2n, 1n, 2n, 3n);
const step = fc.oneof(
  fc.record({ kind: fc.constant("grant" as const), id, ttl: fc.integer({ min: 1, max: 900 }) }),
  fc.record({ kind: fc.constant("revoke" as const), id }),
  fc.record({ kind: fc.constant("renew" as const), id }),
  fc.record({ kind: fc.constant("attach" as const), id, key: fc.constantFrom("a", "b", "c") }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(400_000) }),
  fc.record({ kind: fc.constantFrom("change", "scan", "checkpoint") }),
);

/** One member that agrees with the log, and what a client may rely on. */
class Expected {
  /** Per lease: until when it must live, and its keys. */
  readonly until = new Map<bigint, number>();
  readonly leaseOf = new Map<string, bigint>();
}

describe("Lessor against a map", () => {
  it("never ends a lease before its TTL after the last renewal, whoever leads, and keeps its keys", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lessor = new Lessor(BackendBuffer.open(new MemoryBackend()));
        const model = new Expected();
        const ttls = new Map<bigint, number>();
        let now = 0;
        lessor.promote(now, 1_000);
        const drop = (of: bigint): void => {
          const outcome = lessor.revoke(of);
          const keys = [...model.leaseOf].filter(([, lease]) => lease === of).map(([key]) => key);
          assert.equal(outcome.kind, model.until.has(of) ? "revoked" : "notFound");
          if (outcome.kind === "revoked") assert.deepEqual(outcome.keys, keys.toSorted());
          for (const key of keys) model.leaseOf.delete(key);
          model.until.delete(of);
        };
        for (const action of steps) {
          if (action.kind === "wait") now += action.ms;
          else if (action.kind === "change") lessor.promote(now, 1_000);
          else if (action.kind === "checkpoint") {
            for (const due of lessor.dueCheckpoints(now)) lessor.checkpoint(due, now);
          } else if (action.kind === "scan") {
            for (const of of lessor.expired(now)) {
              assert.ok((model.until.get(of) ?? Infinity) <= now, `lease ${of} ended early`);
              drop(of);
            }
          } else if (action.kind === "revoke") drop(action.id);
          else if (action.kind === "attach") {
            if (!model.until.has(action.id)) continue;
            lessor.attach(action.id, action.key as Key);
            model.leaseOf.set(action.key, action.id);
          } else if (action.kind === "grant") {
            const outcome = lessor.grant(action.id, action.ttl, now);
            assert.equal(outcome.kind, model.until.has(action.id) ? "exists" : "granted");
            if (outcome.kind !== "granted") continue;
            ttls.set(action.id, action.ttl);
            model.until.set(action.id, now + action.ttl * 1000);
          } else if (action.kind === "renew") {
            let outcome = lessor.renew(action.id, now);
            if (outcome.kind === "checkpointFirst") {
              lessor.checkpoint(outcome.checkpoint, now);
              outcome = lessor.renew(action.id, now);
            }
            assert.equal(outcome.kind === "notFound", !model.until.has(action.id));
            if (outcome.kind === "renewed") {
              model.until.set(action.id, now + (ttls.get(action.id) ?? 0) * 1000);
            } else if (outcome.kind === "expiring") {
              assert.ok((model.until.get(action.id) ?? 0) <= now);
            }
          }
          assert.deepEqual(new Set(lessor.list()), new Set(model.until.keys()));
          for (const key of ["a", "b", "c"]) {
            assert.equal(lessor.leaseOf(key as Key), model.leaseOf.get(key) ?? 0n);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("ExpiryHeap against a sorted list", () => {
  it("always has the least time on top", () => {
    const move = fc.record({ item: fc.nat(9), at: fc.option(fc.nat(50), { nil: null }) });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
        const heap = new ExpiryHeap<number>();
        const entries = Array.from({ length: 10 }, (_, item) => heapEntry(item));
        const times = new Map<number, number>();
        for (const { item, at } of moves) {
          const entry = entries[item] ?? heapEntry(item);
          if (at === null) heap.remove(entry);
          else heap.set(entry, at);
          if (at === null) times.delete(item);
          else times.set(item, at);
          assert.equal(heap.size, times.size);
          assert.equal(heap.peek()?.at ?? Infinity, Math.min(...times.values()));
        }
      }),
    );
  });
});
