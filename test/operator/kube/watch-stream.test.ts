/** What a watch makes of a stream, however it comes and ends. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CONFIG_MAP } from "../../../operator/api/resources.ts";
import { KubeError } from "../../../operator/kube/api.ts";
import { rejects } from "../contract/subject.ts";
import { StubServer, failure, json } from "./stub-server.ts";

describe("a watch", () => {
  let stub: StubServer;
  beforeEach(async () => {
    stub = new StubServer();
    await stub.listen();
  });
  afterEach(() => stub.close());

  const REQUEST = { namespace: "n", resourceVersion: "5", timeoutSeconds: 300 };

  /** What comes of a body that is written in these pieces; how it ended. */
  async function heard(
    pieces: readonly (string | Buffer)[],
    end: "end" | "cut" | "open",
    silenceMs = 5_000,
  ): Promise<{ events: string[]; error: KubeError | null }> {
    const client = stub.client({ silenceMs });
    stub.answer = (_asked, response, socket) => {
      response.writeHead(200, { "content-type": "application/json" });
      void (async () => {
        for (const piece of pieces) {
          if (!response.write(piece)) await once(response, "drain");
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (end === "end") response.end();
        if (end === "cut") socket.destroy();
      })();
    };
    const events: string[] = [];
    let error: KubeError | null = null;
    try {
      for await (const event of client.watch(CONFIG_MAP, REQUEST, new AbortController().signal)) {
        const version =
          event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
        events.push(`${event.type} ${version}`);
      }
    } catch (thrown) {
      assert.ok(thrown instanceof KubeError, String(thrown));
      error = thrown;
    }
    return { events, error };
  }

  function line(type: string, resourceVersion: string, more: object = {}): string {
    return `${JSON.stringify({ type, object: { metadata: { name: "ä", resourceVersion, managedFields: [] }, ...more } })}\n`;
  }

  it("asks for bookmarks, a revision and an end, and reads lines however they are cut", async () => {
    const text = Buffer.from(
      [line("ADDED", "6"), "\n", line("BOOKMARK", "7"), line("DELETED", "8")].join(""),
    );
    const pieces = Array.from(text, (byte) => Buffer.from([byte]));
    assert.deepEqual(await heard(pieces, "end"), {
      events: ["ADDED 6", "BOOKMARK 7", "DELETED 8"],
      error: null,
    });
    assert.equal(
      stub.asked[0]?.query.toString(),
      "watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=300",
    );
  });

  it("an error in the stream, and one instead of it, is thrown as what it is", async () => {
    const gone = {
      type: "ERROR",
      object: failure(410, "Expired", "too old resource version: 5 (9)"),
    };
    const { events, error } = await heard([line("ADDED", "6"), JSON.stringify(gone), "\n"], "open");
    assert.deepEqual(
      [events, error?.code, error?.message],
      [["ADDED 6"], "expired", "too old resource version: 5 (9)"],
    );
    const client = stub.client();
    stub.answer = (_asked, response) => json(response, 410, failure(410, "Expired", "too old"));
    await rejects(
      client.watch(CONFIG_MAP, REQUEST, new AbortController().signal).next(),
      "expired",
    );
  });

  it("what is no event is an error, and a line that was cut off is none", async () => {
    assert.equal((await heard(["nonsense\n"], "open")).error?.code, "internal");
    assert.equal((await heard(['{"type":"NEWS","object":{}}\n'], "open")).error?.code, "internal");
    const { events, error } = await heard(
      [line("ADDED", "6"), line("ADDED", "7").slice(0, 20)],
      "end",
    );
    assert.deepEqual([events, error], [["ADDED 6"], null]);
  });

  it("a broken connection is told from an end", async () => {
    const { events, error } = await heard([line("ADDED", "6")], "cut");
    assert.deepEqual([events, error?.code], [["ADDED 6"], "unavailable"]);
  });

  it("a server that says nothing any more is left", async () => {
    const { events, error } = await heard([line("ADDED", "6")], "open", 200);
    assert.deepEqual([events, error?.code], [["ADDED 6"], "timeout"]);
    assert.match(error?.message ?? "", /says nothing to a watch for 200 ms/);
  });

  it("a line that never ends is refused before memory is full", async () => {
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const { error } = await heard(Array(40).fill(piece), "open");
    assert.match(error?.message ?? "", /line is longer than 16777216 bytes/);
  });

  it("ends quietly when nobody wants it any more, whatever it is doing", async () => {
    const client = stub.client();
    const stop = new AbortController();
    stub.answer = () => stop.abort();
    const before = client.watch(CONFIG_MAP, REQUEST, stop.signal);
    assert.deepEqual(await before.next(), { done: true, value: undefined });
    const late = new AbortController();
    stub.answer = (_asked, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write(line("ADDED", "6"));
    };
    const events: string[] = [];
    for await (const { type } of client.watch(CONFIG_MAP, REQUEST, late.signal)) {
      events.push(type);
      late.abort();
    }
    assert.deepEqual(events, ["ADDED"]);
    stub.asked.length = 0;
    assert.equal((await client.watch(CONFIG_MAP, REQUEST, late.signal).next()).done, true);
    assert.equal(stub.asked.length, 0);
  });
});
