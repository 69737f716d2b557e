/** The client's half, against our own server, node:http2 and a server that says what it is told to. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { ClientStream } from "../../../src/grpc/client-stream.ts";
import { CLIENT_PREFACE, ErrorCode, Flag, FrameType } from "../../../src/grpc/frame.ts";
import { encodeFields } from "../../../src/grpc/hpack.ts";
import { until } from "../../conformance/support/tools.ts";
import { startEcho } from "./support/echo-server.ts";
import { frame, message } from "./support/raw-client.ts";

/** A stream, what it was told, and how it ended. */
interface Talk {
  readonly stream: ClientStream;
  readonly heard: Buffer[];
  readonly ends: string[];
}

function talk(port: number, path = "/t.T/Chat"): Talk {
  const heard: Buffer[] = [];
  const ends: string[] = [];
  const stream = new ClientStream(
    { scheme: "http", authority: `127.0.0.1:${port}`, path },
    {
      onMessage: (bytes) => heard.push(Buffer.from(bytes)),
      onEnd: (reason) => ends.push(reason),
    },
  );
  return { stream, heard, ends };
}

async function attach({ stream }: Talk, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  stream.attach(socket);
  return socket;
}

function say({ stream }: Talk, bytes: Uint8Array): void {
  stream.send(bytes);
  stream.flush();
}

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

