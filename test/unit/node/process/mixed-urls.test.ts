/** Members whose peer URLs differ in their scheme, or changed it while one of them was down. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Client } from "../../../../src/client/client.ts";
import { until } from "../../../conformance/support/tools.ts";
import { secured, withMovers } from "./movers.ts";

describe("a cluster with peer URLs of both kinds", () => {
  it("finds a member again that was down while the others moved, from where it looks for them in vain", async () => {
    await withMovers(3, async (movers) => {
      const [first, second, third] = [0, 1, 2].map((at) => movers.cluster.member(at));
      assert.ok(first !== undefined && second !== undefined && third !== undefined);
      for (const member of movers.cluster.members) movers.start(member, "both", "https");
      await Promise.all(movers.cluster.members.map((of) => movers.awaitServing(of, "both")));
      await third.stop("SIGKILL");
      const client = movers.client([first, second].map(({ clientUrl }) => secured(clientUrl)));
      await movers.movePeerUrls(client, "https:");
      for (const member of [first, second]) {
        await member.stop("SIGTERM");
        movers.start(member, "tls", "https");
        await movers.awaitServing(member, "tls");
      }
      // Its membership says http of both, who take TLS alone by now.
      movers.start(third, "tls", "https");
      await movers.awaitServing(third, "tls");
    });
  });

  it("dials each member by its own URL, as it is now: to join, for its state, and to ask the leader", async () => {
    await withMovers(1, async (movers) => {
      const { cluster } = movers;
      const first = cluster.member(0);
      // The membership says http where the listener has TLS: no contradiction, at no start.
      movers.start(first, "both", "http");
      await movers.awaitServing(first, "both");
      const client = movers.client([secured(first.clientUrl)]);
      for (let at = 0; at < 50; at++) await client.kv.put(`k${at}`, "x".repeat(1_000));
      await movers.movePeerUrls(client, "https:");

      const second = await cluster.prepareMember();
      const { id } = await client.cluster.add([second.peerUrl], { learner: true });
      const both = `${first.name}=${secured(first.peerUrl)},${second.name}=${second.peerUrl}`;
      movers.start(second, "both", "http", [both, "existing"]);
      const asked = movers.client([secured(second.clientUrl)]);
      await until("the second has the state and is promoted", 20_000, () => promoted(client, id));
      const row = await asked.kv.get("k49", { serializable: true });
      assert.equal(row?.value.length, 1_000);
      const links = async (): Promise<string> =>
        `${await movers.plaintextLinks(first)} ${await movers.plaintextLinks(second)}`;
      // The stream that brought the state came to the second without TLS, and so does the link; to the first nothing did.
      assert.match(await links(), /^0 [1-9]/);
      // The lease is renewed by the leader: the second asks it by its URL.
      const lease = await client.leases.grant(60);
      assert.equal(await asked.leases.keepAliveOnce(lease.id), 60);
      assert.match(await links(), /^0 [1-9]/);

      const moved = async (what: string, of: bigint, url: string, then: string): Promise<void> => {
        await client.cluster.update(of, [url]);
        await until(`${what}: ${then}`, 10_000, async () => (await links()) === then);
        assert.equal(await asked.leases.keepAliveOnce(lease.id), 60);
      };
      const { id: firstId = 0n } = (await client.cluster.list()).find((of) => of.id !== id) ?? {};
      await moved("the second asks for TLS", id, secured(second.peerUrl), "0 0");
      await moved("the first asks for none", firstId, first.peerUrl, "1 0");
      assert.equal(await links(), "2 0", "the link, and what asks about leases");
      // What asked without TLS does not stay open beside what asks with it.
      await moved("the first asks for TLS again", firstId, secured(first.peerUrl), "0 0");
    });
  });
});

async function promoted(client: Client, id: bigint): Promise<boolean> {
  return await client.cluster.promote(id).then(
    () => true,
    () => false,
  );
}
