/** Who missed more than the log still holds catches up by snapshot, while the others keep serving. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Fields, MemberClient, hashes } from "./support/client.ts";
import type { Cluster, Member } from "./support/cluster.ts";
import { percentile, run, tool, until } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";
import { Writer } from "./support/writer.ts";

const MISSED = Number(process.env["CATCHUP_WRITES"] ?? 200_000);
const PUTS_PER_SECOND = 300;
/** The member left behind must not be able to catch up from the log. */
const FLAGS = ["--snapshot-count=5000", "--snapshot-catchup-entries=5000"];

async function bulkLoad(endpoints: readonly string[], total: number): Promise<void> {
  const { code, stdout, stderr } = await run(
    [
      tool("benchmark"),
      `--endpoints=${endpoints.join(",")}`,
      "--clients=200",
      "--conns=10",
      "put",
      `--total=${total}`,
      "--key-space-size=50000",
      "--key-size=16",
      "--val-size=256",
    ],
    { timeoutMs: 240_000 },
  );
  assert.equal(code, 0, `${stdout}${stderr}`.slice(-1000));
}

async function revisionOf(member: Member): Promise<number> {
  const client = new MemberClient(member.endpoint);
  try {
    const range = { key: Buffer.from("x"), serializable: true };
    const { header } = await client.call("KV/Range", range, 1000);
    return Number((header as Fields)["revision"]);
  } catch {
    return 0;
  } finally {
    client.close();
  }
}

/** Time until `behind` has what `ahead` had when this began, and the p99 of puts meanwhile. */
async function catchUp(
  writer: Writer,
  ahead: Member,
  behind: Member,
): Promise<{ ms: number; p99: number }> {
  const target = await revisionOf(ahead);
  writer.takeLatencies();
  const began = performance.now();
  await until(
    `${behind.name} has revision ${target}`,
    120_000,
    async () => (await revisionOf(behind)) >= target,
    100,
  );
  const ms = performance.now() - began;
  // A catch-up of a moment leaves too few puts for a percentile.
  await until("enough puts", 20_000, () => performance.now() - began > 3000);
  return { ms, p99: percentile(writer.takeLatencies(), 0.99) };
}

async function addLearner(cluster: Cluster): Promise<Member> {
  const learner = await cluster.prepareMember();
  const [first] = cluster.members;
  const words = ["member", "add", learner.name, "--learner", `--peer-urls=${learner.peerUrl}`];
  // A member that has just returned counts as unhealthy for some seconds, and the cluster takes no new one.
  await until("the cluster takes a learner", 20_000, async () => {
    const { code } = await run([tool("etcdctl"), `--endpoints=${first?.endpoint}`, ...words]);
    return code === 0;
  });
  cluster.join(learner);
  return learner;
}

describe("catch-up", () => {
  it("a member that missed everything and a new learner catch up under load", async (context) => {
    await withQuorate({ members: 3, flags: FLAGS }, async (cluster) => {
      const [first, second, third] = cluster.members;
      assert.ok(first !== undefined && second !== undefined && third !== undefined);
      const endpoints = [first.endpoint, second.endpoint];
      await third.stop("SIGKILL");
      await bulkLoad(endpoints, MISSED);
      const writer = new Writer(endpoints, "load/", PUTS_PER_SECOND, 256);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      writer.takeLatencies();
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const before = percentile(writer.takeLatencies(), 0.99);
      cluster.restart(third);
      const returned = await catchUp(writer, first, third);
      const learner = await addLearner(cluster);
      const joined = await catchUp(writer, first, learner);
      const { failed } = await writer.stop();
      context.diagnostic(
        `${MISSED} writes missed: back after ${returned.ms.toFixed(0)} ms, learner after ${joined.ms.toFixed(0)} ms; ` +
          `p99 of puts ${before.toFixed(1)} ms before, ${returned.p99.toFixed(1)} and ${joined.p99.toFixed(1)} ms meanwhile`,
      );
      assert.equal(failed, 0, "no put failed");
      // Below some milliseconds the ratio measures the machine's noise.
      const bound = 5 * Math.max(before, 5);
      assert.ok(
        returned.p99 < bound,
        `p99 ${returned.p99} ms while a member returned, ${before} ms before`,
      );
      assert.ok(
        joined.p99 < bound,
        `p99 ${joined.p99} ms while a learner joined, ${before} ms before`,
      );
      const voters = [...endpoints, third.endpoint];
      assert.equal(new Set(await hashes(voters)).size, 1, "all members hold the same");
      await promote(cluster, learner);
      assert.equal(new Set(await hashes([...voters, learner.endpoint])).size, 1, "the learner too");
    });
  });
});

async function promote(cluster: Cluster, learner: Member): Promise<void> {
  const endpoint = `--endpoints=${cluster.member(0).endpoint}`;
  const { stdout } = await run([tool("etcdctl"), endpoint, "member", "list"]);
  const id =
    stdout
      .split("\n")
      .find((line) => line.includes(learner.peerUrl))
      ?.split(",")[0] ?? "";
  await until("the learner is promoted", 20_000, async () => {
    const { code } = await run([tool("etcdctl"), endpoint, "member", "promote", id]);
    return code === 0;
  });
}
