/**
 * h2spec's generic, http2 and hpack suites against the engine. Install it with
 *   GOBIN=$HOME/.cache/q8s/bin go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, it } from "node:test";
import { defaultLimits } from "../../src/grpc/limits.ts";
import { GrpcServer } from "../../src/grpc/server.ts";

const NAME = "h2spec";
const CASES = 145;

function findTool(): string | null {
  const cache = process.env["Q8S_CACHE"] ?? join(homedir(), ".cache", "q8s");
  const folders = [join(cache, "bin"), ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders.map((folder) => join(folder, NAME)).find((path) => existsSync(path)) ?? null;
}

function run(tool: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(tool, args, { timeout: 240_000, maxBuffer: 1 << 24 }, (_error, stdout) =>
      resolve(stdout),
    );
  });
}

describe("h2spec", () => {
  it("finds no fault in any case of its generic, http2 and hpack suites", async () => {
    const tool = findTool();
    assert.ok(tool !== null, `${NAME} is neither on PATH nor in $Q8S_CACHE/bin`);
    const faults: unknown[] = [];
    const server = new GrpcServer({
      router: new Map(),
      http: (_request, respond) =>
        respond({
          status: 200,
          headers: { "content-type": "text/plain" },
          body: "a body of some length\n",
        }),
      // The suite checks the limit on streams only where one is advertised.
      limits: { ...defaultLimits, concurrentStreamsMax: 100 },
      observer: null,
      onError: (error) => faults.push(error),
    });
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, null);
    try {
      const output = await run(tool, ["-h", "127.0.0.1", "-p", String(port), "-o", "2"]);
      const totals = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output);
      assert.ok(totals !== null, `no totals in what it printed:\n${output}`);
      const counts = totals.slice(1).map(Number);
      assert.deepEqual(counts, [CASES, CASES, 0, 0], output.slice(output.indexOf("Failures")));
      assert.deepEqual(faults, []);
    } finally {
      await server.close();
    }
  });
});
