import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Client, credentials, Metadata, type CallOptions, type ServiceError } from "@grpc/grpc-js";
import { startEcho, type EchoServer } from "./support/echo-server.ts";

const same = (bytes: Buffer): Buffer => bytes;
let echo: EchoServer;
let client: Client;

beforeEach(async () => {
  echo = await startEcho();
  client = new Client(`127.0.0.1:${echo.port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
});
afterEach(async () => {
  client.close();
  await echo.server.close();
  assert.deepEqual(echo.errors, []);
});

function unary(
  path: string,
  body: Buffer,
  metadata: Metadata = new Metadata(),
  options: CallOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      same,
      same,
      body,
      metadata,
      options,
      (error: ServiceError | null, value?: Buffer) => {
        if (error !== null) reject(error);
        else resolve(value ?? Buffer.alloc(0));
      },
    );
  });
}

describe("@grpc/grpc-js as the client", () => {
  it("makes unary calls of any size, many at once", async () => {
    const bodies = [0, 1, 16_379, 16_380, 70_000, 2_000_000].map((size, at) =>
      Buffer.alloc(size, at),
    );
    const replies = await Promise.all(bodies.map((body) => unary("/t.T/Echo", body)));
    for (const [at, body] of bodies.entries())
      assert.ok(body.equals(replies[at] ?? Buffer.alloc(0)), String(body.length));
    const many = await Promise.all(
      Array.from({ length: 300 }, (_, at) => unary("/t.T/Echo", Buffer.from(String(at)))),
    );
    assert.deepEqual(
      many.map(String),
      many.map((_, at) => String(at)),
    );
  });

  it("gets a reply of 20 MB in parts", async () => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(2_000);
    assert.equal((await unary("/t.T/Parts", count)).length, 20_000_000);
  });

  it("sends metadata, text and binary", async () => {
    const metadata = new Metadata();
    metadata.set("token", "secret");
    metadata.set("x-bin", Buffer.from([0, 255]));
    assert.equal((await unary("/t.T/Meta", Buffer.from("x"), metadata)).toString(), "secret|AP8=");
  });

  it("compresses with gzip", async () => {
    const metadata = new Metadata();
    metadata.set("grpc-encoding", "gzip");
    const compressing = new Client(`127.0.0.1:${echo.port}`, credentials.createInsecure(), {
      "grpc.default_compression_algorithm": 2,
    });
    const reply = await new Promise<Buffer | undefined>((resolve, reject) => {
      compressing.makeUnaryRequest(
        "/t.T/Echo",
        same,
        same,
        Buffer.alloc(50_000, 1),
        (error: ServiceError | null, value?: Buffer) =>
          error === null ? resolve(value) : reject(error),
      );
    });
    compressing.close();
    assert.ok(reply?.equals(Buffer.alloc(50_000, 1)));
  });

  it("sees statuses and their texts", async () => {
    await assert.rejects(unary("/t.T/Fail", Buffer.from("x")), {
      code: 9,
      details: "not 100 % fine: ä",
    });
    await assert.rejects(unary("/no.No/No", Buffer.from("x")), {
      code: 12,
      details: "unknown service no.No",
    });
    await assert.rejects(unary("/t.T/Echo", Buffer.alloc(3_000_000)), { code: 8 });
  });

  it("sees its deadline pass", async () => {
    await assert.rejects(
      unary("/t.T/Hold", Buffer.from("x"), new Metadata(), { deadline: Date.now() + 50 }),
      { code: 4 },
    );
    assert.deepEqual(echo.events.length > 0 || echo.held[0]?.ended === false, true);
  });

  it("streams from the server and both ways, and cancels", async () => {
    const seen: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const stream = client.makeServerStreamRequest("/t.T/Count", same, same, Buffer.from([5]));
      stream
        .on("data", (one: Buffer) => seen.push(one[0] ?? -1))
        .on("error", reject)
        .on("end", resolve);
    });
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    const chat = client.makeBidiStreamRequest("/t.T/Chat", same, same);
    const echoes = new Promise<string[]>((resolve, reject) => {
      const out: string[] = [];
      chat
        .on("data", (one: Buffer) => out.push(one.toString()))
        .on("error", reject)
        .on("end", () => resolve(out));
    });
    for (const word of ["a", "b", "c"]) chat.write(Buffer.from(word));
    chat.end();
    assert.deepEqual(await echoes, ["a", "b", "c"]);
    const cancelled = client.makeBidiStreamRequest("/t.T/Chat", same, same);
    const failure = new Promise<ServiceError>((resolve) => cancelled.once("error", resolve));
    cancelled.write(Buffer.from("x"));
    cancelled.once("data", () => cancelled.cancel());
    assert.equal((await failure).code, 1);
    const deadline = Date.now() + 2_000;
    while (echo.events.filter((event) => event === "close").length < 3 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(echo.events.filter((event) => event === "close").length, 3);
  });
});
