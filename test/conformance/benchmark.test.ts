/** etcd's own load generator, every kind of load it knows, without one error. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run, tool } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";

const CLIENTS = ["--clients=20", "--conns=5"];
const LOADS: Readonly<Record<string, readonly string[]>> = {
  put: ["put", "--total=2000", "--key-space-size=500", "--val-size=256"],
  "put with compaction and hash check": [
    "put",
    "--total=2000",
    "--key-space-size=500",
    "--sequential-keys",
    "--compact-interval=500ms",
    "--compact-index-delta=100",
    "--check-hashkv",
  ],
  "range, linearizable": ["range", "foo", "--total=2000", "--consistency=l"],
  "range, serializable": ["range", "foo", "fop", "--total=2000", "--consistency=s"],
  "txn-put": ["txn-put", "--total=500", "--txn-ops=16", "--key-space-size=1000"],
  "txn-mixed": ["txn-mixed", "foo", "--total=1000", "--key-space-size=100"],
  watch: [
    "watch",
    "--streams=5",
    "--watch-per-stream=20",
    "--watched-key-total=50",
    "--put-total=200",
  ],
  "watch-latency": ["watch-latency", "--streams=4", "--watchers-per-stream=10", "--put-total=200"],
  "watch-get": ["watch-get", "--streams=2", "--watchers=100", "--events=4"],
  "lease-keepalive": ["lease-keepalive", "--total=2000"],
  stm: ["stm", "--total=500", "--keys=20", "--keys-per-txn=2", "--isolation=r"],
  "stm behind a lock": ["stm", "--total=100", "--keys=20", "--stm-locker=lock-rpc"],
  "stm, serializable": ["stm", "--total=300", "--keys=20", "--keys-per-txn=2", "--isolation=s"],
};

describe("etcd's benchmark", () => {
  for (const members of [1, 3]) {
    it(`every load runs without an error on ${members} member(s)`, async (context) => {
      await withQuorate({ members }, async (cluster) => {
        const endpoints = `--endpoints=${cluster.endpoints}`;
        await run([tool("etcdctl"), endpoints, "put", "foo", "bar"]);
        for (const [name, load] of Object.entries(LOADS)) {
          await context.test(name, async () => {
            const command = [tool("benchmark"), endpoints, ...CLIENTS, ...load];
            const { code, stdout, stderr } = await run(command, { timeoutMs: 90_000 });
            assert.equal(code, 0, `${stdout}${stderr}`.slice(-2000));
            // A load that ends while it reads gives its last call up.
            const said = `${stdout}${stderr}`.replace(/\{"level":"warn".*context canceled"\}/g, "");
            assert.doesNotMatch(said, /Error distribution|failed|panic/i);
          });
        }
      });
    });
  }

  it("a thousand reads of 200 KB at once over one connection are all answered", async () => {
    await withQuorate({ members: 1 }, async (cluster) => {
      const endpoints = `--endpoints=${cluster.endpoints}`;
      const stdin = "x".repeat(200_000);
      await run([tool("etcdctl"), endpoints, "put", "large"], { stdin });
      const load = ["--conns=1", "--clients=1000", "range", "large", "--total=2000"];
      const command = [tool("benchmark"), endpoints, ...load];
      const { code, stdout, stderr } = await run(command, { timeoutMs: 90_000 });
      assert.equal(code, 0, `${stdout}${stderr}`.slice(-2000));
      assert.doesNotMatch(`${stdout}${stderr}`, /Error distribution|Unavailable|panic/i);
    });
  });
});
