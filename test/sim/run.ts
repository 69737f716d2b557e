/**
 * The simulation from a shell:
 *   node test/sim/run.ts --seed N [--trace]      one seed; --trace prints every event
 *   node test/sim/run.ts --seeds A..B            many, both ends included, with a table of what they reached
 *   node test/sim/run.ts --mutant NAME [...]     with a deliberate bug that some judge must object to
 */
import { parseArgs } from "node:util";
import { setVerifying } from "../../src/base/assert.ts";
import { simulate, type Outcome } from "./cluster.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { Prng } from "../../src/base/prng.ts";
import { drawSwarm } from "./swarm.ts";

const REACHED_COLUMN = 40;

function toMutant(name: string | undefined): Mutant | null {
  if (name === undefined) return null;
  if (Object.hasOwn(MUTANTS, name)) return name as Mutant;
  throw new Error(`No mutant "${name}". There are: ${Object.keys(MUTANTS).join(", ")}`);
}

function toRange(text: string): { readonly from: number; readonly last: number } {
  const [from = "", last = from] = text.split("..");
  const range = { from: Number(from), last: Number(last) };
  const valid = Number.isSafeInteger(range.from) && Number.isSafeInteger(range.last);
  if (!valid || range.from < 0 || range.last < range.from) {
    throw new Error(`Not a range of seeds: "${text}". Write --seeds 1..500`);
  }
  return range;
}

function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

class Tally {
  readonly #reached = new Map<string, number>();
  #runs = 0;
  #time = 0;
  #events = 0;
  #committed = 0;
  #reads = 0;
  #leaders = 0;
  #changes = 0;
  #healingTicks = 0;

  add(outcome: Outcome): void {
    this.#runs++;
    this.#time += outcome.time;
    this.#events += outcome.events;
    this.#committed += outcome.committed;
    this.#reads += outcome.readsConfirmed;
    this.#leaders += outcome.leaders;
    this.#changes += outcome.changes;
    this.#healingTicks = Math.max(this.#healingTicks, outcome.healingTicks);
    for (const [name, count] of outcome.reached) {
      this.#reached.set(name, (this.#reached.get(name) ?? 0) + count);
    }
  }

  print(): void {
    if (this.#runs === 0) return;
    for (const [name, count] of [...this.#reached].sort(([a], [b]) => (a < b ? -1 : 1))) {
      console.log(`${name.padEnd(REACHED_COLUMN)} ${count}`);
    }
    console.log(
      `${this.#events} events in ${(this.#time / 1000).toFixed(0)} simulated seconds: ${this.#leaders} leaders, ` +
        `${this.#committed} entries committed, ${this.#reads} reads confirmed, ${this.#changes} changes of membership, ` +
        `healed within ${this.#healingTicks} ticks`,
    );
  }
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      mutant: { type: "string" },
      trace: { type: "boolean", default: false },
    },
  });
  setVerifying(true);
  const mutant = toMutant(values.mutant);
  const { from, last } = toRange(values.seed ?? values.seeds ?? "1..500");
  const print = values.trace ? (line: string): void => console.log(line) : null;
  const tally = new Tally();
  let passed = 0;
  let failed = 0;
  for (let seed = from; seed <= last; seed++) {
    try {
      const outcome = simulate(seed, { mutant, print });
      tally.add(outcome);
      passed++;
      if (from === last) console.log(`seed ${seed} hash ${outcome.hash}`);
    } catch (thrown) {
      failed++;
      console.log(
        `node test/sim/run.ts --seed ${seed}${mutant === null ? "" : ` --mutant ${mutant}`}`,
      );
      console.log(describeThrown(thrown));
      if (from === last) console.log(JSON.stringify(drawSwarm(new Prng(seed), seed), null, 1));
    }
  }
  tally.print();
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
