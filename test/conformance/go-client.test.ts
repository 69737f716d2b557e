/** etcd's own Go client, with its locks, elections and transactions, sees of us what it sees of etcd. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { goProgram } from "./support/go.ts";
import { run } from "./support/tools.ts";
import { differences, withTwins } from "./support/twins.ts";

describe("Go's clientv3", () => {
  for (const members of [1, 3]) {
    it(`prints the same lines, on ${members} member(s)`, { timeout: 400_000 }, async () => {
      const program = await goProgram();
      await withTwins({ members }, async (etcd, quorate) => {
        const [expected, actual] = await Promise.all(
          [etcd, quorate].map((cluster) =>
            run([program, cluster.endpoints], { timeoutMs: 60_000 }),
          ),
        );
        const [theirs, ours] = [expected, actual].map((one) => one?.stdout.split("\n") ?? []);
        assert.equal(differences(theirs ?? [], ours ?? []), "", actual?.stderr);
        assert.equal(expected?.code, 0, expected?.stdout);
        assert.equal(actual?.code, 0);
        assert.equal(actual?.stdout.trimEnd().split("\n").length, 42);
      });
    });
  }
});
