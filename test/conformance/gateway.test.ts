/** The JSON gateway answers as etcd's does: paths, statuses, headers, fields, texts, streams and WebSockets. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Cluster } from "./support/cluster.ts";
import { b64, differences, GatewaySession, type GatewayStep } from "./support/gateway.ts";
import { Normaliser } from "./support/normalise.ts";
import { withTwins } from "./support/twins.ts";

function sameAsEtcd(
  claim: string,
  steps: readonly GatewayStep[],
  flags: readonly string[] = [],
): void {
  it(claim, async () => {
    await withTwins({ flags }, async (etcd, quorate) => {
      const [expected, actual] = await Promise.all(
        [etcd, quorate].map((cluster) => new GatewaySession(cluster).play(steps)),
      );
      assert.ok(expected !== undefined && actual !== undefined && expected.length > 0);
      assert.equal(differences(expected, actual), "");
    });
  });
}

const post = (path: string, body: object | string): GatewayStep => ({
  path,
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const key = b64("foo");

describe("the gateway", () => {
  sameAsEtcd("serves KV, with fields by either name and numbers of either kind", [
    post("/v3/kv/put", { key, value: b64("bar") }),
    post("/v3/kv/put", { key, value: b64("baz"), prevKv: true }),
    post("/v3/kv/put", { key: "--__", value: "_-8" }),
    post("/v3/kv/put", { key: b64("a"), value: "YQ", unknown: { deep: [1, { x: null }] } }),
    post("/v3/kv/range", { key }),
    post("/v3/kv/range", { key: "AA==", range_end: "AA==", limit: "2" }),
    post("/v3/kv/range", { key: "AA==", rangeEnd: "AA==", limit: 2.0, sortOrder: "DESCEND" }),
    post("/v3/kv/range", '{"key":"AA==","range_end":"AA==","count_only":true,"limit":1e1}'),
    post("/v3/kv/range", { key, sort_order: 2, sort_target: "NO_SUCH", revision: "2" }),
    post("/v3/kv/range", { key, keys_only: true, serializable: true, lease: null }),
    post("/v3beta/kv/range", { key }),
    post("/v3/kv/txn", {
      compare: [{ key, target: "VALUE", result: "EQUAL", value: b64("baz") }],
      success: [
        { request_put: { key: b64("b"), value: b64("<&>") } },
        { requestRange: { key } },
        { request_delete_range: { key: b64("a"), prev_kv: true } },
        { request_txn: { success: [{ request_range: { key } }] } },
      ],
    }),
    post("/v3/kv/txn", { compare: [{ key, target: "CREATE", create_revision: 0 }], failure: [] }),
    post("/v3/kv/deleterange", { key, prev_kv: true }),
    post("/v3/kv/compaction", { revision: "3", physical: true }),
    post("/v3/kv/range", { key, revision: "2" }),
  ]);

  sameAsEtcd("refuses in etcd's words, with etcd's statuses", [
    ...[
      "",
      "null",
      "[]",
      "7",
      '"x"',
      "xyz",
      "tru",
      "{",
      '{"key"',
      '{"key":',
      '{"key":"Zm9v"',
      '{"key":"Zm9v",}',
      "{'key':1}",
      '{"key":"Zm9v" "value":""}',
      '{"key":"a\nb"}',
      '{"key":"\\x"}',
      '{"key":01}',
      '{"key":1.}',
      '{"key":-}',
      '{"key":1e}',
      "[1 2]",
      "]",
      '{"key":"Zm9v"} trailing',
      '{"key":1}',
      '{"key":[]}',
      '{"key":{}}',
      '{"key":true}',
      '{"key":"!!!"}',
      '{"key":"Zm9vx"}',
      '{"key":"Zm9v=="}',
      '{"key":"Zg="}',
      '{"key":"Zm9v","key":"Zm9v"}',
      '{"prev_kv":true,"prevKv":false}',
      '{\n  "key": "Zm9v",\n  "lease": "1.5"\n}',
      '{"key":"Zm9v","lease":"99999999999999999999"}',
      '{"key":"Zm9v","lease":" 1"}',
      '{"key":"Zm9v","lease":1.5}',
      '{"key":"Zm9v","lease":1e2}',
      '{"key":"Zm9v","lease":"77"}',
      '{"key":"Zm9v","prev_kv":"true"}',
      '{"key":"Zm9v","ignore_value":1}',
      '{"key":"Zm9v","value":"eA==","ignore_value":true}',
    ].map((body) => post("/v3/kv/put", body)),
    post("/v3/kv/txn", { compare: [{ key, value: "", version: "1" }] }),
    post("/v3/kv/txn", { compare: {} }),
    post("/v3/kv/txn", { compare: [null] }),
    post("/v3/kv/txn", { success: [{}] }),
    post("/v3/kv/range", { key, sort_order: 17 }),
    post("/v3/kv/range", { key, sort_order: true }),
    post("/v3/kv/range", { key, revision: "1000" }),
    post("/v3/lease/revoke", { ID: "77" }),
    post("/v3/lease/grant", { TTL: "99999999999" }),
    post("/v3/cluster/member/remove", { ID: "1" }),
    post("/v3/cluster/member/remove", { ID: -1 }),
    post("/v3/maintenance/transfer-leadership", { targetID: "12" }),
    post("/v3/lock/unlock", {}),
    post("/v3/lock/lock", { name: key, lease: "1234" }),
    post("/v3/election/campaign", { name: key, lease: "1234" }),
    post("/v3/election/proclaim", {}),
    post("/v3/election/proclaim", { leader: { key, rev: "7", lease: "3" } }),
    post("/v3/election/resign", {}),
    post("/v3/election/resign", { leader: {} }),
    post("/v3/election/leader", { name: key }),
  ]);

  sameAsEtcd("finds what etcd finds, by path and method", [
    ...["GET", "PUT", "DELETE", "OPTIONS"].map((method) => ({ method, path: "/v3/kv/range" })),
    { path: "/v3/nothing" },
    { path: "/v3/" },
    { path: "/v3/kv/range/" },
    { path: "/v3/kv/RANGE" },
    { path: "/v3beta/nothing" },
    { path: "/v3alpha/kv/range" },
    { path: "/v3/kv/range?key=Zm9v", body: "{}" },
    { path: "/health", method: "OPTIONS" },
    { path: "/nothing", method: "OPTIONS" },
    { path: "/v3/kv/range", body: "{}", headers: { "grpc-timeout": "5x" } },
    { path: "/v3/kv/range", body: "{}", headers: { "grpc-timeout": "-1S" } },
    { path: "/v3/kv/range", body: '{"key":"Zg=="}', headers: { "grpc-timeout": "20S" } },
    { path: "/v3/kv/range", body: '{"key":"Zg=="}', headers: { "grpc-timeout": "10n" } },
    { path: "/v3/kv/range", body: '{"key":"Zg=="}', headers: { authorization: "any" } },
    { path: "/v3/kv/range", body: '{"key":"Zg=="}', headers: { "content-type": "text/plain" } },
  ]);

  sameAsEtcd("serves leases, cluster, maintenance, locks and elections", [
    post("/v3/lease/grant", { TTL: "100", ID: "7587848390000001" }),
    post("/v3/kv/put", { key, lease: "7587848390000001" }),
    ...["", "/kv"].flatMap((under) => [
      post(`/v3${under}/lease/timetolive`, { ID: "7587848390000001", keys: true }),
      post(`/v3${under}/lease/leases`, {}),
    ]),
    post("/v3/lease/keepalive", { ID: "7587848390000001" }),
    post("/v3/lease/keepalive", '{"ID":"1"} {"ID":2}\n{"ID":"3"}'),
    post("/v3/lease/keepalive", ""),
    post("/v3/lease/keepalive", "{bad"),
    post("/v3/cluster/member/list", {}),
    post("/v3/cluster/member/list", { linearizable: true }),
    post("/v3/maintenance/status", {}),
    post("/v3/maintenance/alarm", { action: "ACTIVATE", memberID: "1", alarm: "NOSPACE" }),
    post("/v3/maintenance/alarm", { action: "GET" }),
    post("/v3/maintenance/alarm", { action: 2, memberID: "1", alarm: 1 }),
    post("/v3/maintenance/hashkv", {}),
    post("/v3/maintenance/defragment", {}),
    post("/v3/lock/lock", { name: b64("l"), lease: "7587848390000001" }),
    post("/v3/lock/lock", { name: b64("l"), lease: "7587848390000001" }),
    post("/v3/lock/unlock", { key: b64("l/1af51bb2d40001") }),
    {
      ...post("/v3/election/campaign", {
        name: b64("e"),
        lease: "7587848390000001",
        value: b64("one"),
      }),
      save: { leader: /"leader": ?(\{[^}]*\})/ },
    },
    post("/v3/election/campaign", { name: b64("e"), lease: "7587848390000001", value: b64("two") }),
    {
      ...post("/v3/election/observe", { name: b64("e") }),
      lines: 2,
      during: [post("/v3/election/proclaim", `{"leader":$leader,"value":"${b64("three")}"}`)],
    },
    post("/v3/election/leader", { name: b64("e") }),
    post("/v3/election/resign", '{"leader":$leader}'),
    post("/v3/election/proclaim", '{"leader":$leader}'),
    post("/v3/lease/revoke", { ID: "7587848390000001" }),
    post("/v3/kv/lease/revoke", { ID: "7587848390000001" }),
  ]);

  sameAsEtcd("streams watch responses, one a line", [
    post("/v3/kv/put", { key, value: b64("1") }),
    post("/v3/kv/put", { key, value: b64("2") }),
    {
      ...post("/v3/watch", { create_request: { key, start_revision: "2", prev_kv: true } }),
      lines: 3,
      after: 2,
      during: [post("/v3/kv/deleterange", { key })],
    },
    {
      path: "/v3/watch",
      body:
        JSON.stringify({ create_request: { key, watch_id: "5", filters: ["NOPUT", 1] } }) +
        JSON.stringify({ create_request: { key: b64("b"), range_end: b64("a") } }) +
        JSON.stringify({ createRequest: { key, watchId: 5 } }) +
        JSON.stringify({ cancel_request: { watch_id: "5" } }),
      lines: 4,
    },
    post("/v3/kv/compaction", { revision: "4" }),
    { ...post("/v3/watch", { create_request: { key, start_revision: "1" } }), lines: 2 },
  ]);

  sameAsEtcd(
    "names no origin but those of --cors",
    [
      { path: "/v3/kv/range", body: "{}", headers: { origin: "https://a.example:443" } },
      { path: "/v3/kv/range", body: "{}", headers: { origin: "https://b.example:443" } },
      { path: "/v3/kv/range", method: "GET", headers: { origin: "https://a.example:443" } },
      { path: "/v3/kv/range", method: "OPTIONS" },
    ],
    ["--cors=https://a.example:443"],
  );

  it("speaks WebSocket as etcd's does, on streams and on single replies", async () => {
    await withTwins({}, async (etcd, quorate) => {
      const [expected, actual] = await Promise.all([etcd, quorate].map(overWebSocket));
      assert.deepEqual(actual, expected);
      assert.ok((expected?.length ?? 0) > 6);
    });
  });
});

/** What a WebSocket client sees of a watch, of a range and of a path that is none. */
async function overWebSocket(cluster: Cluster): Promise<string[]> {
  const { clientUrl } = cluster.member(0);
  const normaliser = new Normaliser([]);
  const said: string[] = [];
  const open = async (path: string): Promise<WebSocket & { next: () => Promise<string> }> => {
    const socket = new WebSocket(clientUrl.replace("http", "ws") + path);
    const queue: string[] = [];
    let wake = (): void => {};
    let closed = false;
    socket.onmessage = ({ data }) => {
      queue.push(String(data));
      wake();
    };
    socket.onclose = () => {
      closed = true;
      wake();
    };
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`no WebSocket at ${path}`));
    });
    socket.onerror = null;
    const next = async (): Promise<string> => {
      while (queue.length === 0 && !closed) await new Promise<void>((resolve) => (wake = resolve));
      const text = queue.shift() ?? "(closed)";
      said.push(normaliser.text(text.replaceAll(/(?<=[,:]) (?=["{[])/g, "")));
      return text;
    };
    return Object.assign(socket, { next });
  };
  const watch = await open("/v3/watch");
  watch.send(JSON.stringify({ create_request: { key } }));
  await watch.next();
  await fetch(`${clientUrl}/v3/kv/put`, {
    method: "POST",
    body: JSON.stringify({ key, value: key }),
  });
  await watch.next();
  // One message in two, and two in one.
  watch.send('{"create_request":{"key":');
  watch.send(`"${key}","watch_id":"9"}}{"cancel_request":{"watch_id":"9"}}`);
  await watch.next();
  await watch.next();
  watch.close();
  await watch.next();
  for (const [path, body] of [
    ["/v3/kv/range", JSON.stringify({ key })],
    ["/v3/kv/range", "{bad"],
    ["/v3/nothing", "{}"],
  ] as const) {
    const socket = await open(path);
    socket.send(body);
    if (body === "{bad") socket.close();
    else await socket.next();
    await socket.next();
  }
  return said;
}
