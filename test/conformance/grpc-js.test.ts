/** @grpc/grpc-js with etcd's own definitions: calls, errors with their status codes, and the streams. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { status } from "@grpc/grpc-js";
import { type Fields, MemberClient, statusOf } from "./support/client.ts";
import { withQuorate } from "./support/twins.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
/** mvccpb.Event.EventType. */
const DELETE = 1;
const revisionOf = (answer: Fields): number => Number((answer["header"] as Fields)["revision"]);

async function withClient(body: (client: MemberClient) => Promise<void>): Promise<void> {
  await withQuorate({}, async (cluster) => {
    const client = new MemberClient(cluster.member(0).endpoint);
    try {
      await body(client);
    } finally {
      client.close();
    }
  });
}

describe("grpc-js", () => {
  it("puts, ranges, deletes and compares with every field where etcd puts it", async () => {
    await withClient(async (client) => {
      const put = await client.call("KV/Put", { key: bytes("k"), value: bytes("v") });
      const again = await client.call("KV/Put", {
        key: bytes("k"),
        value: bytes("w"),
        prevKv: true,
      });
      assert.equal(revisionOf(again), revisionOf(put) + 1);
      assert.deepEqual((again["prevKv"] as Fields)["value"], bytes("v"));
      const range = await client.call("KV/Range", { key: bytes("k") });
      const [row] = range["kvs"] as Fields[];
      assert.equal(range["count"], "1");
      assert.equal(row?.["version"], "2");
      assert.equal(row?.["createRevision"], String(revisionOf(put)));
      const txn = await client.call("KV/Txn", {
        compare: [{ result: 0, target: 0, key: bytes("k"), version: 2 }],
        success: [{ requestDeleteRange: { key: bytes("k"), prevKv: true } }],
        failure: [],
      });
      assert.equal(txn["succeeded"], true);
      const [response = {}] = txn["responses"] as Fields[];
      assert.equal((response["responseDeleteRange"] as Fields)["deleted"], "1");
    });
  });

  it("errors carry etcd's status codes and texts", async () => {
    await withClient(async (client) => {
      const refused = async (
        name: string,
        request: Fields,
        code: number,
        text: RegExp,
      ): Promise<void> => {
        await assert.rejects(client.call(name, request), (thrown: Error) => {
          assert.equal(statusOf(thrown), code, thrown.message);
          assert.match(thrown.message, text);
          return true;
        });
      };
      const key = bytes("k");
      await refused(
        "KV/Put",
        { key: bytes("") },
        status.INVALID_ARGUMENT,
        /etcdserver: key is not provided/,
      );
      await refused("KV/Put", { key, lease: "99" }, status.NOT_FOUND, /requested lease not found/);
      await refused("KV/Range", { key, revision: 99 }, status.OUT_OF_RANGE, /is a future revision/);
      await refused("KV/Compact", { revision: 99 }, status.OUT_OF_RANGE, /is a future revision/);
      await refused(
        "Lease/LeaseRevoke",
        { ID: "99" },
        status.NOT_FOUND,
        /requested lease not found/,
      );
      await refused("Cluster/MemberRemove", { ID: "99" }, status.NOT_FOUND, /member not found/);
    });
  });

  it("a watch stream reports creation, events in order, progress and cancellation", async () => {
    await withClient(async (client) => {
      const stream = client.open("Watch/Watch");
      const answers = stream[Symbol.asyncIterator]() as AsyncIterator<Fields>;
      const next = async (): Promise<Fields> => (await answers.next()).value as Fields;
      stream.write({ createRequest: { key: bytes("w"), rangeEnd: bytes("x"), prevKv: true } });
      const created = await next();
      assert.equal(created["created"], true);
      for (let n = 0; n < 5; n++) {
        await client.call("KV/Put", { key: bytes("w"), value: bytes(String(n)) });
      }
      await client.call("KV/DeleteRange", { key: bytes("w") });
      const events: Fields[] = [];
      while (events.length < 6) events.push(...((await next())["events"] as Fields[]));
      const values = events.map((event) => String((event["kv"] as Fields)["value"]));
      assert.deepEqual(values, ["0", "1", "2", "3", "4", ""]);
      const { type, prevKv } = events[5] ?? {};
      assert.equal(type, DELETE);
      assert.deepEqual((prevKv as Fields)["value"], bytes("4"));
      stream.write({ cancelRequest: { watchId: created["watchId"] } });
      assert.equal((await next())["canceled"], true);
      stream.end();
    });
  });

  it("a hundred watch streams that are not read for a while keep their connection, and miss nothing", async () => {
    await withQuorate({}, async (cluster) => {
      const { endpoint } = cluster.member(0);
      const [reader, writer] = [new MemberClient(endpoint), new MemberClient(endpoint)];
      const streams = Array.from({ length: 100 }, () => reader.open("Watch/Watch"));
      const answers = streams.map((stream) => stream[Symbol.asyncIterator]());
      for (const stream of streams) stream.write({ createRequest: { key: bytes("w") } });
      for (const each of answers) {
        assert.equal(((await each.next()).value as Fields)["created"], true);
      }
      // 200 MB for all: three times what a member keeps for a client that takes nothing.
      const expected: number[] = [];
      for (let n = 0; n < 20; n++) {
        const answer = await writer.call("KV/Put", {
          key: bytes("w"),
          value: Buffer.alloc(100_000),
        });
        expected.push(revisionOf(answer));
      }
      for (const each of answers) {
        const seen: number[] = [];
        while (seen.length < expected.length) {
          const { events } = (await each.next()).value as { events: Fields[] };
          seen.push(...events.map(({ kv }) => Number((kv as Fields)["modRevision"])));
        }
        assert.deepEqual(seen, expected);
      }
      for (const stream of streams) stream.end();
      for (const client of [reader, writer]) client.close();
    });
  });

  it("transactions that read 600 MB at once over one connection are all answered", async () => {
    await withClient(async (client) => {
      const key = bytes("large");
      await client.call("KV/Put", { key, value: Buffer.alloc(1_000_000) });
      const read = { success: [{ requestRange: { key } }] };
      const answers = Array.from({ length: 600 }, async () => {
        const answer = await client.call("KV/Txn", read, 30_000);
        const [response = {}] = answer["responses"] as Fields[];
        return (response["responseRange"] as Fields)["count"];
      });
      assert.deepEqual(new Set(await Promise.all(answers)), new Set(["1"]));
    });
  });

  it("a lease's stream keeps it alive, and without it the lease ends", async () => {
    await withClient(async (client) => {
      const { ID } = await client.call("Lease/LeaseGrant", { TTL: 2 });
      await client.call("KV/Put", { key: bytes("held"), lease: ID });
      const stream = client.open("Lease/LeaseKeepAlive");
      const answers = stream[Symbol.asyncIterator]() as AsyncIterator<Fields>;
      const end = performance.now() + 5000;
      while (performance.now() < end) {
        stream.write({ ID });
        const answer = (await answers.next()).value as Fields;
        assert.equal(answer["TTL"], "2");
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.equal((await client.call("KV/Range", { key: bytes("held") }))["count"], "1");
      stream.end();
      const watch = client.open("Watch/Watch");
      watch.write({ createRequest: { key: bytes("held"), startRevision: 3 } });
      for await (const answer of watch as AsyncIterable<Fields>) {
        const [event] = answer["events"] as Fields[];
        if (event !== undefined) {
          assert.equal(event["type"], DELETE);
          break;
        }
      }
      assert.equal((await client.call("KV/Range", { key: bytes("held") }))["count"], "0");
    });
  });
});
