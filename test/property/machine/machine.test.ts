/** The machine against its naive twin, through crashes, and against itself under other circumstances. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";

import type { CommandKind } from "../../../src/api/gen/command.ts";
import type { RangeRequest } from "../../../src/api/gen/kv.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { toRangeEnd } from "../../../src/machine/bounds.ts";
import type { Machine } from "../../../src/machine/machine.ts";
import type { OpReply, Reply } from "../../../src/machine/reply.ts";
import { plainQuery } from "../../../src/mvcc/range.ts";
import type { Version } from "../../../src/mvcc/version.ts";
import { toKey } from "../../../src/base/bytes.ts";
import { entryData, MachineFixture, showRecord } from "../../unit/machine/fixture.ts";
import { anyCommand } from "./commands.ts";
import { NaiveMachine, type Shown } from "./naive-machine.ts";

/** One thing that happens. */
type Step =
  | { readonly kind: "command"; readonly command: CommandKind; readonly waits: boolean }
  | { readonly kind: "turns"; readonly count: number }
  /** Everything applied by now is in the store, yet not safe from a crash. */
  | { readonly kind: "drain" }
  | { readonly kind: "flush" }
  /** Power goes: `lost` of the newest batches are gone, and the log is applied again from where the store stands. */
  | { readonly kind: "crash"; readonly lost: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("command" as const),
      command: anyCommand,
      waits: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("turns" as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("drain" as const, "flush" as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      lost: fc.integer({ min: 0, max: 20 }),
    }),
  },
);

/** A machine and the log it is fed, in step with the naive one. */
class Run {
  #fixture: MachineFixture;
  readonly #naive = new NaiveMachine();
  readonly #log: Uint8Array[] = [];
  readonly #waiting: Set<number>;

  static async begin(): Promise<Run> {
    const waiting = new Set<number>();
    return new Run(await MachineFixture.open({ waits: (index) => waiting.has(index) }), waiting);
  }

  private constructor(fixture: MachineFixture, waiting: Set<number>) {
    this.#fixture = fixture;
    this.#waiting = waiting;
  }

  async run(of: Step): Promise<void> {
    switch (of.kind) {
      case "command":
        return await this.#command(of.command, of.waits);
      case "turns":
        return await this.#fixture.turns(of.count);
      case "drain":
        return await this.#fixture.machine.buffer.drain();
      case "flush": {
        const { buffer } = this.#fixture.machine;
        await buffer.flush();
        return;
      }
      case "crash":
        return await this.#crash(of.lost);
    }
  }

