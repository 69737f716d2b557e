/** The log's disk is full: writes stop with a clear error, reads go on, nothing is lost, and it goes on when there is room. */
import assert from "node:assert/strict";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { status } from "@grpc/grpc-js";

import { type MemberClient, statusOf } from "../../../conformance/support/client.ts";
import { until } from "../../../conformance/support/tools.ts";
import { mountSmall } from "./small-disk.ts";
import { readAll, withClient, withMembers } from "./support.ts";

const VALUE = Buffer.alloc(64 * 1024, 5);

/** Puts until one is refused; the thrown error. */
async function putUntilRefused(client: MemberClient, acknowledged: Set<string>): Promise<unknown> {
  for (let at = 0; at < 2_000; at++) {
    const key = `k${acknowledged.size}`;
    try {
      await client.call("KV/Put", { key: Buffer.from(key), value: VALUE }, 3_000);
      acknowledged.add(key);
    } catch (thrown) {
      return thrown;
    }
  }
  throw new Error("the disk took everything");
}

describe("a full disk", () => {
  it("stops writes, not reads, loses nothing, and is over once there is room", async (context) => {
    const small = mountSmall(32);
    if (typeof small === "string") {
      context.skip(small);
      return;
    }
    using mounted = small;
    const flags = [
      `--wal-dir=${join(mounted.path, "wal")}`,
      "--wal-segment-bytes=4194304",
      "--snapshot-catchup-entries=100000",
    ];
    const ballast = join(mounted.path, "ballast");
    await withMembers(1, flags, async (cluster) => {
      const member = cluster.member(0);
      const { bavail, bsize } = statfsSync(mounted.path);
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - 6 * 1024 * 1024, 1));
      const acknowledged = new Set<string>();
      const thrown = await withClient(member, (client) => putUntilRefused(client, acknowledged));
      assert.ok(acknowledged.size > 10, `${acknowledged.size} were acknowledged`);
      // The one that found it full may wait for room in vain; those after it are refused at once.
      assert.ok([status.RESOURCE_EXHAUSTED, status.DEADLINE_EXCEEDED].includes(statusOf(thrown)));
      await withClient(member, async (client) => {
        const refused = client.call("KV/Put", { key: Buffer.from("more") }, 3_000);
        await assert.rejects(refused, (error: unknown) => {
          assert.equal(statusOf(error), status.RESOURCE_EXHAUSTED);
          assert.match(String(error), /database space exceeded/);
          return true;
        });
        const all = { key: Buffer.from("k0"), serializable: true };
        await client.call("KV/Range", all, 3_000);
        const there = await readAll(client);
        for (const key of acknowledged) assert.ok(there.has(key), key);
      });
      rmSync(ballast);
      await withClient(member, async (client) => {
        await until("writes go on", 15_000, () =>
          client.call("KV/Put", { key: Buffer.from("after") }, 1_000).then(
            () => true,
            () => false,
          ),
        );
      });
      await member.stop("SIGKILL");
      cluster.restart(member);
      await member.awaitHealthy();
      const there = await withClient(member, readAll);
      for (const key of [...acknowledged, "after"]) assert.ok(there.has(key), key);
    });
  });
});
