/** `etcdctl downgrade`, and what a cluster says of itself meanwhile, is as with etcd. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Cluster } from "./support/cluster.ts";
import { type Fields, MemberClient } from "./support/client.ts";
import { run, tool, until } from "./support/tools.ts";
import { sameAsEtcd, withTwins } from "./support/twins.ts";

const VERSIONS: readonly string[] = [
  "3.5 3.5.0 3.5.99 03.5 3.05 3.5.0-rc.1 3.5.0+build",
  "3.4 3.6 3.6.0 3.7 4.0 2.5 0.0 99999999999999999999.5",
  "x 3 3.5.0.0 v3.5 3.5-alpha 3.5+b 3.5.x 3.5.0-rc_1 3..5 3,5",
].flatMap((line) => line.split(" "));

async function etcdctl(cluster: Cluster, ...args: readonly string[]): Promise<string> {
  const flags = [`--endpoints=${cluster.member(0).endpoint}`, ...args];
  const { code, stdout, stderr } = await run([tool("etcdctl"), ...flags]);
  // The Go client writes a line with time and place before the error.
  return `${code} ${stdout}${stderr
    .split("\n")
    .filter((line) => line.startsWith("Error"))
    .join()}`;
}

/** What members say of versions. */
async function told(cluster: Cluster): Promise<string[]> {
  return await Promise.all(
    cluster.members.map(async ({ clientUrl, endpoint }) => {
      const { etcdcluster, storage, etcdserver } = (await (
        await fetch(`${clientUrl}/version`)
      ).json()) as Fields;
      const client = new MemberClient(endpoint);
      try {
        const status = await client.call("Maintenance/Status", {});
        return [etcdserver, etcdcluster, storage, status["version"], await table(endpoint)].join(
          " ",
        );
      } finally {
        client.close();
      }
    }),
  );
}

/** Storage version and downgrade, which the npm package's definitions do not have. */
async function table(endpoint: string): Promise<string> {
  const command = [tool("etcdctl"), `--endpoints=${endpoint}`, "endpoint", "status", "-w", "json"];
  const [{ Status: status }] = JSON.parse((await run(command)).stdout) as [{ Status: Fields }];
  return JSON.stringify([status["storageVersion"], status["downgradeInfo"]]);
}

async function awaitVersion(cluster: Cluster, version: string): Promise<void> {
  await until(`${cluster.product} is at ${version}`, 20_000, async () => {
    const all = await told(cluster);
    return all.every((text) => text.includes(` ${version} ${version} `));
  });
}

describe("etcdctl", () => {
  sameAsEtcd(
    "a quota that is off is told alike",
    [{ run: "endpoint status -w json", pick: /"dbSizeQuota":[^,}]+/ }],
    { flags: ["--quota-backend-bytes=-1"] },
  );
});

describe("etcdctl downgrade", () => {
  sameAsEtcd("versions are read and refused alike, and nothing is cancelled alike", [
    ...VERSIONS.map((version) => `downgrade validate ${version}`),
    "downgrade validate 3.5 -w json",
    "downgrade enable 3.4",
    "downgrade cancel",
    "endpoint status -w json",
  ]);

  it("goes down, refuses a second, and comes back", async () => {
    await withTwins({ members: 3 }, async (etcd, quorate) => {
      const both = async (...args: readonly string[]): Promise<void> => {
        const [theirs, ours] = await Promise.all([
          etcdctl(etcd, ...args),
          etcdctl(quorate, ...args),
        ]);
        assert.equal(ours, theirs, args.join(" "));
      };
      for (const cluster of [etcd, quorate]) await awaitVersion(cluster, "3.6.0");
      await both("downgrade", "enable", "3.5");
      for (const cluster of [etcd, quorate]) await awaitVersion(cluster, "3.5.0");
      assert.deepEqual(await told(quorate), await told(etcd));
      for (const version of ["3.5", "3.4", "x"]) {
        await both("downgrade", "validate", version);
        await both("downgrade", "enable", version);
      }
      // It is in the log: a member that was away knows.
      for (const cluster of [etcd, quorate]) {
        await cluster.member(2).stop("SIGKILL");
        cluster.restart(cluster.member(2));
        await cluster.awaitHealthy();
      }
      assert.deepEqual(await told(quorate), await told(etcd));
      await both("downgrade", "cancel");
      for (const cluster of [etcd, quorate]) await awaitVersion(cluster, "3.6.0");
      assert.deepEqual(await told(quorate), await told(etcd));
      await both("downgrade", "cancel");
    });
  });
});
