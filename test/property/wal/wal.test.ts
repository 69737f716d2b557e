import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Entry, Index, Term } from "../../../src/raft/types.ts";
import type { Wal } from "../../../src/wal/wal.ts";
import { LogDisk, MemoryLogDevice } from "../../sim/log-device.ts";
import {
  append,
  contents,
  describe as text,
  entry,
  openOn,
  reset,
  seeded,
  state,
} from "../../unit/wal/harness.ts";

/** The naive twin: an array of rows after a base. */
interface Twin {
  base: number;
  baseTerm: number;
  rows: Entry[];
  term: number;
  vote: number;
  commit: number;
}

type Step =
  | {
      readonly kind: "append";
      readonly back: number;
      readonly sizes: readonly number[];
      readonly newTerm: boolean;
    }
  | { readonly kind: "burst"; readonly sizes: readonly number[] }
  | { readonly kind: "reset"; readonly ahead: number }
  | { readonly kind: "release"; readonly share: number }
  | { readonly kind: "restart" }
  | { readonly kind: "crash"; readonly seed: number; readonly sizes: readonly number[] };

const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 8 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      back: fc.nat(6),
      sizes,
      newTerm: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("burst" as const), sizes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const), ahead: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("release" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("crash" as const), seed: fc.nat(), sizes }),
  },
);

function last(twin: Twin): number {
  return twin.base + twin.rows.length;
}

function make(twin: Twin, from: number, lengths: readonly number[]): readonly Entry[] {
  return lengths.map((length, i) =>
    entry(from + i, twin.term, new Uint8Array(length).fill(from + i)),
  );
}

function put(twin: Twin, entries: readonly Entry[]): void {
  const first = entries[0];
  if (first !== undefined) twin.rows.splice(first.index - twin.base - 1, Infinity, ...entries);
}

/** The log equals the twin from its own first entry on, and holds at least what was not released. */
function compare(wal: Wal, twin: Twin, released: number): void {
  assert.equal(wal.lastIndex(), last(twin));
  const first = wal.firstIndex();
  assert.ok(first <= Math.max(released, twin.base + 1), `first ${first}, released ${released}`);
  const known = Math.max(first, twin.base + 1);
  const expected = twin.rows.slice(known - twin.base - 1);
  assert.deepEqual(contents(wal).slice(known - first), expected.map(text));
  for (const one of expected) assert.equal(wal.term(one.index), one.term);
  if (known - 1 === twin.base) assert.equal(wal.term(twin.base as Index), twin.baseTerm as Term);
}

interface Life {
  readonly wal: Wal;
  readonly device: MemoryLogDevice;
}

async function openLife(disk: LogDisk): Promise<Life> {
  const device = new MemoryLogDevice({ disk });
  const { wal, failures } = await openOn(disk, { device });
  assert.deepEqual(failures, []);
  return { wal, device };
}

function hardState(twin: Twin): ReturnType<typeof state> {
  return state(twin.term, twin.vote, twin.commit);
}

/** Appends that a crash interrupts: all of a prefix of them is there, or more, and never anything else. */
async function crash(
  disk: LogDisk,
  life: Life,
  twin: Twin,
  one: Step & { kind: "crash" },
): Promise<void> {
  const possible = [{ ...twin, rows: [...twin.rows] }];
  let durable = 0;
  for (const [i, size] of one.sizes.entries()) {
    const entries = make(twin, last(twin) + 1, [size]);
    put(twin, entries);
    possible.push({ ...twin, rows: [...twin.rows] });
    life.wal.append(entries, null, () => (durable = i + 1));
  }
  for (let turns = one.seed % 9; turns > 0; turns--) await Promise.resolve();
  life.device.crash(seeded(one.seed));
  const { wal } = await openLife(disk);
  const found = possible.findIndex((state) => last(state) === wal.lastIndex());
  assert.ok(found >= durable, `${durable} were durable, ${found} are there`);
  twin.rows = possible[found]?.rows ?? [];
  life.device.crash(seeded(0));
  await wal.close();
}

async function play(steps: readonly Step[]): Promise<void> {
  const disk = new LogDisk();
  const twin: Twin = { base: 0, baseTerm: 0, rows: [], term: 1, vote: 1, commit: 0 };
  let released = 1;
  let life = await openLife(disk);
  for (const one of steps) {
    const { wal } = life;
    switch (one.kind) {
      case "append": {
        const back = Math.min(one.back, last(twin) - Math.max(released, twin.base + 1) + 1);
        if (one.newTerm || back > 0) twin.term += 1;
        put(twin, make(twin, last(twin) + 1 - Math.max(back, 0), one.sizes));
        const from = last(twin) - one.sizes.length;
        await append(wal, twin.rows.slice(from - twin.base), hardState(twin));
        break;
      }
      case "burst": {
        const waits = one.sizes.map((size) => {
          const entries = make(twin, last(twin) + 1, [size]);
          put(twin, entries);
          return append(wal, entries, hardState(twin));
        });
        await Promise.all(waits);
        break;
      }
      case "reset": {
        twin.base = last(twin) + one.ahead;
        twin.baseTerm = twin.term;
        twin.rows = [];
        twin.commit = twin.base;
        released = twin.base + 1;
        await reset(wal, twin.base, twin.term, hardState(twin));
        break;
      }
      case "release":
        released = Math.max(released, Math.floor(last(twin) * one.share));
        wal.release(released as Index);
        break;
      case "restart":
        await wal.close();
        life = await openLife(disk);
        break;
      case "crash":
        await append(wal, [], hardState(twin));
        await crash(disk, life, twin, one);
        life = await openLife(disk);
        break;
    }
    compare(life.wal, twin, released);
  }
  await append(life.wal, [], hardState(twin));
  await life.wal.close();
  const { wal, recovery } = await openOn(disk);
  assert.deepEqual(recovery.hardState, hardState(twin));
  compare(wal, twin, released);
}

describe("Wal against an array", () => {
  it("holds what the array holds after any appends, replacements, resets, releases, restarts and crashes", async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), play), {
      numRuns: 200,
    });
  });
});
