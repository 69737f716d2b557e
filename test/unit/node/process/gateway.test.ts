/** The JSON gateway of a real member, over HTTP/1.1, HTTP/2 and WebSockets; locks and elections through it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { connect as connectTcp } from "node:net";
import { describe, it } from "node:test";
import { Cluster, type Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";
import { withMembers } from "./support.ts";

const b64 = (text: string): string => Buffer.from(text).toString("base64");
const key = b64("foo");

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(
  member: Member,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal = AbortSignal.timeout(15_000),
): Promise<Reply> {
  const response = await fetch(member.clientUrl + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal,
  });
  return { status: response.status, body: (await response.json()) as Reply["body"] };
}

async function metric(member: Member, name: string): Promise<number> {
  const text = await (await fetch(`${member.clientUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function withMember(
  flags: readonly string[],
  body: (member: Member) => Promise<void>,
): Promise<void> {
  await withMembers(1, flags, async (cluster) => await body(cluster.member(0)));
}

async function lease(member: Member, ttl = 60): Promise<string> {
  const { body } = await post(member, "/v3/lease/grant", { TTL: ttl });
  return String(body["ID"]);
}

async function keysBelow(member: Member, prefix: string): Promise<number> {
  const range = { key: b64(`${prefix}/`), range_end: b64(`${prefix}0`), count_only: true };
  const { body } = await post(member, "/v3/kv/range", range);
  return Number(body["count"] ?? 0);
}

/** By claim; they share a member. */
const CASES: Readonly<Record<string, (member: Member) => Promise<void>>> = {
  "serves HTTP/2 as it serves HTTP/1.1, streams too": async (member) => {
    const session = connect(member.clientUrl);
    try {
      const send = (path: string, body: object): ReturnType<typeof session.request> =>
        session.request({ ":method": "POST", ":path": path }).end(JSON.stringify(body));
      const watch = send("/v3/watch", { create_request: { key } });
      const [headers] = (await once(watch, "response")) as [Record<string, unknown>];
      assert.equal(headers[":status"], 200);
      assert.equal(headers["content-type"], "application/json");
      let lines = "";
      watch.setEncoding("utf8").on("data", (text: string) => (lines += text));
      const put = send("/v3/kv/put", { key, value: b64("bar") });
      assert.equal(((await once(put, "response")) as [Record<string, unknown>])[0][":status"], 200);
      await until("the event", 5_000, () => lines.split("\n").length === 3);
      assert.match(lines.split("\n")[1] ?? "", /"events":\[\{"kv":\{"key":"Zm9v",/);
      const bad = send("/v3/kv/put", { key: 7 });
      assert.equal(((await once(bad, "response")) as [Record<string, unknown>])[0][":status"], 400);
      watch.close();
      await until("the watch is gone", 5_000, async () => {
        return (await metric(member, "etcd_debugging_mvcc_watch_stream_total")) === 0;
      });
    } finally {
      session.destroy();
    }
  },
  "holds a watch back whose client does not read, and loses none of its events": async (member) => {
    const { hostname, port } = new URL(member.clientUrl);
    const socket = connectTcp(Number(port), hostname);
    await once(socket, "connect");
    const body = JSON.stringify({ create_request: { key } });
    socket.write(
      `POST /v3/watch HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await once(socket, "data");
    socket.pause();
    const puts = 70;
    const value = Buffer.alloc(200_000, 1).toString("base64");
    for (let n = 0; n < puts; n++) {
      assert.equal((await post(member, "/v3/kv/put", { key, value })).status, 200);
    }
    assert.equal(await metric(member, "etcd_debugging_mvcc_slow_watcher_total"), 1);
    let last = 0;
    let tail = "";
    let events = 0;
    socket.on("data", (chunk: Buffer) => {
      const text = tail + chunk.toString("latin1");
      for (const match of text.matchAll(/"mod_revision":"(\d+)"/g)) {
        const revision = Number(match[1]);
        if (revision <= last) continue; // the tail was read before
        if (last !== 0) assert.equal(revision, last + 1);
        last = revision;
        events++;
      }
      tail = text.slice(-40);
    });
    socket.resume();
    await until("all events", 20_000, () => events === puts);
    socket.destroy();
  },
  "ends what a client has left: its watch, and its place in the queue for a lock": async (
    member,
  ) => {
    const [holder, waiter] = [await lease(member), await lease(member)];
    const name = b64("door2");
    const held = await post(member, "/v3/lock/lock", { name, lease: holder });
    const abort = new AbortController();
    const waiting = post(member, "/v3/lock/lock", { name, lease: waiter }, {}, abort.signal);
    await until(
      "the waiter stands in line",
      5_000,
      async () => (await keysBelow(member, "door2")) === 2,
    );
    abort.abort();
    await assert.rejects(waiting);
    await until("its key is gone", 5_000, async () => (await keysBelow(member, "door2")) === 1);
    assert.equal(await metric(member, "etcd_debugging_mvcc_watch_stream_total"), 0);
    await post(member, "/v3/lock/unlock", { key: held.body["key"] as string });
    const again = await post(member, "/v3/lock/lock", { name, lease: waiter });
    assert.equal(again.status, 200);
  },
  "gives a lock to one after the other, in the order of their asking": async (member) => {
    const name = b64("door3");
    const order: number[] = [];
    const leases = await Promise.all(Array.from({ length: 4 }, () => lease(member)));
    const all = leases.map(async (id, at) => {
      await until("its turn to ask", 10_000, async () => (await keysBelow(member, "door3")) >= at);
      const { body, status } = await post(member, "/v3/lock/lock", { name, lease: id });
      assert.equal(status, 200);
      order.push(at);
      if (order.length === 1) {
        await until("all ask", 10_000, async () => (await keysBelow(member, "door3")) === 4);
      }
      await post(member, "/v3/lock/unlock", { key: body["key"] as string });
    });
    await Promise.all(all);
    assert.deepEqual(order, [0, 1, 2, 3]);
  },
  "a deadline ends the wait for a lock, or for leadership, and leaves no key": async (member) => {
    const [one, two] = [await lease(member), await lease(member)];
    const headers = { "grpc-timeout": "300m" };
    const value = b64("v");
    for (const [path, name] of [
      ["/v3/lock/lock", "door4"],
      ["/v3/election/campaign", "chair4"],
    ] as const) {
      assert.equal((await post(member, path, { name: b64(name), lease: one, value })).status, 200);
      const late = await post(member, path, { name: b64(name), lease: two, value }, headers);
      assert.equal(late.status, 504);
      assert.deepEqual(late.body, { code: 4, message: "context deadline exceeded" });
      await until(`one key of ${name}`, 5_000, async () => (await keysBelow(member, name)) === 1);
    }
  },
  "who waits for a lock whose lease ends gets it; whose own lease ends is told": async (member) => {
    const name = b64("door5");
    const [brief, own] = [await lease(member, 2), await lease(member)];
    await post(member, "/v3/lock/lock", { name, lease: brief });
    const next = post(member, "/v3/lock/lock", { name, lease: own });
    const lost = await lease(member);
    await until("two in line", 5_000, async () => (await keysBelow(member, "door5")) === 2);
    assert.equal((await next).status, 200, "the lease of 2 s has ended");
    const late = post(member, "/v3/lock/lock", { name, lease: lost });
    await until("another waits", 5_000, async () => (await keysBelow(member, "door5")) === 2);
    await post(member, "/v3/lease/revoke", { ID: lost });
    await post(member, "/v3/lease/revoke", { ID: own });
    const { status, body } = await late;
    assert.equal(status, 500);
    assert.deepEqual(body, { code: 2, message: "mutex: session is expired" });
  },
};

describe("the gateway", () => {
  it("of one member", async (context) => {
    await withMember([], async (member) => {
      for (const [claim, body] of Object.entries(CASES)) {
        await context.test(claim, async () => await body(member));
      }
    });
  });

  it("of one member, without TLS on a port that has it", async (context) => {
    const cluster = await Cluster.prepare({ product: "quorate", members: 1 });
    const member = cluster.member(0);
    const secure = member.clientUrl.replace("http:", "https:");
    const flags = [`--listen-client-urls=${secure}`, "--auto-tls", "--client-allow-plaintext"];
    member.start(cluster.initialCluster, "new", flags);
    try {
      await member.awaitHealthy();
      for (const [claim, body] of Object.entries(CASES)) {
        await context.test(claim, async () => await body(member));
      }
      const socket = new WebSocket(`${member.clientUrl.replace("http:", "ws:")}/v3/watch`);
      await once(socket, "open");
      socket.send(JSON.stringify({ create_request: { key } }));
      const [{ data }] = (await once(socket, "message")) as [{ data: string }];
      assert.match(data, /"created":true/);
      socket.close();
    } finally {
      await cluster.stop();
    }
  });

  it("answers a body that is too large, and one that never ends, within its bounds", async () => {
    await withMember(["--max-request-bytes=1000"], async (member) => {
      const large = await post(member, "/v3/kv/put", { key, value: b64("x".repeat(600_000)) });
      assert.equal(large.status, 429);
      assert.match(String(large.body["message"]), /larger than max/);
      const refused = await post(member, "/v3/kv/put", { key, value: b64("x".repeat(2_000)) });
      assert.deepEqual(refused.body, { code: 3, message: "etcdserver: request is too large" });
      const { hostname, port } = new URL(member.clientUrl);
      const socket = connectTcp(Number(port), hostname);
      socket.on("error", () => {});
      let said = "";
      socket.setEncoding("utf8").on("data", (text: string) => (said += text));
      socket.write(
        'POST /v3/kv/put HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{"value":\r\n',
      );
      const piece = `10000\r\n${" ".repeat(65_536)}\r\n`;
      for (let n = 0; n < 40 && said === "" && !socket.destroyed; n++) {
        socket.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until("a refusal", 5_000, () => said.includes("429"));
      socket.destroy();
    });
  });

  it("is not there without --enable-grpc-gateway, nor for a host outside --host-whitelist", async () => {
    await withMember(["--enable-grpc-gateway=false"], async (member) => {
      const response = await fetch(`${member.clientUrl}/v3/kv/range`, {
        method: "POST",
        body: "{}",
      });
      assert.equal(response.status, 404);
      assert.equal(await response.text(), "404 page not found\n");
    });
    await withMember(["--host-whitelist=127.0.0.1,inside.example"], async (member) => {
      assert.equal((await post(member, "/v3/kv/range", { key })).status, 200);
      const { hostname, port } = new URL(member.clientUrl);
      const ask = async (host: string, upgrade: string): Promise<string> => {
        const socket = connectTcp(Number(port), hostname).setEncoding("utf8");
        socket.end(
          `POST /v3/kv/range HTTP/1.1\r\nhost: ${host}\r\n${upgrade}content-length: 2\r\n\r\n{}`,
        );
        const [text] = (await once(socket, "data")) as [string];
        socket.destroy();
        return text.slice(0, text.indexOf("\r\n"));
      };
      assert.equal(await ask("inside.example:1", ""), "HTTP/1.1 400 Bad Request");
      assert.equal(await ask("outside.example", ""), "HTTP/1.1 421 Misdirected Request");
      const upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
      assert.equal(await ask("outside.example", upgrade), "HTTP/1.1 421 Misdirected Request");
    });
  });
});
