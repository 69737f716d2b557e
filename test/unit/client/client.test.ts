/** The client's parts at one real member, over a wire that can be cut. */
import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { after, before, beforeEach, describe, it } from "node:test";
import { Cluster } from "../../conformance/support/cluster.ts";
import { until } from "../../conformance/support/tools.ts";
import {
  Client,
  ClientError,
  type Compare,
  CompactedError,
  type KeyValue,
  type PutResult,
  type RangeResult,
  compare,
  op,
} from "../../../src/client/client.ts";
import { QUICK } from "../node/process/support.ts";
import { Wire, withLibrary } from "./support.ts";

let cluster: Cluster;
let wire: Wire;
let client: Client;

before(async () => {
  cluster = await Cluster.start({ product: "quorate", members: 1, flags: QUICK });
  wire = await Wire.open(cluster.member(0).endpoint);
  client = new Client({ endpoints: [wire.endpoint], attemptTimeoutMs: 1_000 });
});
after(async () => {
  client.close();
  wire.close();
  await cluster.stop({ keep: false });
});
beforeEach(() =>
  withLibrary({ endpoints: [cluster.member(0).endpoint] }, (direct) =>
    direct.kv.delete({ prefix: "" }),
  ),
);

const texts = (rows: readonly KeyValue[]): string[] => rows.map(({ keyText }) => keyText);

describe("client.kv", () => {
  it("puts, gets and deletes text and bytes", async () => {
    const bytes = new Uint8Array([0, 255, 128]);
    const { revision, previous } = await client.kv.put("k", "héllo");
    assert.equal(previous, null);
    const row = await client.kv.get("k");
    assert.equal(row?.text, "héllo");
    assert.deepEqual([row.modRevision, row.version, row.lease], [revision, 1, 0n]);
    const second = await client.kv.put("k", bytes, { previous: true });
    assert.equal(second.previous?.text, "héllo");
    assert.deepEqual(new Uint8Array((await client.kv.get("k"))?.value ?? []), bytes);
    const old = await client.kv.get("k", { revision });
    assert.equal(old?.text, "héllo");
    await client.kv.put(bytes, '{"a":1}');
    assert.deepEqual((await client.kv.get(bytes, { serializable: true }))?.json(), { a: 1 });
    const { deleted, previous: gone } = await client.kv.delete("k", { previous: true });
    assert.deepEqual([deleted, texts(gone)], [1, ["k"]]);
    assert.equal(await client.kv.get("k"), null);
  });

  it("understands single keys, prefixes, intervals and everything", async () => {
    for (const key of ["a", "b/1", "b/2", "b0", "c"]) await client.kv.put(key, key);
    const keys = async (range: Parameters<Client["kv"]["getAll"]>[0]): Promise<string[]> =>
      texts((await client.kv.getAll(range)).rows);
    assert.deepEqual(await keys("b/1"), ["b/1"]);
    assert.deepEqual(await keys({ prefix: "b/" }), ["b/1", "b/2"]);
    assert.deepEqual(await keys({ prefix: "" }), ["a", "b/1", "b/2", "b0", "c"]);
    assert.deepEqual(await keys({ from: "b/2" }), ["b/2", "b0", "c"]);
    assert.deepEqual(await keys({ from: "", end: "b0" }), ["a", "b/1", "b/2"]);
    assert.equal(await client.kv.count({ prefix: "b" }), 3);
    const newest = await client.kv.range(
      { prefix: "" },
      { sort: { by: "mod", order: "descend" }, limit: 2, keysOnly: true },
    );
    assert.deepEqual([texts(newest.rows), newest.count, newest.more], [["c", "b0"], 5, true]);
    assert.equal(newest.rows[0]?.text, "");
  });

  it("reads pages as of the revision of the first", async () => {
    for (let at = 0; at < 9; at++) await client.kv.put(`p/${at}`, "old");
    const seen: string[] = [];
    let pages = 0;
    for await (const { rows } of client.kv.pages({ prefix: "p/" }, { pageSize: 4 })) {
      for (const row of rows) seen.push(`${row.keyText}=${row.text}`);
      if (pages++ === 0) {
        await client.kv.put("p/8", "new");
        await client.kv.put("p/9", "new");
      }
    }
    assert.equal(pages, 3);
    assert.deepEqual(
      seen,
      Array.from({ length: 9 }, (_, at) => `p/${at}=old`),
    );
  });

  it("fails with etcd's errors, by name", async () => {
    await assert.rejects(client.kv.put("", "x"), (error) => {
      assert.ok(error instanceof ClientError && error.is("emptyKey"));
      assert.deepEqual([error.code, error.outcomeUnknown], ["invalidArgument", false]);
      return true;
    });
    const { revision } = await client.kv.put("k", "v");
    await client.kv.compact(revision, { physical: true });
    await assert.rejects(client.kv.get("k", { revision: revision - 1 }), CompactedError);
  });
});

