/** How the client behaves towards a server that does what a healthy one does not; the contract is in ../contract.ts. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CONFIG_MAP, POD, STATEFUL_SET } from "../../../operator/api/resources.ts";
import type { KubeErrorCode } from "../../../operator/kube/api.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { newAuthority } from "../../conformance/support/tls.ts";
import { configMap, rejects } from "../contract/subject.ts";
import { StubServer, failure, json } from "./stub-server.ts";

const REF = { namespace: "n", name: "a" };

describe("the client", () => {
  let stub: StubServer;
  beforeEach(async () => {
    stub = new StubServer();
    await stub.listen();
  });
  afterEach(() => stub.close());

  it("keeps its connections: hundreds of calls, five at a time, are a handful of handshakes", async () => {
    const client = stub.client();
    for (let at = 0; at < 20; at++) await client.get(CONFIG_MAP, REF);
    // One more for each that is still busy with the end of an answer.
    assert.ok(stub.handshakes <= 2, `${stub.handshakes} handshakes`);
    const waiting: (() => void)[] = [];
    stub.answer = (_asked, response) => {
      waiting.push(() => json(response, 200, { metadata: { name: "a" } }));
      if (waiting.length === 5) for (const answer of waiting.splice(0)) answer();
    };
    for (let at = 0; at < 40; at++) {
      await Promise.all(Array.from({ length: 5 }, () => client.get(CONFIG_MAP, REF)));
    }
    assert.ok(stub.handshakes <= 12, `${stub.handshakes} handshakes`);
    assert.equal(stub.namespace, "ops");
    const headers = stub.asked[0]?.headers;
    assert.deepEqual(
      [headers?.authorization, headers?.["user-agent"]],
      ["Bearer first", "quorate-operator/test"],
    );
  });

  it("a refused token is read again and the call repeated, once", async () => {
    const client = stub.client();
    await client.get(CONFIG_MAP, REF);
    stub.answer = ({ headers }, response) => {
      if (headers.authorization === "Bearer second")
        json(response, 200, { metadata: { name: "a" } });
      else json(response, 401, failure(401, "Unauthorized", "Unauthorized"));
    };
    stub.setToken("second");
    await client.create(CONFIG_MAP, configMap("n", "a"));
    assert.deepEqual(
      stub.asked.map(({ headers }) => headers.authorization),
      ["Bearer first", "Bearer first", "Bearer second"],
    );
    assert.equal(stub.asked[2]?.body, stub.asked[1]?.body);
    stub.answer = (_asked, response) =>
      json(response, 401, failure(401, "Unauthorized", "Unauthorized"));
    stub.asked.length = 0;
    await rejects(client.get(CONFIG_MAP, REF), "unauthorized");
    assert.equal(stub.asked.length, 2);
  });

  it("another authority is trusted as soon as its file is", async () => {
    const client = stub.client();
    await client.get(CONFIG_MAP, REF);
    stub.pki.authority = newAuthority("another root");
    stub.pki.renew();
    await stub.restart();
    const error = await rejects(client.get(CONFIG_MAP, REF), "unavailable", /certificate/);
    assert.equal(error.status, 0);
    stub.pki.writeTrusted(stub.pki.authority.certificate);
    await stub.time.run(11_000);
    await client.get(CONFIG_MAP, REF);
  });

  it("a call that is not answered ends at its deadline, and harms no other", async () => {
    const client = stub.client({ timeoutMs: 150 });
    stub.answer = () => {};
    const error = await rejects(
      client.list(CONFIG_MAP, { namespace: "n" }),
      "timeout",
      /^list configmaps: no answer within 150 ms$/,
    );
    assert.equal(error.status, 0);
    // The head alone is no answer either.
    stub.answer = (_asked, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"metadata":');
    };
    await rejects(client.get(CONFIG_MAP, REF), "timeout");
    stub.answer = (_asked, response) => json(response, 200, { metadata: { name: "a" } });
    await client.get(CONFIG_MAP, REF);
    assert.deepEqual(
      stub.reports.map(({ verb, status }) => [verb, status]),
      [
        ["list", 0],
        ["get", 200],
        ["get", 200],
      ],
    );
  });

  it("a read is repeated where its connection was closed meanwhile, a write is not", async () => {
    const client = stub.client();
    let broken = 1;
    stub.answer = (_asked, response, socket) => {
      if (broken-- > 0) socket.destroy();
      else json(response, 200, { metadata: { name: "a" } });
    };
    await client.get(CONFIG_MAP, REF);
    assert.equal(stub.asked.length, 2);
    broken = 1;
    await rejects(
      client.create(CONFIG_MAP, configMap("n", "a")),
      "unavailable",
      /^the API server is not reached: /,
    );
    assert.equal(stub.asked.length, 3);
    broken = 2;
    await rejects(client.get(CONFIG_MAP, REF), "unavailable");
  });

  it("errors carry the server's sentence, its status, and how long to wait", async () => {
    const client = stub.client();
    const table: readonly (readonly [number, string, KubeErrorCode])[] = [
      [400, "BadRequest", "invalid"],
      [403, "Forbidden", "forbidden"],
      [409, "Conflict", "conflict"],
      [409, "AlreadyExists", "alreadyExists"],
      [410, "Expired", "expired"],
      [415, "UnsupportedMediaType", "invalid"],
      [422, "Invalid", "invalid"],
      [429, "TooManyRequests", "tooManyRequests"],
      [500, "InternalError", "internal"],
      [500, "ServerTimeout", "timeout"],
      [503, "ServiceUnavailable", "unavailable"],
      [504, "Timeout", "timeout"],
    ];
    for (const [status, reason, code] of table) {
      stub.answer = (_asked, response) =>
        json(response, status, failure(status, reason, `because of ${reason}`, { name: "a" }));
      const error = await rejects(client.create(CONFIG_MAP, configMap("n", "a")), code);
      assert.deepEqual(
        [error.message, error.status, error.retryAfter, error.object],
        [`because of ${reason}`, status, null, "a"],
      );
    }
    stub.answer = (_asked, response) =>
      json(response, 429, failure(429, "TooManyRequests", "slower"), { "retry-after": "3" });
    assert.equal((await rejects(client.evict(REF), "tooManyRequests")).retryAfter, 3);
    stub.answer = (_asked, response) =>
      json(response, 500, failure(500, "ServerTimeout", "later", { retryAfterSeconds: 2 }));
    assert.equal((await rejects(client.get(CONFIG_MAP, REF), "timeout")).retryAfter, 2);
    stub.answer = (_asked, response) =>
      void response.writeHead(503, { "content-type": "text/html" }).end("<h1>a proxy's page</h1>");
    await rejects(client.get(CONFIG_MAP, REF), "unavailable", /^<h1>a proxy's page<\/h1>$/);
    stub.answer = (_asked, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end("{");
    await rejects(client.get(CONFIG_MAP, REF), "internal", /is no JSON/);
  });

  it("only this object's absence is an absence", async () => {
    const client = stub.client();
    const absent = (name: string): object =>
      failure(404, "NotFound", `configmaps "${name}" not found`, { name });
    stub.answer = (_asked, response) => json(response, 404, absent("a"));
    assert.equal(await client.get(CONFIG_MAP, REF), null);
    assert.equal(await client.delete(CONFIG_MAP, REF), false);
    stub.answer = (_asked, response) => json(response, 404, absent("b"));
    await rejects(client.get(CONFIG_MAP, REF), "notFound");
    stub.answer = (_asked, response) => void response.writeHead(404).end("404 page not found");
    await rejects(client.get(CONFIG_MAP, REF), "notFound", /404 page not found/);
    await rejects(client.delete(CONFIG_MAP, REF), "notFound");
  });

  it("a list whose state is gone between two pages is read at once and whole", async () => {
    const client = stub.client();
    const item = (name: string): object => ({ metadata: { name, managedFields: [{}] } });
    stub.answer = ({ query }, response) => {
      const from = query.get("continue");
      if (from !== null) json(response, 410, failure(410, "Expired", "too old"));
      else if (query.has("limit"))
        json(response, 200, {
          metadata: { resourceVersion: "5", continue: "next" },
          items: [item("old")],
        });
      else
        json(response, 200, { metadata: { resourceVersion: "9" }, items: [item("a"), item("b")] });
    };
    const { items, resourceVersion } = await client.list(CONFIG_MAP, {
      namespace: null,
      labelSelector: "x in (y)",
    });
    assert.deepEqual(items, [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "b" } },
    ]);
    assert.equal(resourceVersion, "9");
    const queries = stub.asked.map(
      ({ path, query }) =>
        `${path} ${query.get("limit")} ${query.get("continue")} ${query.get("labelSelector")}`,
    );
    assert.deepEqual(queries, [
      "/api/v1/configmaps 500 null x in (y)",
      "/api/v1/configmaps 500 next x in (y)",
      "/api/v1/configmaps null null x in (y)",
    ]);
  });

  it("says each call as the API server wants it", async () => {
    const client = stub.client();
    stub.answer = (_asked, response) =>
      json(response, 200, { metadata: { name: "a" }, spec: { replicas: 3 } });
    const object = configMap("n", "a");
    await client.apply(CONFIG_MAP, object);
    await client.applyStatus(STATEFUL_SET, object);
    await client.mergePatch(CONFIG_MAP, REF, { data: null });
    await client.delete(POD, REF, {
      preconditions: { uid: "u" },
      propagation: "Foreground",
      gracePeriodSeconds: 5,
    });
    await client.evict(REF, { uid: "u" });
    assert.equal(await client.readScale(STATEFUL_SET, REF), 3);
    const said = stub.asked.map(
      ({ method, path, query, headers }) =>
        `${method} ${path}?${query.toString()} ${headers["content-type"]}`,
    );
    assert.deepEqual(said, [
      "PATCH /api/v1/namespaces/n/configmaps/a?fieldManager=quorate-operator&force=true application/apply-patch+yaml",
      "PATCH /apis/apps/v1/namespaces/n/statefulsets/a/status?fieldManager=quorate-operator&force=true application/apply-patch+yaml",
      "PATCH /api/v1/namespaces/n/configmaps/a?fieldManager=quorate-operator application/merge-patch+json",
      "DELETE /api/v1/namespaces/n/pods/a? application/json",
      "POST /api/v1/namespaces/n/pods/a/eviction? application/json",
      "GET /apis/apps/v1/namespaces/n/statefulsets/a/scale? undefined",
    ]);
    assert.deepEqual(JSON.parse(stub.asked[3]?.body ?? ""), {
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid: "u" },
      propagationPolicy: "Foreground",
      gracePeriodSeconds: 5,
    });
    assert.deepEqual(
      (JSON.parse(stub.asked[4]?.body ?? "") as { deleteOptions: object }).deleteOptions,
      { preconditions: { uid: "u" } },
    );
  });

  it("a log comes as it is written, until nobody wants it", async () => {
    const client = stub.client();
    stub.answer = (_asked, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("one\n");
    };
    const stop = new AbortController();
    const lines: string[] = [];
    for await (const chunk of client.logs(
      REF,
      { follow: true, container: "c", tailLines: 2 },
      stop.signal,
    )) {
      lines.push(Buffer.from(chunk).toString());
      stop.abort();
    }
    assert.deepEqual(lines, ["one\n"]);
    assert.equal(stub.asked[0]?.query.toString(), "container=c&follow=true&tailLines=2");
  });

  it("a kubeconfig that leads nowhere is a configuration to mend", () => {
    const path = stub.pki.path("broken");
    const opens = (text: string): Credentials => {
      writeFileSync(path, text);
      return new Credentials({ kubeconfig: path }, stub.time);
    };
    const refused = { name: "QuorateError", code: "configuration" };
    assert.throws(() => opens("{"), refused);
    assert.throws(() => opens("{}"), refused);
    const plain =
      '{"clusters":[{"name":"c","cluster":{"server":"http://1.2.3.4"}}],"users":[],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}';
    assert.throws(() => opens(plain), { ...refused, message: /no TLS/ });
    assert.throws(() => new Credentials({ kubeconfig: stub.pki.path("none") }, stub.time), refused);
  });
});
