/** A million keys: they load, a member is back soon after SIGKILL, and whoever reads them all holds up nobody's puts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client } from "../../src/client/client.ts";
import { run, tool } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";

const KEYS = 1_000_000;
const CLIENTS = 10;
/** The bounds of the release, on two cores that the load generator shares. */
const RESTART_MS_MAX = 5_000;
const PUT_MS_MAX = 250;

async function load(endpoint: string): Promise<void> {
  const words = `--endpoints=${endpoint} --clients=1000 --conns=100 put --sequential-keys --key-size=16 --val-size=256`;
  const command = `${words} --key-space-size=${KEYS} --total=${KEYS}`.split(" ");
  const { code, stdout, stderr } = await run([tool("benchmark"), ...command], {
    timeoutMs: 300_000,
  });
  assert.equal(code, 0, `${stdout}${stderr}`.slice(-1000));
}

/** Puts one after the other until told to stop; the longest of them, in milliseconds. */
async function putUntil(client: Client, name: string, stop: AbortSignal): Promise<number> {
  let longest = 0;
  for (let at = 0; !stop.aborted; at++) {
    const began = performance.now();
    await client.kv.put(`${name}/${at % 100}`, "x".repeat(256));
    longest = Math.max(longest, performance.now() - began);
  }
  return longest;
}

describe("a million keys", () => {
  it("load, come back after SIGKILL, and are read at once beside puts", async (context) => {
    await withQuorate(
      { members: 1, flags: ["--quota-backend-bytes=8589934592"] },
      async (cluster) => {
        const member = cluster.member(0);
        await load(member.endpoint);
        await member.stop("SIGKILL");
        const began = performance.now();
        cluster.restart(member);
        await member.awaitHealthy();
        const backMs = performance.now() - began;

        await using client = new Client({ endpoints: [member.endpoint], timeoutMs: 60_000 });
        const stop = new AbortController();
        const putting = Array.from({ length: CLIENTS }, (_, at) =>
          putUntil(client, `beside/${at}`, stop.signal),
        );
        const words = [
          `--endpoints=${member.endpoint}`,
          "get",
          "",
          "--from-key",
          "--print-value-only",
        ];
        const reading = performance.now();
        const { code, stdout, stderr } = await run(
          [tool("etcdctl"), "--command-timeout=60s", ...words],
          {
            timeoutMs: 90_000,
          },
        );
        const readMs = performance.now() - reading;
        stop.abort();
        const longestMs = Math.max(...(await Promise.all(putting)));
        context.diagnostic(
          `1 M keys: back ${backMs.toFixed(0)} ms after SIGKILL; read in ${readMs.toFixed(0)} ms, the longest put beside it ${longestMs.toFixed(0)} ms`,
        );
        assert.equal(code, 0, stderr.slice(-1000));
        assert.ok(stdout.split("\n").length > KEYS, "every key was read");
        assert.ok(backMs < RESTART_MS_MAX, `back after ${backMs} ms`);
        assert.ok(longestMs < PUT_MS_MAX, `a put took ${longestMs} ms`);
      },
    );
  });
});
