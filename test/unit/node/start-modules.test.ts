import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";

async function afterStart(expression: string): Promise<readonly string[]> {
  const entry = new URL("../../../node/process.ts", import.meta.url).href;
  const script = `
    import { createRequire } from "node:module";
    await import(${JSON.stringify(entry)});
    console.log(JSON.stringify(${expression}));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "--eval",
    script,
  ]);
  return JSON.parse(stdout) as readonly string[];
}

describe("what a member loads at its start", () => {
  it("does not load Node's HTTP client, which an import of node:http brings", async () => {
    const loaded = await afterStart("process.moduleLoadList");
    assert.ok(loaded.includes("NativeModule http"), "the server's half is there");
    assert.deepEqual(
      loaded.filter((name) => name.includes("undici")),
      [],
    );
  });

  it("does not load @grpc/grpc-js, which a member alone never needs", async () => {
    const loaded = await afterStart('Object.keys(createRequire("file:///").cache)');
    assert.ok(
      loaded.some((path) => path.includes("classic-level")),
      "packages of CommonJS are listed",
    );
    assert.deepEqual(
      loaded.filter((path) => path.includes("grpc-js")),
      [],
    );
  });
});