async function listening(server: Server | Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Messages of sizes around every bound: prefix, frame, segment, the windows of before and after SETTINGS. */
const SIZES: readonly number[] = [
  0, 1, 16_378, 16_379, 16_380, 32_768, 65_530, 65_531, 65_536, 1_000_000, 2_000_000, 3, 2_000_000,
];

function patterns(): Buffer[] {
  return SIZES.map((size, at) => Buffer.alloc(size, at + 1));
}

async function heardAll({ heard, ends }: Talk, expected: readonly Buffer[]): Promise<void> {
  await until("all messages", 10_000, () => heard.length >= expected.length || ends.length > 0);
  assert.deepEqual(ends, []);
  assert.deepEqual(
    heard.map(({ length }) => length),
    expected.map(({ length }) => length),
  );
  assert.ok(heard.every((bytes, at) => bytes.equals(expected[at] ?? Buffer.of())));
}

describe("a client's stream", () => {
  it("carries messages of any size both ways, in order, also those sent before the connection stood", async () => {
    const echo = await startEcho();
    const one = talk(echo.port);
    for (const bytes of patterns()) one.stream.send(bytes);
    assert.ok(one.stream.queuedBytes > 5_000_000);
    await attach(one, echo.port);
    await heardAll(one, patterns());
    for (const bytes of patterns()) say(one, bytes);
    await heardAll(one, [...patterns(), ...patterns()]);
    assert.equal(one.stream.queuedBytes, 0);
    one.stream.close();
    await until("the end of the call", 5_000, () => echo.events.includes("close"));
    assert.deepEqual([echo.errors, one.ends], [[], []], "who closes is told nothing");
    await echo.server.close();
  });

  it("keeps to the windows of a server that gives little, and may take them back", async () => {
    const server = createHttp2({ settings: { initialWindowSize: 1_000 } });
    server.on("stream", (call: ServerHttp2Stream) => {
      call.respond({ ":status": 200, "content-type": "application/grpc" });
      call.pipe(call);
      call.once("data", () =>
        call.session?.settings({ initialWindowSize: 10, maxFrameSize: 20_000 }),
      );
      call.on("error", () => {});
    });
    const port = await listening(server);
    const one = talk(port);
    await attach(one, port);
    const sent = Array.from({ length: 40 }, (_, at) => Buffer.alloc(at * 100, at));
    for (const bytes of sent) say(one, bytes);
    await heardAll(one, sent);
    one.stream.close();
  });

  it("says why the other side ended it: a status, a reset, a lost connection", async () => {
    const echo = await startEcho();
    const unknown = talk(echo.port, "/t.T/Nothing");
    await attach(unknown, echo.port);
    await until("the status", 5_000, () => unknown.ends.length > 0);
    assert.match(unknown.ends.join(), /^the peer ended the stream: 12 unknown/);
    const lost = talk(echo.port);
    await attach(lost, echo.port);
    say(lost, Buffer.of(1));
    await until("the echo", 5_000, () => lost.heard.length > 0);
    await echo.server.close();
    await until("the loss", 5_000, () => lost.ends.length > 0);
    assert.deepEqual(lost.ends, ["the connection was closed"]);
    say(lost, Buffer.of(2));
    assert.equal(lost.stream.queuedBytes, 0, "what is said to nobody is not kept");
  });

  it("fails once, for the caller's reason too, and drops a connection that comes too late", async () => {
    const echo = await startEcho();
    const one = talk(echo.port);
    one.stream.fail("refused");
    one.stream.fail("again");
    const socket = await attach(one, echo.port);
    assert.equal(socket.destroyed, true);
    assert.deepEqual(one.ends, ["refused"]);
    await echo.server.close();
  });
});

/** Answers each connection's preface with `reply`, cut into pieces of `piece` bytes; gathers what it is told. */
async function scripted(reply: Buffer, piece: number): Promise<{ port: number; told: Buffer[] }> {
  const told: Buffer[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => told.push(chunk));
    socket.once("data", async () => {
      for (let at = 0; at < reply.length; at += piece) {
        socket.write(reply.subarray(at, at + piece));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    open.push(() => socket.destroy());
  });
  return { port: await listening(server), told };
}

const SETTINGS = frame(FrameType.settings, 0, 0, Buffer.alloc(0));
const HEAD = encodeFields([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);
const HEADERS = frame(FrameType.headers, Flag.endHeaders, 1, HEAD);

async function endOf(...frames: readonly Buffer[]): Promise<string> {
  const { port } = await scripted(Buffer.concat([SETTINGS, ...frames]), 1 << 20);
  const one = talk(port);
  await attach(one, port);
  await until("the end", 5_000, () => one.ends.length > 0);
  assert.equal(one.ends.length, 1);
  return one.ends.join();
}

describe("what a server may send", () => {
  it("is understood in pieces of any size: CONTINUATION, padding, messages over frames, unknown frames, PING", async () => {
    const body = message(Buffer.from("hello"));
    const padded = Buffer.concat([Buffer.of(3), body.subarray(2), Buffer.alloc(3)]);
    const reply = Buffer.concat([
      SETTINGS,
      frame(FrameType.ping, 0, 0, Buffer.from("12345678")),
      frame(FrameType.headers, 0, 1, HEAD.subarray(0, 4)),
      frame(FrameType.continuation, Flag.endHeaders, 1, HEAD.subarray(4)),
      frame(0x42, 0, 0, Buffer.from("whatever")),
      frame(FrameType.data, 0, 1, body.subarray(0, 2)),
      frame(FrameType.data, Flag.padded, 1, padded),
      frame(FrameType.goaway, 0, 0, Buffer.alloc(8)),
      frame(FrameType.data, 0, 1, message(Buffer.from("still"))),
    ]);
    for (const piece of [1, 7, 1 << 20]) {
      const { port, told } = await scripted(reply, piece);
      const one = talk(port);
      await attach(one, port);
      await until("both messages", 5_000, () => one.heard.length === 2 || one.ends.length > 0);
      assert.deepEqual([one.heard.map(String), one.ends], [["hello", "still"], []]);
      const pong = frame(FrameType.ping, Flag.ack, 0, Buffer.from("12345678"));
      await until("the answer", 5_000, () => Buffer.concat(told).includes(pong));
      assert.ok(Buffer.concat(told).toString("latin1").startsWith(CLIENT_PREFACE));
      one.stream.close();
    }
  });

  it("ends the stream with the reason where it is an end", async () => {
    const code = Buffer.of(0, 0, 0, ErrorCode.enhanceYourCalm);
    assert.equal(
      await endOf(frame(FrameType.rstStream, 0, 1, code)),
      "the peer reset the stream (11)",
    );
    const away = Buffer.concat([Buffer.alloc(4), code, Buffer.from("too_many_pings")]);
    const gone = await endOf(frame(FrameType.goaway, 0, 0, away));
    assert.equal(gone, "the peer sent us away (11): too_many_pings");
    const trailers = encodeFields([
      ["grpc-status", "9"],
      ["grpc-message", "not you"],
    ]);
    const last = Flag.endHeaders | Flag.endStream;
    const status = await endOf(HEADERS, frame(FrameType.headers, last, 1, trailers));
    assert.equal(status, "the peer ended the stream: 9 not you");
    const other = encodeFields([[":status", "404"]]);
    const http = await endOf(frame(FrameType.headers, Flag.endHeaders, 1, other));
    assert.equal(http, "the peer answered with HTTP 404");
    assert.match(
      await endOf(HEADERS, frame(FrameType.data, 0, 1, Buffer.of(1, 0, 0, 0, 0))),
      /compress/,
    );
    assert.match(
      await endOf(HEADERS, frame(FrameType.data, 0, 1, Buffer.of(0, 255, 0, 0, 0))),
      /message of/,
    );
  });

  it("ends the stream where it breaks HTTP/2", async () => {
    const broken: readonly Buffer[] = [
      Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
      frame(FrameType.data, 0, 3, Buffer.of(1)),
      frame(FrameType.settings, 0, 0, Buffer.alloc(5)),
      frame(FrameType.pushPromise, 0, 1, Buffer.alloc(4)),
      frame(FrameType.windowUpdate, 0, 0, Buffer.alloc(4)),
      frame(FrameType.windowUpdate, 0, 1, Buffer.of(0x7f, 255, 255, 255)),
      frame(FrameType.ping, 0, 0, Buffer.alloc(7)),
      Buffer.concat([frame(FrameType.headers, 0, 1, HEAD), SETTINGS]),
      frame(FrameType.data, Flag.padded, 1, Buffer.of(9)),
    ];
    for (const bytes of broken) assert.match(await endOf(bytes), /^the peer broke HTTP\/2: /);
  });
});
