import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";

describe("what a member loads at its start", () => {
  it("does not load Node's HTTP client, which an import of node:http brings", async () => {
    const entry = new URL("../../../node/process.ts", import.meta.url).href;
    const script = `
      await import(${JSON.stringify(entry)});
      console.log(JSON.stringify(process.moduleLoadList));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--input-type=module",
      "--eval",
      script,
    ]);
    const loaded = JSON.parse(stdout) as readonly string[];
    assert.ok(loaded.includes("NativeModule http"), "the server's half is there");
    assert.deepEqual(
      loaded.filter((name) => name.includes("undici")),
      [],
    );
  });
});
