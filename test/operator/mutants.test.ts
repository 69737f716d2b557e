/**
 * The judges of the sweep, judged: mistakes that were made on purpose, each in a copy of the sources, and each found within the
 * histories that it is given. A sweep that finds nothing there would find nothing anywhere.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT } from "../house/scan.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { type Swept, sweep as sweepOf } from "./world/sweep.ts";

/** Histories that each may take to be found. One will do where it is the right one; else most take a dozen, a few a hundred. */
const COUNT = 400;
const LIMITS = { budgetMs: 600_000, strokes: 8 };

describe("the sweep finds", () => {
  let imports = 0;
  const root = mkdtempSync(join(tmpdir(), "quorate-mutants-"));
  before(() => {
    for (const folder of ["src", "node", "operator", "test/operator", "test/sim"])
      cpSync(join(ROOT, folder), join(root, folder), { recursive: true });
    cpSync(join(ROOT, "package.json"), join(root, "package.json"));
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it("nothing in the histories that each of these begins with, while nothing is wrong", async () => {
    const only = MUTANTS.map(({ first: seed, theme }) => ({ seed, theme }));
    const { complaints, verdicts } = await sweepOf({ ...LIMITS, first: 0, count: 0, only });
    assert.deepEqual(complaints, []);
    assert.equal(verdicts.length, MUTANTS.length);
  });

  for (const mutant of MUTANTS) {
    it(mutant.claim, async (test) => {
      const { verdicts } = await mutated(mutant);
      const found = verdicts.at(-1);
      assert.match(found?.breaches.join("; ") ?? "", mutant.rule);
      const { theme, first } = mutant;
      if (found?.seed !== first)
        test.diagnostic(
          `${theme}: history ${found?.seed}, and not ${first} any more, shows that ${mutant.claim}`,
        );
    });
  }

  /** What the sweep finds in sources with this mistake. */
  async function mutated({ edits, theme, first }: Mutant): Promise<Swept> {
    const sound = edits.map(([file]) => readFileSync(join(root, file), "utf8"));
    for (const [file, from, to] of edits) {
      const text = readFileSync(join(root, file), "utf8");
      assert.ok(text.includes(from), `${file} still says: ${from}`);
      writeFileSync(join(root, file), text.replace(from, to));
    }
    try {
      const url = pathToFileURL(join(root, "test/operator/world/sweep.ts"));
      const copy = (await import(`${url.href}?${++imports}`)) as { sweep: typeof sweepOf };
      return await copy.sweep({ ...LIMITS, first, count: COUNT, theme });
    } finally {
      for (const [at, [file]] of edits.entries()) writeFileSync(join(root, file), sound[at] ?? "");
    }
  }
});
