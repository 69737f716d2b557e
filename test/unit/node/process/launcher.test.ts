/** Which program the launcher starts, in folders like a checkout and like an installed package. */
import { equal } from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../../../conformance/support/tools.ts";

const BIN = fileURLToPath(new URL("../../../../node/bin", import.meta.url));

/** What `quorate` prints in a folder that holds the launcher and programs that name themselves. */
async function started(context: TestContext, programs: readonly string[]): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "quorate-launcher-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  cpSync(BIN, join(root, "node/bin"), { recursive: true });
  writeFileSync(join(root, "package.json"), '{"type":"module"}');
  for (const program of programs) {
    mkdirSync(dirname(join(root, program)), { recursive: true });
    writeFileSync(join(root, program), `console.log(${JSON.stringify(program)});\n`);
  }
  const launcher = join(root, "node/bin/quorate.js");
  const { code, stdout } = await run([process.execPath, launcher], { timeoutMs: 20_000 });
  equal(code, 0);
  return stdout.trim();
}

test("in a checkout the sources are started, whatever an older build left in dist", async (context) => {
  equal(await started(context, ["node/main.ts", "dist/node/main.js"]), "node/main.ts");
});

test("in a package, which has no sources, the build is started", async (context) => {
  equal(await started(context, ["dist/node/main.js"]), "dist/node/main.js");
});
