/** The npm client `etcd3`, as its users use it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { withQuorate } from "./support/twins.ts";

async function withClient(body: (client: Etcd3) => Promise<void>): Promise<void> {
  await withQuorate({ members: 3 }, async (cluster) => {
    const client = new Etcd3({ hosts: cluster.members.map(({ clientUrl }) => clientUrl) });
    try {
      await body(client);
    } finally {
      client.close();
    }
  });
}

describe("npm etcd3", () => {
  it("puts, gets, lists and deletes", async () => {
    await withClient(async (client) => {
      await client.put("service/a").value("1");
      await client.put("service/b").value("2");
      assert.equal(await client.get("service/a").string(), "1");
      assert.deepEqual(await client.getAll().prefix("service/").strings(), {
        "service/a": "1",
        "service/b": "2",
      });
      const { deleted } = await client.delete().prefix("service/");
      assert.equal(deleted, "2");
      assert.equal(await client.get("service/a").string(), null);
    });
  });

  it("a transaction takes the branch its compare chooses", async () => {
    await withClient(async (client) => {
      const create = async (value: string): Promise<boolean> => {
        const answer = await client
          .if("once", "Create", "==", 0)
          .then(client.put("once").value(value))
          .else(client.get("once"))
          .commit();
        return answer.succeeded;
      };
      assert.equal(await create("first"), true);
      assert.equal(await create("second"), false);
      assert.equal(await client.get("once").string(), "first");
    });
  });

  it("a watcher sees each event once, in order", async () => {
    await withClient(async (client) => {
      const watcher = await client.watch().prefix("w/").create();
      const seen: string[] = [];
      const done = new Promise<void>((resolve) => {
        watcher.on("put", (kv) => {
          seen.push(String(kv.value));
          if (seen.length === 20) resolve();
        });
      });
      for (let n = 0; n < 20; n++) await client.put(`w/${n % 3}`).value(n);
      await done;
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => String(n)),
      );
      await watcher.cancel();
    });
  });

  it("a lease's keys go when it is revoked", async () => {
    await withClient(async (client) => {
      const lease = client.lease(10);
      await lease.put("leased").value("x");
      assert.equal(await client.get("leased").string(), "x");
      await lease.revoke();
      assert.equal(await client.get("leased").string(), null);
    });
  });

  it("a lock is held by one at a time", async () => {
    await withClient(async (client) => {
      const first = client.lock("door");
      await first.acquire();
      await assert.rejects(client.lock("door").acquire(), /lock/i);
      await first.release();
      await client.lock("door").do(async () => assert.ok(true));
    });
  });

  it("an election has one leader, and another once it resigns", async () => {
    await withClient(async (client) => {
      const election = client.election("chair", 5);
      const ann = election.campaign("ann");
      await once(ann, "elected");
      assert.equal(await election.leader(), "ann");
      const bob = election.campaign("bob");
      const elected = once(bob, "elected");
      await ann.resign();
      await elected;
      assert.equal(await election.leader(), "bob");
      await bob.resign();
    });
  });
});