  async #command(kind: CommandKind, waits: boolean): Promise<void> {
    const index = this.#fixture.nextIndex;
    if (waits) this.#waiting.add(index);
    const data = entryData(index, kind);
    this.#log.push(data);
    const before = this.#fixture.machine.store.revision;
    this.#fixture.applyData(data);
    const expected = this.#naive.apply(kind);
    const { revision } = this.#fixture.machine.store;
    assert.equal(revision, this.#naive.kv.revision);
    assert.ok(revision - before <= 1, "an entry makes one revision at most");
    if (revision > before) assert.equal(this.#fixture.changes.get(revision)?.[0]?.main, revision);
    const reply = this.#fixture.replies.get(index);
    assert.equal(reply !== undefined, waits);
    if (reply !== undefined) {
      assert.deepEqual(await showReply(this.#fixture, reply), expected);
      if (reply.kind === "op") reply.pin?.release();
    }
  }

  async #crash(lost: number): Promise<void> {
    this.#waiting.clear();
    const waits = (index: number): boolean => this.#waiting.has(index);
    this.#fixture = await this.#fixture.crashed(lost, { waits });
    const { machine } = this.#fixture;
    for (let index = machine.appliedIndex; index < this.#log.length; index++) {
      this.#fixture.applyData(this.#log[index] ?? new Uint8Array());
    }
    await this.check();
  }

  /** The whole state, hash and all. */
  async check(): Promise<void> {
    const { machine, fatal } = this.#fixture;
    const naive = this.#naive;
    assert.deepEqual(fatal, []);
    assert.equal(machine.appliedIndex, this.#log.length);
    assert.equal(machine.store.revision, naive.kv.revision);
    assert.equal(machine.store.compactRevision, naive.kv.compactRevision);
    assert.equal(machine.versions.cluster, naive.clusterVersion);
    assert.deepEqual(machine.versions.downgrade, naive.downgrade);
    const ids = [...naive.leases.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(machine.lessor.list(), ids);
    for (const [id, ttl] of naive.leases) {
      assert.deepEqual(machine.lessor.keysOf(id), naive.keysOf(id), `keys of lease ${id}`);
      assert.equal(machine.lessor.timeToLive(id, 0)?.grantedTtl, ttl);
    }
    assert.deepEqual(
      machine.alarms
        .list()
        .map((of) => `${of.alarm}/${of.memberId}`)
        .toSorted(),
      [...naive.alarms].toSorted(),
    );
    assert.deepEqual(
      machine.members
        .list()
        .map(({ id, isLearner, peerUrls, name }) => [id, { isLearner, peerUrls, name }]),
      [...naive.members].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
    assert.deepEqual(machine.members.removed, naive.removed);
    assert.equal(await this.#fixture.hash(), naive.kv.hash(naive.kv.revision));
  }

  async finish(): Promise<void> {
    await this.check();
    await this.#fixture.turns(20);
    await this.check();
    await this.#fixture.machine.close();
  }
}

async function showReply(fixture: MachineFixture, reply: Reply): Promise<Shown> {
  const { revision } = reply;
  switch (reply.kind) {
    case "error":
      return { kind: "error", error: reply.error.text, revision };
    case "op":
      return { kind: "op", op: await showOp(fixture, reply.op), revision };
    case "compaction":
      return { kind: "compaction", revision };
    case "alarm":
      return {
        kind: "alarm",
        alarms: reply.alarms.map((of) => `${of.alarm}/${of.memberId}`),
        revision,
      };
    default:
      return reply;
  }
}

async function showOp(fixture: MachineFixture, op: OpReply): Promise<Shown> {
  const { kind, revision } = op;
  switch (op.kind) {
    case "put":
      return { kind, revision, previous: await showVersion(fixture, op.previous) };
    case "deleteRange": {
      const previous = await Promise.all(op.previous.map((of) => showVersion(fixture, of)));
      return { kind, revision, deleted: op.deleted, previous };
    }
    case "range": {
      const { store } = fixture.machine;
      const rows = await store.rangeAt(queryOf(op.request), op.position);
      return { kind, revision, rows: rows.rows.map(showRecord) };
    }
    case "txn": {
      const responses = await Promise.all(op.responses.map((of) => showOp(fixture, of)));
      return { kind, revision, succeeded: op.succeeded, responses };
    }
  }
}

function queryOf(request: RangeRequest): ReturnType<typeof plainQuery> {
  return plainQuery(toKey(request.key), toRangeEnd(request.rangeEnd));
}

async function showVersion(
  fixture: MachineFixture,
  version: Version | null,
): Promise<string | null> {
  if (version === null) return null;
  const [record] = await fixture.machine.store.records([version]);
  return record === undefined ? "missing" : showRecord(record);
}

/** Of every record in the bucket. */
function digest(machine: Machine, bucket: Bucket): readonly number[] {
  const { count, bytes, low, high } = machine.buffer.totals(bucket);
  return [count, bytes, low, high];
}

describe("Machine", () => {
  it("answers and holds what its naive twin does, through crashes that lose what was not flushed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
        async (steps) => {
          const run = await Run.begin();
          for (const each of steps) await run.run(each);
          await run.finish();
        },
      ),
      { numRuns: Number(process.env["RUNS"] ?? 300), seed: Number(process.env["SEED"] ?? 20260) },
    );
  });

  it("comes to the same state whoever waits, whatever is cached, however compaction is paced", async () => {
    const logs = fc.array(anyCommand, { minLength: 1, maxLength: 50, size: "max" });
    await fc.assert(
      fc.asyncProperty(logs, fc.array(fc.boolean(), { minLength: 1 }), async (log, idle) => {
        const one = await MachineFixture.open({ waits: () => true });
        const other = await MachineFixture.open({
          waits: () => false,
          cacheBytes: 0,
          compactionRows: 1,
        });
        for (const [at, kind] of log.entries()) {
          const index = one.applyData(entryData(at + 1, kind));
          other.applyData(entryData(at + 1, kind));
          const reply = one.replies.get(index);
          if (reply?.kind === "op") reply.pin?.release();
          if (idle[at % idle.length] === true) await other.turns(1);
        }
        assert.equal(other.replies.size, 0);
        assert.equal(await one.hash(), await other.hash());
        for (const each of [one, other]) {
          while (each.machine.store.isCompacting) await each.turns(1);
          await each.machine.buffer.drain();
        }
        const [left, right] = [one, other].map(({ machine }) => ({
          revision: machine.store.revision,
          totals: Object.values(Bucket).map((bucket) => digest(machine, bucket)),
        }));
        assert.deepEqual(left, right);
        assert.deepEqual(await one.live(), await other.live());
        await one.machine.close();
        await other.machine.close();
      }),
      { numRuns: Number(process.env["RUNS"] ?? 150), seed: Number(process.env["SEED"] ?? 20261) },
    );
  });
});
