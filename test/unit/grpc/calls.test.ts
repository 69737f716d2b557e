import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { FrameType } from "../../../src/grpc/frame.ts";
import { Status } from "../../../src/grpc/service.ts";
import { PART, startEcho, type EchoServer } from "./support/echo-server.ts";
import {
  frame,
  message,
  RawClient,
  requestBlock,
  uint32,
  unaryRequest,
  windowUpdate,
} from "./support/raw-client.ts";

const INITIAL_WINDOW = 4;
let echo: EchoServer;
let client: RawClient | null = null;

async function open(pairs: readonly (readonly [number, number])[] = []): Promise<RawClient> {
  client = await RawClient.open(echo.port, pairs);
  return client;
}

beforeEach(async () => {
  echo = await startEcho({ messageBytesMax: 100_000 });
});
afterEach(async () => {
  client?.close();
  client = null;
  await echo.server.close();
  assert.equal(echo.server.counters.streams, 0, "no stream outlives the server");
  assert.equal(echo.server.counters.heldBytes, 0, "nothing held outlives its stream");
});

describe("a unary call", () => {
  it("is answered with headers, one message and status OK", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("hi")));
    const trailers = await raw.trailers(1);
    assert.equal(trailers.get(":status"), "200");
    assert.equal(trailers.get("content-type"), "application/grpc");
    assert.equal(trailers.get("grpc-status"), "0");
    assert.deepEqual(raw.body(1), message(Buffer.from("hi")));
    assert.deepEqual(echo.events, ["end 0"]);
  });

  it("may come byte by byte, padded, with priority, over CONTINUATION and without END_STREAM on its message", async () => {
    const raw = await open();
    const block = requestBlock("/t.T/Echo");
    const head = Buffer.concat([
      Buffer.from([3]),
      Buffer.from([0, 0, 0, 0, 9]),
      block.subarray(0, 10),
      Buffer.alloc(3),
    ]);
    const padded = Buffer.concat([Buffer.from([2]), message(Buffer.from("hi")), Buffer.alloc(2)]);
    const bytes = Buffer.concat([
      frame(FrameType.headers, 0x28, 1, head),
      frame(FrameType.continuation, 0, 1, block.subarray(10, 20)),
      frame(FrameType.continuation, 4, 1, block.subarray(20)),
      frame(FrameType.data, 8, 1, padded),
      frame(FrameType.data, 1, 1),
    ]);
    for (const byte of bytes) {
      raw.socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.deepEqual(raw.body(1), message(Buffer.from("hi")));
  });

  it("gets all its replies of one turn in one write", async () => {
    const raw = await open();
    await raw.next(FrameType.settings, 0);
    let chunks = 0;
    raw.socket.on("data", () => chunks++);
    const requests = Array.from({ length: 50 }, (_, at) =>
      unaryRequest(1 + at * 2, "/t.T/Echo", Buffer.from([at])),
    );
    raw.write(...requests);
    await raw.trailers(99);
    assert.ok(chunks <= 2, `${chunks} chunks`);
    for (let at = 0; at < 50; at++)
      assert.deepEqual(raw.body(1 + at * 2), message(Buffer.from([at])));
  });

  it("keeps header lists apart that differ from the one before", async () => {
    const raw = await open();
    for (const [id, token] of [
      [1, "a"],
      [3, "a"],
      [5, "b"],
    ] as const) {
      raw.write(
        unaryRequest(id, "/t.T/Meta", Buffer.from("x"), [
          ["token", token],
          ["x-bin", "AAE="],
          ["grpc-timeout", `${id}S`],
        ]),
      );
      await raw.trailers(id);
      assert.equal(raw.body(id).subarray(5).toString(), `${token}|AAE=`);
    }
  });

  it("ends with the handler's status, its text percent-encoded", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Fail", Buffer.from("x")));
    const trailers = await raw.trailers(1);
    assert.equal(trailers.get("grpc-status"), "9");
    assert.equal(trailers.get("grpc-message"), "not 100 %25 fine: %C3%A4");
    assert.equal(raw.of(FrameType.headers, 1).length, 1);
  });

  it("ends as INTERNAL where the handler throws, which is reported and not told", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Throw", Buffer.from("x")));
    const trailers = await raw.trailers(1);
    assert.equal(trailers.get("grpc-status"), "13");
    assert.equal(trailers.get("grpc-message"), "internal server error");
    assert.equal(echo.errors.length, 1);
  });

  it("to an unknown method, service or name is UNIMPLEMENTED with grpc-go's texts", async () => {
    const raw = await open();
    const texts = {
      "/t.T/No": "unknown method No for service t.T",
      "/no.No/No": "unknown service no.No",
      no: 'malformed method name: "no"',
    };
    let id = 1;
    for (const [path, text] of Object.entries(texts)) {
      raw.write(unaryRequest(id, path, Buffer.from("x")));
      const trailers = await raw.trailers(id);
      assert.equal(trailers.get("grpc-status"), "12");
      assert.equal(trailers.get("grpc-message"), text);
      id += 2;
    }
  });

  it("without a message, with half of one, or with two is INTERNAL", async () => {
    const raw = await open();
    const headers = (id: number): Buffer =>
      frame(FrameType.headers, 4, id, requestBlock("/t.T/Echo"));
    raw.write(frame(FrameType.headers, 5, 1, requestBlock("/t.T/Echo")));
    raw.write(headers(3), frame(FrameType.data, 1, 3, message(Buffer.from("abc")).subarray(0, 6)));
    const two = Buffer.concat([message(Buffer.from("a")), message(Buffer.from("b"))]);
    raw.write(headers(5), frame(FrameType.data, 0, 5, two), frame(FrameType.data, 1, 5));
    for (const id of [1, 3, 5])
      assert.equal((await raw.trailers(id)).get("grpc-status"), "13", String(id));
  });

  it("over the message limit is RESOURCE_EXHAUSTED at its prefix, whatever it claims", async () => {
    const raw = await open();
    for (const [id, length] of [
      [1, 100_001],
      [3, 0xffff_ffff],
    ] as const) {
      const prefix = Buffer.concat([Buffer.of(0), uint32(length)]);
      raw.write(
        frame(FrameType.headers, 4, id, requestBlock("/t.T/Echo")),
        frame(FrameType.data, 0, id, prefix),
      );
      const trailers = await raw.trailers(id);
      assert.equal(trailers.get("grpc-status"), "8");
      assert.equal(
        trailers.get("grpc-message"),
        `grpc: received message larger than max (${length} vs. 100000)`,
      );
      assert.equal(await raw.resetCode(id), 0);
      // What was under way is no error.
      raw.write(frame(FrameType.data, 0, id, Buffer.alloc(1000)));
    }
    raw.write(unaryRequest(5, "/t.T/Echo", Buffer.from("x")));
    assert.equal((await raw.trailers(5)).get("grpc-status"), "0");
    assert.equal(raw.of(FrameType.rstStream, 1).length, 1);
  });

  it("takes gzip, and stops a bomb at the limit", async () => {
    const raw = await open();
    const gzip = [["grpc-encoding", "gzip"]] as const;
    const send = (
      id: number,
      body: Uint8Array,
      more: readonly (readonly [string, string])[],
    ): void =>
      raw.write(
        frame(FrameType.headers, 4, id, requestBlock("/t.T/Echo", more)),
        ...cut(id, message(body, 1)),
      );
    send(1, gzipSync(Buffer.from("hello")), gzip);
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.equal(raw.body(1).subarray(5).toString(), "hello");
    send(3, gzipSync(Buffer.alloc(50_000_000)), gzip);
    assert.equal(
      (await raw.trailers(3)).get("grpc-message"),
      "grpc: received message after decompression larger than max 100000",
    );
    send(5, Buffer.from("not gzip"), gzip);
    assert.equal((await raw.trailers(5)).get("grpc-status"), "13");
    send(7, Buffer.from("x"), []);
    assert.equal(
      (await raw.trailers(7)).get("grpc-message"),
      "grpc: compressed flag set with identity or empty encoding",
    );
    send(9, Buffer.from("x"), [["grpc-encoding", "snappy"]]);
    const unknown = await raw.trailers(9);
    assert.equal(unknown.get("grpc-status"), "12");
    assert.equal(unknown.get("grpc-accept-encoding"), "identity,gzip");
  });
});

