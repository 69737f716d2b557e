/** COMPLAINTS.md names tests that exist. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ROOT } from "../house/scan.ts";

const FOLDER = join(ROOT, "test/operator");
const COMPLAINTS = 20;

interface Cited {
  /** From this folder. */
  readonly path: string;
  readonly name: string;
}

/** `[word](path): "a test", "another"`, as often as a row has it. */
function citedIn(row: string): Cited[] {
  const groups = row.matchAll(/\]\(([^)\s]+\.test\.ts)\): ("[^"]+"(?:, "[^"]+")*)/g);
  return [...groups].flatMap(([, path = "", names = ""]) =>
    [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => ({ path, name })),
  );
}

/** What the tests of a file are called. What is filled in at run time stands for any text. */
function titlesIn(source: string): RegExp[] {
  const calls = source.matchAll(/\b(?:it|test)\(\s*("(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)/g);
  return [...calls].map(([, title = ""]) => {
    const parts = title.slice(1, -1).split(title.startsWith("`") ? /\$\{[^}]*\}/ : /(?!)/);
    const escaped = parts.map((part) =>
      part.replace(/\\(.)/g, "$1").replace(/[.*+?^${}()|[\]\\]/g, "\\$&"),
    );
    return new RegExp(`^${escaped.join(".+")}$`);
  });
}

/** A sentence for each test that is named and not there. */
function missingFrom(cited: readonly Cited[], read: (path: string) => string | null): string[] {
  return cited.flatMap(({ path, name }) => {
    const source = read(path);
    if (source === null) return [`there is no ${path}`];
    return titlesIn(source).some((title) => title.test(name)) ? [] : [`${path} has no "${name}"`];
  });
}

function readTest(path: string): string | null {
  const full = join(FOLDER, path);
  return existsSync(full) ? readFileSync(full, "utf8") : null;
}

describe("COMPLAINTS.md", () => {
  const text = readFileSync(join(FOLDER, "COMPLAINTS.md"), "utf8");
  const rows = text.split("\n").filter((line) => /^\| \d+ \|/.test(line));

  it("has a row for each of the complaints, with where it was filed and a test that shows it", () => {
    const numbers = rows.map((row) => Number(/\d+/.exec(row)?.[0]));
    assert.deepEqual(
      numbers,
      Array.from({ length: COMPLAINTS }, (_, at) => at + 1),
    );
    for (const row of rows) {
      assert.match(row, /\]\(https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/issues\/\d+\)/);
      assert.ok(citedIn(row).length > 0, row);
    }
  });

  it("names only tests that there are", () => {
    assert.deepEqual(missingFrom(rows.flatMap(citedIn), readTest), []);
  });
});

describe("a test that is named", () => {
  const source = 'it("holds", () => {});\nit(`goes from ${a} to ${b} (all)`, () => {});\n';
  const judge = (row: string): string[] =>
    missingFrom(citedIn(row), (path) => (path === "a.test.ts" ? source : null));

  it("is found by its name, with whatever is filled into it", () => {
    assert.deepEqual(judge('[a](a.test.ts): "holds", "goes from 1 to 3 (all)"'), []);
  });

  it("is missed where its file or its name is not there", () => {
    assert.deepEqual(judge('[b](b.test.ts): "holds"'), ["there is no b.test.ts"]);
    assert.deepEqual(judge('[a](a.test.ts): "held", "goes from 1 (all)"'), [
      'a.test.ts has no "held"',
      'a.test.ts has no "goes from 1 (all)"',
    ]);
  });
});
