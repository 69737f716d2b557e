/** Python's clients, etcd3gw over JSON and etcd3 over gRPC, see of us what they see of etcd. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runPython } from "./support/python.ts";
import { withTwins } from "./support/twins.ts";

/** How many lines a script prints when nothing goes wrong. */
const SCRIPTS: Readonly<Record<string, number>> = { "gateway_client.py": 21, "grpc_client.py": 21 };

describe("Python's clients", () => {
  for (const [script, lines] of Object.entries(SCRIPTS)) {
    it(`${script} prints the same lines`, { timeout: 400_000 }, async () => {
      await withTwins({}, async (etcd, quorate) => {
        const [expected, actual] = await Promise.all(
          [etcd, quorate].map((cluster) => runPython(script, [cluster.member(0).endpoint])),
        );
        assert.equal(actual?.stdout, expected?.stdout, actual?.stderr);
        assert.equal(expected?.code, 0, expected?.stderr);
        assert.equal(actual?.code, 0);
        assert.equal(actual?.stdout.trimEnd().split("\n").length, lines);
      });
    });
  }
});
