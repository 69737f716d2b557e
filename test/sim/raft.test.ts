import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setVerifying } from "../../src/base/assert.ts";
import { simulate } from "./cluster.ts";
import { Prng } from "../../src/base/prng.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { LogTwin, type LogOperation } from "./log-twin.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { KNOWN_SEEDS } from "./seeds.ts";

setVerifying(true);

/** About half a minute of one core. Longer runs: `npm run sim -- --seeds A..B`. */
const SEEDS = 1000;
const BLOCK = 100;
/** Seeds whose members' writes the real log carries out, torn at each crash. */
const WAL_SEEDS = 16;

/** Rare branches, each of which the first seeds must take together. */
const PROBES: readonly string[] = [
  "becomes leader",
  "burst after a stall",
  "change addLearner",
  "change addVoter",
  "change remove",
  "change refused",
  "crash during a write",
  "crash with writes not begun",
  "leader removes itself",
  "leader steps down",
  "log compacted",
  "log truncated",
  "member learns of its removal",
  "message dropped",
  "message duplicated",
  "message of a removed member refused",
  "message replayed late",
  "minority stays dead",
  "no snapshot to be had",
  "outage of all",
  "partition bridge",
  "partition halves",
  "partition isolated leader one-way",
  "partition isolated member",
  "partition ring",
  "partition three parts",
  "proposal refused: membershipPending",
  "proposal refused: overBudget",
  "proposal refused: transferring",
  "read confirmed at follower",
  "read confirmed at leader",
  "read lost",
  "slow disk",
  "snapshot adopted",
  "snapshot cut off",
  "snapshot lost half-way",
  "stall",
  "stream broken",
];

/** Runs a seed; what goes wrong is thrown again with the command that repeats it as its first line. */
function runSeed(seed: number): ReturnType<typeof simulate> {
  try {
    return simulate(seed);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`node test/sim/run.ts --seed ${seed}\n${reason}`, { cause: thrown });
  }
}

describe("raft in a simulated cluster of five", () => {
  const reached = new Map<string, number>();

  it("passes every seed that failed once", () => {
    for (const { seed } of KNOWN_SEEDS) runSeed(seed);
  });

  for (let from = 1; from <= SEEDS; from += BLOCK) {
    it(`is safe and comes back, seeds ${from}..${from + BLOCK - 1}`, () => {
      for (let seed = from; seed < from + BLOCK; seed++) {
        for (const [name, count] of runSeed(seed).reached) {
          reached.set(name, (reached.get(name) ?? 0) + count);
        }
      }
    });
  }

  for (let from = 1; from <= WAL_SEEDS; from += WAL_SEEDS / 4) {
    const last = from + WAL_SEEDS / 4 - 1;
    it(`writes what the real log recovers after every crash, seeds ${from}..${last}`, async () => {
      let crashes = 0;
      for (let seed = from; seed <= last; seed++) {
        const operations = new Map<MemberId, LogOperation[]>();
        const recordLog = (id: MemberId, operation: LogOperation): void => {
          const before = operations.get(id);
          if (before === undefined) operations.set(id, [operation]);
          else before.push(operation);
        };
        simulate(seed, { recordLog });
        for (const [id, some] of operations) crashes += await replay(seed, id, some);
      }
      assert.ok(crashes > 0, "some crashed");
    });
  }

  it("reaches every rare branch that the faults are for", () => {
    const missed = PROBES.filter((name) => (reached.get(name) ?? 0) === 0);
    assert.deepEqual(missed, []);
  });

  it("is one run for one seed: the traces of two runs have the same hash", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const first = simulate(seed);
      const second = simulate(seed);
      assert.equal(second.hash, first.hash, `seed ${seed}`);
      assert.equal(second.events, first.events, `seed ${seed}`);
    }
    assert.notEqual(simulate(1).hash, simulate(2).hash);
  });
});

describe("the judges", () => {
  for (const mutant of Object.keys(MUTANTS) as Mutant[]) {
    const { maxSeeds, claim } = MUTANTS[mutant];
    it(`object to ${mutant} within ${maxSeeds} seeds: ${claim}`, () => {
      for (let seed = 1; seed <= maxSeeds; seed++) {
        if (objection(seed, mutant).includes(claim)) return;
      }
      assert.fail(`no seed: node test/sim/run.ts --seeds 1..${maxSeeds} --mutant ${mutant}`);
    });
  }
});

/** Carries out on the real log what a run did to the log of one member. Returns the number of crashes. */
async function replay(
  seed: number,
  id: MemberId,
  operations: readonly LogOperation[],
): Promise<number> {
  const twin = await LogTwin.open(new Prng(seed).fork(`log of ${id}`));
  for (const [at, operation] of operations.entries()) {
    try {
      await twin.perform(operation);
    } catch (thrown) {
      const where = `seed ${seed}, member ${id}, ${operation.kind} ${at}`;
      throw new Error(where, { cause: thrown });
    }
  }
  return twin.crashes;
}

/** What ended the run; empty if nothing did. */
function objection(seed: number, mutant: Mutant): string {
  try {
    simulate(seed, { mutant });
    return "";
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