describe("client.kv.txn", () => {
  it("answers each operation in its own type, by which branch was taken", async () => {
    const txn = client.kv
      .txn()
      .if(compare.missing("owner"))
      .do(op.put("owner", "me"), op.range({ prefix: "own" }))
      .else(op.get("owner"));
    const first = await txn.commit();
    assert.ok(first.succeeded);
    // What the compiler knows is part of the claim.
    const [put, range]: readonly [PutResult, RangeResult] = first.responses;
    assert.equal(put.revision, first.revision);
    assert.deepEqual(texts(range.rows), ["owner"]);
    const second = await txn.commit();
    assert.ok(!second.succeeded);
    const [row]: readonly [KeyValue | null] = second.responses;
    assert.equal(row?.text, "me");
    const answers: 1 = second.responses.length;
    assert.equal(answers, 1);
  });

  it("compares versions, revisions, values and leases", async () => {
    const { revision } = await client.kv.put("k", "v");
    const holds = async (condition: Compare): Promise<boolean> =>
      (await client.kv.txn().if(condition).commit()).succeeded;
    assert.ok(await holds(compare.version("k", "=", 1)));
    assert.ok(await holds(compare.modRevision("k", "<", revision + 1)));
    assert.ok(await holds(compare.createRevision("k", ">", revision - 1)));
    assert.ok(await holds(compare.value("k", "!=", "w")));
    assert.ok(await holds(compare.lease("k", "=", 0n)));
    assert.ok(await holds(compare.exists("k")));
    assert.ok(!(await holds(compare.missing({ prefix: "" }))));
  });

  it("nests", async () => {
    const inner = client.kv.txn().if(compare.exists("a")).do(op.get("a")).else(op.put("a", "1"));
    const outer = client.kv.txn().do(inner.asOp(), op.delete({ prefix: "z" }));
    const result = await outer.commit();
    assert.ok(result.succeeded);
    const [nested, deletion] = result.responses;
    assert.equal(deletion.deleted, 0);
    assert.ok(!nested.succeeded && nested.responses[0].previous === null);
    assert.equal((await client.kv.get("a"))?.text, "1");
  });

  it("is not mistaken for a promise when it is awaited", async () => {
    const txn = await Promise.resolve(client.kv.txn().do(op.put("k", "v")));
    assert.ok((await txn.commit()).succeeded);
  });
});

describe("client.watch", () => {
  it("gives each change with its kind, its row and the value before it", async () => {
    const watch = client.watch({ prefix: "w/" }, { previous: true });
    await watch.started;
    await client.kv.put("w/1", "a");
    await client.kv.put("w/1", "b");
    await client.kv.delete("w/1");
    const seen: unknown[] = [];
    for await (const { events } of watch) {
      for (const { kind, row, previous, isCreate } of events)
        seen.push([kind, row.keyText, row.text, previous?.text ?? null, isCreate]);
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, [
      ["put", "w/1", "a", null, true],
      ["put", "w/1", "b", "a", false],
      ["delete", "w/1", "", "b", false],
    ]);
  });

  it("goes on without gap or repeat when its connection is cut again and again", async () => {
    const watch = client.watch({ prefix: "r/" });
    await watch.started;
    const seen: string[] = [];
    const ended = watch.run(({ events }) => {
      for (const { row } of events) seen.push(row.keyText);
    });
    const written: string[] = [];
    await withLibrary({ endpoints: [cluster.member(0).endpoint] }, async (writer) => {
      for (let at = 0; at < 300; at++) {
        const key = `r/${String(at).padStart(4, "0")}`;
        // Two keys of one revision come together or not at all.
        await writer.kv
          .txn()
          .do(op.put(key, ""), op.put(`${key}b`, ""))
          .commit();
        written.push(key, `${key}b`);
        if (at % 60 === 30) wire.cut();
      }
    });
    await until("all events came", 5_000, () => seen.length >= written.length);
    await watch.close();
    await ended;
    assert.deepEqual(seen, written);
  });

  it("that was told nothing yet misses nothing of a cut, either", async () => {
    const watch = client.watch("quiet");
    const first = await watch.started;
    wire.swallow();
    await withLibrary({ endpoints: [cluster.member(0).endpoint] }, (writer) =>
      writer.kv.put("quiet", "x"),
    );
    wire.restore();
    for await (const { events } of watch) {
      assert.deepEqual(
        events.map(({ row }) => [row.text, row.modRevision >= first]),
        [["x", true]],
      );
      break;
    }
  });

  it("fails with the compact revision where its past is gone", async () => {
    const { revision } = await client.kv.put("k", "1");
    await client.kv.put("k", "2");
    await client.kv.compact(revision + 1);
    const watch = client.watch("k", { fromRevision: revision });
    await assert.rejects(
      watch.run(() => {}),
      (error) => {
        assert.ok(error instanceof CompactedError);
        assert.equal(error.compactRevision, revision + 1);
        return true;
      },
    );
  });

  it("filters, tells progress when asked, and ends with its signal", async () => {
    const controller = new AbortController();
    const watch = client.watch("k", { only: "deletes", signal: controller.signal });
    await watch.started;
    await client.kv.put("k", "v");
    const { revision } = await client.kv.delete("k");
    const seen: unknown[] = [];
    for await (const { events, nextRevision } of watch) {
      seen.push([events.map(({ kind }) => kind), nextRevision]);
      if (events.length > 0) watch.requestProgress();
      else controller.abort();
    }
    assert.deepEqual(seen, [
      [["delete"], revision + 1],
      [[], revision + 1],
    ]);
  });

  it("a reader that is slow holds back its own stream, and loses nothing", async () => {
    const watch = client.watch({ prefix: "s/" });
    await watch.started;
    const count = 400;
    for (let at = 0; at < count; at++) await client.kv.put(`s/${at}`, "x".repeat(2_000));
    const seen: string[] = [];
    for await (const { events } of watch) {
      if (seen.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const { row } of events) seen.push(row.keyText);
      if (seen.length >= count) break;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_, at) => `s/${at}`),
    );
  });

  it("of nothing is refused, and says why", async () => {
    const watch = client.watch({ from: "b", end: "a" });
    await assert.rejects(
      watch.run(() => {}),
      { message: "mvcc: watcher range is empty" },
    );
    await assert.rejects(watch.started, { message: "mvcc: watcher range is empty" });
  });
});

