/** Leadership moves to whom etcdctl names. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemberClient, findLeader } from "./support/client.ts";
import { run, tool } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";

describe("etcdctl move-leader", () => {
  it("the member named leads afterwards, and writes go on", async () => {
    await withQuorate({ members: 3 }, async (cluster) => {
      const etcdctl = [tool("etcdctl"), `--endpoints=${cluster.endpoints}`];
      for (let round = 0; round < 3; round++) {
        const leader = await findLeader(cluster.members);
        const next = cluster.members.find((member) => member !== leader);
        assert.ok(next !== undefined);
        const { stdout: members } = await run([...etcdctl, "member", "list"]);
        const line = members.split("\n").find((text) => text.includes(`, ${next.name},`)) ?? "";
        const { code, stdout, stderr } = await run([
          ...etcdctl,
          "move-leader",
          line.split(",")[0] ?? "",
        ]);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^Leadership transferred from \w+ to \w+/);
        assert.equal((await findLeader(cluster.members)).name, next.name);
        const client = new MemberClient(leader.endpoint);
        await client.call("KV/Put", { key: Buffer.from("k"), value: Buffer.from(String(round)) });
        client.close();
      }
    });
  });
});
