/** STYLE.md holds because these tests do; and the rules themselves are held by bad examples. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import * as rules from "./rules.ts";
import { ROOT, type SourceFile, readTree } from "./scan.ts";

const PRODUCT = ["src", "node", "operator"];
const CODE = readTree([...PRODUCT, "test"], /\.[cm]?[jt]s$/);
const PROSE = readTree([...PRODUCT, "test", "charts"], /\.md$/).concat(rootFiles(/\.md$/));
const OTHER = readTree(
  ["charts", "manifests", "test", ".ci"],
  /(\.(ya?ml|json|sh|proto)|^[a-z-]+)$/,
);

function rootFiles(name: RegExp): SourceFile[] {
  return readTree(["."], name).filter(({ path }) => !path.includes("/"));
}

interface Package {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}
const PACKAGE = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Package;

/** What a person, npm, or a worker starts. */
function entryPoints(): string[] {
  const commands = Object.values(PACKAGE.scripts).join(" ");
  const started = [...commands.matchAll(/[\w./-]+\.ts\b/g)].map((match) =>
    match[0].replace("./", ""),
  );
  return [
    ...started,
    ...Object.values(PACKAGE.bin),
    "node/main.ts",
    "operator/main.ts",
    "operator/plugin/main.ts",
  ];
}

describe("the sources", () => {
  const perFile: Readonly<Record<string, rules.Rule>> = {
    "no file is longer than 400 lines": rules.fileLength,
    "comments stay within their column": rules.commentWidth,
    "file names are kebab-case": rules.fileName,
    "nothing is exported as default": rules.noDefaultExport,
    "no file only re-exports": rules.noBarrel,
    "nothing waits to be mended": rules.noFixme,
    "every TODO names its condition": rules.todoNamesCondition,
    "every test runs": rules.everyTestRuns,
    "no check is silenced": rules.noSuppression,
  };
  for (const [claim, rule] of Object.entries(perFile)) {
    it(claim, () => assert.deepEqual(CODE.flatMap(rule), []));
  }

  it("no file names a path of one machine", () => {
    assert.deepEqual([...CODE, ...PROSE, ...OTHER].flatMap(rules.noPrivatePath), []);
  });

  it("every file of the product is imported or started", () => {
    assert.deepEqual(rules.deadFiles(CODE, entryPoints()), []);
  });
});

describe("the documents", () => {
  it("relative links lead somewhere", () => {
    assert.deepEqual(PROSE.flatMap(rules.brokenLinks), []);
  });

  it("commands they name exist", () => {
    const scripts = Object.keys(PACKAGE.scripts);
    assert.deepEqual(
      PROSE.flatMap((file) => rules.missingScripts(file, scripts)),
      [],
    );
  });

  it("a chart's appVersion is the package's version", () => {
    for (const { path, text } of readTree(["charts"], /^Chart\.yaml$/)) {
      const version = /^appVersion:\s*["']?([^"'\s]+)/m.exec(text)?.[1];
      assert.equal(version, PACKAGE.version, path);
    }
  });
});

describe("the rules", () => {
  const file = (text: string, path = "src/raft/log.ts"): SourceFile => ({ path, text });
  const breaks = (rule: rules.Rule, text: string, path?: string): void => {
    assert.equal(rule(file(text, path)).length, 1, `${rule.name} finds: ${text.slice(0, 80)}`);
  };
  const keeps = (rule: rules.Rule, text: string, path?: string): void => {
    assert.deepEqual(rule(file(text, path)), [], `${rule.name} accepts: ${text.slice(0, 80)}`);
  };

  it("length and width are counted", () => {
    breaks(rules.fileLength, "a;\n".repeat(401));
    keeps(rules.fileLength, "a;\n".repeat(400));
    keeps(rules.fileLength, "a;\n".repeat(401), "src/api/gen/rpc.ts");
    breaks(rules.commentWidth, `// ${"x".repeat(140)}`);
    keeps(rules.commentWidth, `// ${"x".repeat(90)}`);
  });

  it("names are kebab-case", () => {
    breaks(rules.fileName, "", "src/raft/readIndex.ts");
    breaks(rules.fileName, "", "src/raft/read_index.ts");
    keeps(rules.fileName, "", "test/unit/raft/read-index.test.ts");
  });

  it("default exports and barrels are found, comments are not", () => {
    breaks(rules.noDefaultExport, "export default class {}");
    breaks(rules.noDefaultExport, "export { a as default };");
    keeps(rules.noDefaultExport, "// export default\nexport const a = 1;");
    breaks(rules.noBarrel, '/** All. */\nexport * from "./a.ts";\nexport { b } from "./b.ts";\n');
    keeps(rules.noBarrel, 'export { b } from "./b.ts";\nexport const c = 1;\n');
  });

  it("unfinished work is found", () => {
    breaks(rules.noFixme, `// ${"FIX"}${"ME"} later`);
    breaks(rules.todoNamesCondition, `// ${"TO"}${"DO"} tidy this`);
    keeps(rules.todoNamesCondition, `// ${"TO"}${"DO"}: drop once Node 26 is the oldest`);
    breaks(rules.everyTestRuns, 'it.skip("a", () => {});', "test/unit/a.test.ts");
    breaks(rules.everyTestRuns, 'it("a", { skip: true }, () => {});', "test/unit/a.test.ts");
    keeps(rules.everyTestRuns, 'it("a", { skip: reason }, () => {});', "test/unit/a.test.ts");
    breaks(rules.noSuppression, `// @${"ts"}-ignore`);
  });

  it("paths of one machine are found, relative and system ones are not", () => {
    breaks(rules.noPrivatePath, `const a = "/${"ro"}ot/x";`);
    breaks(rules.noPrivatePath, `see /${"ho"}me/ann/quorate`);
    keeps(rules.noPrivatePath, "/var/lib/quorate and $HOME/.cache and test/work/space");
  });

  it("a file that only its unit test imports is dead", () => {
    const tree = [
      file('import "../src/raft/log.ts";', "node/main.ts"),
      file("", "src/raft/log.ts"),
      file("", "src/raft/lost.ts"),
      file('import "../../../src/raft/lost.ts";', "test/unit/raft/lost.test.ts"),
    ];
    const dead = ["src/raft/lost.ts is imported by nothing"];
    assert.deepEqual(rules.deadFiles(tree, ["node/main.ts"]), dead);
  });

  it("broken links and unknown commands are found", () => {
    breaks(rules.brokenLinks, "see [there](../nowhere.md#a)", "README.md");
    keeps(rules.brokenLinks, "see [license](LICENSE) and [etcd](https://etcd.io)", "README.md");
    const missing = (text: string): string[] =>
      rules.missingScripts(file(text, "README.md"), ["sim", "test"]);
    assert.deepEqual(missing("npm ci && npm test && npm run sim"), []);
    assert.equal(missing("npm run simulate").length, 1);
  });
});