/** DATA frames of at most 16 KiB, the last with END_STREAM. */
function cut(id: number, body: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < body.length; at += 16_384) {
    const end = Math.min(body.length, at + 16_384);
    out.push(frame(FrameType.data, end === body.length ? 1 : 0, id, body.subarray(at, end)));
  }
  return out;
}

describe("deadlines and cancellation", () => {
  it("a passed deadline is DEADLINE_EXCEEDED, and the handler is told once", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Hold", Buffer.from("x"), [["grpc-timeout", "30m"]]));
    const trailers = await raw.trailers(1);
    assert.equal(trailers.get("grpc-status"), "4");
    assert.deepEqual(echo.events, ["end 4", "cancel"]);
    echo.held[0]?.reply(Buffer.from("too late"));
    echo.held[0]?.end(Status.ok, "");
    assert.deepEqual(echo.events, ["end 4", "cancel"]);
  });

  it("a malformed timeout is refused", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("x"), [["grpc-timeout", "soon"]]));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "13");
  });

  it("RST_STREAM cancels, and so does the loss of the connection", async () => {
    const raw = await open();
    raw.write(
      unaryRequest(1, "/t.T/Hold", Buffer.from("x")),
      unaryRequest(3, "/t.T/Hold", Buffer.from("x")),
    );
    await raw.until(() => echo.held.length === 2, "the handlers");
    raw.write(frame(FrameType.rstStream, 0, 1, uint32(8)));
    await raw.until(() => echo.events.length === 2, "the cancellation");
    assert.equal(echo.held[0]?.ended, true);
    assert.equal(echo.held[1]?.ended, false);
    raw.close();
    await raw.until(() => echo.events.length === 4, "the loss");
    assert.deepEqual(echo.events, ["end 1", "cancel", "end 1", "cancel"]);
  });

  it("clients that abandon calls whose handlers run on are sent away", async () => {
    await echo.server.close();
    echo = await startEcho({ abusiveFramesPerSecondMax: 20 });
    const raw = await open();
    for (let id = 1; id < 60; id += 2) {
      raw.write(
        unaryRequest(id, "/t.T/Stuck", Buffer.from("x")),
        frame(FrameType.rstStream, 0, id, uint32(8)),
      );
    }
    assert.equal(await raw.goaway(), 11);
    assert.ok(echo.held.length <= 21);
  });
});