describe("client.cluster and client.maintenance", () => {
  it("know the members, and take their addresses", async () => {
    const [member] = await client.cluster.list();
    assert.equal(member?.name, "m0");
    const direct = cluster.member(0).clientUrl;
    assert.deepEqual(await client.sync(), [direct]);
    client.setEndpoints([wire.endpoint]);
    assert.equal(await client.maintenance.leader(), wire.endpoint);
    const status = await client.maintenance.status({ endpoint: direct });
    assert.equal(status.leader, member.id);
    assert.deepEqual(await client.maintenance.alarms(), []);
    await client.maintenance.defragment();
    const here = await client.maintenance.hashKv();
    assert.deepEqual(here.hash, (await client.maintenance.hashKv({ endpoint: direct })).hash);
    await assert.rejects(client.cluster.remove(77n), (error) => {
      assert.ok(error instanceof ClientError && error.is("memberNotFound"));
      return true;
    });
  });
});

describe("a client", () => {
  it("is refused without a usable endpoint or deadline", () => {
    const bad = (endpoint: string): object => ({
      code: "configuration",
      message: `'${endpoint}' is no endpoint: write host:port or a URL`,
    });
    for (const endpoint of ["", "a b", "ftp://x", "host:port", "http://h:1/path"])
      assert.throws(() => new Client({ endpoints: [endpoint] }), bad(endpoint));
    assert.throws(() => new Client({ endpoints: [] }), { code: "configuration" });
    const endpoints = ["h"];
    assert.throws(() => new Client({ endpoints, timeoutMs: 0 }), { code: "configuration" });
    const tls = { cert: { file: "/nowhere/cert.pem" }, key: { file: "/nowhere/key.pem" } };
    assert.throws(() => new Client({ endpoints, tls }), {
      code: "configuration",
      message: /^tls: \/nowhere\/.*\.pem cannot be read/,
    });
    assert.throws(() => new Client({ endpoints, tls: { cert: "x" } }), {
      message: "tls: cert and key belong together: give both or neither",
    });
  });

  it("takes many calls at once, under one signal, without a warning", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", onWarning);
    const { signal } = new AbortController();
    // As every signal has on Node 20.
    setMaxListeners(10, signal);
    const calls = Array.from({ length: 50 }, () => client.kv.get("k", { signal }));
    const watches = Array.from({ length: 20 }, () => client.watch("k", { signal }));
    await Promise.all([...calls, ...watches.map((watch) => watch.started)]);
    await Promise.all(watches.map((watch) => watch.close()));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    assert.deepEqual(warnings, []);
  });

  it("is closed at the end of its scope", async () => {
    let kept: Client | null = null;
    {
      await using scoped = new Client({ endpoints: [cluster.member(0).endpoint] });
      await scoped.kv.put("k", "v");
      kept = scoped;
    }
    await assert.rejects(kept.kv.get("k"), { code: "cancelled", message: "the client was closed" });
  });
});
