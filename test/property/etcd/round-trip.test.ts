/** Whatever a member's state is: as etcd's database and back it is the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { leaseGrantRequest } from "../../../src/api/gen/lease.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { MachineFixture } from "../../unit/machine/fixture.ts";
import { databaseOf, machineFrom } from "../../unit/node/offline/fixture.ts";

const SEED = 20_261_123;

type Step =
  | { readonly kind: "put"; readonly key: number; readonly size: number; readonly lease: number }
  | { readonly kind: "delete"; readonly from: number; readonly count: number }
  | { readonly kind: "grant"; readonly id: number; readonly ttl: number }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "alarm"; readonly member: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key: fc.nat(30),
      size: fc.oneof(fc.nat(50), fc.nat(9_000)),
      lease: fc.nat(6),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      from: fc.nat(30),
      count: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("grant" as const),
      id: fc.nat(6),
      ttl: fc.integer({ min: 1, max: 1e9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("alarm" as const), member: fc.nat(3) }) },
);

const keyOf = (at: number): string => `k${String(at).padStart(3, "0")}`;

function run(fixture: MachineFixture, of: Step): void {
  switch (of.kind) {
    case "put":
      fixture.put(keyOf(of.key), "v".repeat(of.size), { lease: BigInt(of.lease) });
      return;
    case "delete":
      fixture.deleteRange(keyOf(of.from), keyOf(of.from + of.count));
      return;
    case "grant":
      fixture.apply({
        kind: "leaseGrant",
        value: leaseGrantRequest({ id: BigInt(of.id), ttl: of.ttl }),
      });
      return;
    case "compact":
      fixture.compact(fixture.machine.store.revision - of.back);
      return;
    default:
      // Corruption is told, but stops writes: the alarm of space would hide most steps.
      fixture.apply({ kind: "alarm", value: { action: 1, memberId: BigInt(of.member), alarm: 1 } });
      fixture.apply({
        kind: "alarm",
        value: { action: 2, memberId: BigInt(of.member + 1), alarm: 1 },
      });
  }
}

/** What must not change, of a state. */
async function summary(fixture: MachineFixture): Promise<object> {
  const { store, lessor, alarms, buffer } = fixture.machine;
  return {
    revision: store.revision,
    compactRevision: store.compactRevision,
    hash: await fixture.hash(),
    live: await fixture.live(),
    leases: lessor.list().map(String).toSorted(),
    alarms: alarms.list(),
    keys: buffer.totals(Bucket.keys).toString(),
    lease: buffer.totals(Bucket.lease).toString(),
    alarm: buffer.totals(Bucket.alarms).toString(),
  };
}

describe("a state", () => {
  it("as etcd's database and back is the same, whatever happened to it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), fc.nat(10), async (steps, turns) => {
        const fixture = await MachineFixture.open();
        for (const each of steps) run(fixture, each);
        await fixture.turns(turns);
        const database = await databaseOf(fixture);
        const restored = await machineFrom(database);
        // A compaction that was under way ends on both.
        await restored.turns(60);
        await fixture.turns(60);
        assert.deepEqual(await summary(restored), await summary(fixture));
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});