describe("streams", () => {
  it("a server stream sends its messages in order and closes once", async () => {
    const raw = await open();
    raw.write(unaryRequest(1, "/t.T/Count", Buffer.from([3])));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.deepEqual(raw.body(1), Buffer.concat([0, 1, 2].map((at) => message(Buffer.of(at)))));
    await raw.until(() => echo.events.includes("close"), "onClose");
    assert.deepEqual(echo.events, ["end 0", "close"]);
  });

  it("a bidi stream answers each message as it comes, across any cut", async () => {
    const raw = await open();
    raw.write(frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")));
    const bytes = Buffer.concat([message(Buffer.from("one")), message(Buffer.from("two"))]);
    raw.write(frame(FrameType.data, 0, 1, bytes.subarray(0, 10)));
    await raw.until(() => raw.body(1).length === 8, "the first echo");
    raw.write(frame(FrameType.data, 0, 1, bytes.subarray(10)));
    await raw.until(() => raw.body(1).length === 16, "the second echo");
    raw.write(frame(FrameType.data, 1, 1));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.deepEqual(raw.body(1), bytes);
  });

  it("are closed once by a reset", async () => {
    const raw = await open();
    raw.write(
      frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")),
      frame(FrameType.rstStream, 0, 1, uint32(8)),
    );
    await raw.until(() => echo.events.includes("close"), "onClose");
    assert.deepEqual(echo.events, ["end 1", "close"]);
  });
});

describe("flow control", () => {
  it("a reply never passes the stream's window, and goes on with each update", async () => {
    const raw = await open([[INITIAL_WINDOW, 7]]);
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("twelve bytes")));
    await raw.until(() => raw.body(1).length === 7, "the window's worth");
    raw.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
    await raw.next(FrameType.ping, 0);
    assert.equal(raw.body(1).length, 7);
    raw.write(windowUpdate(1, 1));
    await raw.until(() => raw.body(1).length === 8, "one byte more");
    raw.write(windowUpdate(1, 100));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.deepEqual(raw.body(1), message(Buffer.from("twelve bytes")));
  });

  it("follows a change of the initial window, below zero too", async () => {
    const raw = await open([[INITIAL_WINDOW, 10]]);
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.alloc(20, 1)));
    await raw.until(() => raw.body(1).length === 10, "ten bytes");
    raw.write(frame(FrameType.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 2])), windowUpdate(1, 8));
    raw.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
    await raw.next(FrameType.ping, 0);
    assert.equal(raw.body(1).length, 10);
    raw.write(windowUpdate(1, 5));
    await raw.until(() => raw.body(1).length === 15, "five more");
    raw.write(windowUpdate(1, 10));
    await raw.trailers(1);
  });

  it("large replies in parts keep to the connection's window and the frame size, and share it", async () => {
    const raw = await open([[INITIAL_WINDOW, 1_000_000]]);
    raw.write(unaryRequest(1, "/t.T/Parts", uint32(30)), unaryRequest(3, "/t.T/Parts", uint32(3)));
    const sent = (): number => raw.body(1).length + raw.body(3).length;
    await raw.until(() => sent() === 65_535, "the connection's window");
    raw.write(windowUpdate(0, 1_000_000));
    await raw.trailers(1);
    await raw.trailers(3);
    for (const [id, parts] of [
      [1, 30],
      [3, 3],
    ] as const) {
      const expected = message(Buffer.concat(Array.from({ length: parts }, () => PART)));
      assert.ok(raw.body(id).equals(expected));
      assert.ok(raw.of(FrameType.data, id).every((one) => one.payload.length <= 16_384));
    }
  });

  it("gives windows back, so that a stream may be as long as it likes", async () => {
    const raw = await open([[INITIAL_WINDOW, 0x7fff_ffff]]);
    raw.write(
      windowUpdate(0, 0x7000_0000),
      frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")),
    );
    const body = message(Buffer.alloc(16_000, 5));
    for (let at = 0; at < 800; at++) raw.write(frame(FrameType.data, 0, 1, body));
    await raw.until(
      () => raw.of(FrameType.windowUpdate, 1).length >= 2,
      "WINDOW_UPDATE of the stream",
    );
    await raw.until(
      () => raw.of(FrameType.windowUpdate, 0).length >= 2,
      "WINDOW_UPDATE of the connection",
    );
    raw.write(frame(FrameType.data, 1, 1));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.equal(raw.body(1).length, 800 * body.length);
  });

  it("a client that overruns a window is told FLOW_CONTROL_ERROR", async () => {
    const raw = await open();
    raw.write(windowUpdate(0, 0x7fff_ffff));
    assert.equal(await raw.goaway(), 3);
  });
});
