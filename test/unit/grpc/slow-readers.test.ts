/** Clients that leave waiting what they asked for: who is waited for, who is dropped, and what services are told of it. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Backlog } from "../../../src/grpc/backlog.ts";
import { FrameType } from "../../../src/grpc/frame.ts";
import { CROWDED_BYTES } from "../../../src/grpc/limits.ts";
import type { Limits, ServerCall } from "../../../src/grpc/service.ts";
import { until } from "../../conformance/support/tools.ts";
import { startEcho, type EchoServer } from "./support/echo-server.ts";
import {
  frame,
  message,
  RawClient,
  requestBlock,
  unaryRequest,
  windowUpdate,
} from "./support/raw-client.ts";

const MEGABYTE = 1_048_576;
const INITIAL_WINDOW_SIZE = 4;
const WINDOW_MAX = 0x7fff_ffff;
let echo: EchoServer | null = null;
let client: RawClient | null = null;

/** With streams of a window that holds everything; the connection's is opened by `readAll`. */
async function open(limits: Partial<Limits> = {}): Promise<{ raw: RawClient; server: EchoServer }> {
  echo = await startEcho(limits);
  client = await RawClient.open(echo.port, [[INITIAL_WINDOW_SIZE, WINDOW_MAX]]);
  return { raw: client, server: echo };
}

/** From now on the client takes everything. */
function readAll(raw: RawClient): void {
  raw.write(windowUpdate(0, 2 ** 30));
}

/** `count` replies of 100 000 bytes in one turn. Their streams. */
async function reply(raw: RawClient, server: EchoServer, count: number): Promise<number[]> {
  const calls = await hold(raw, server, count);
  for (const call of calls) call.reply(Buffer.alloc(100_000, 3));
  return calls.map((_, at) => at * 2 + 1);
}

async function hold(raw: RawClient, server: EchoServer, count: number): Promise<ServerCall[]> {
  for (let at = 0; at < count; at++) {
    raw.write(unaryRequest(at * 2 + 1, "/t.T/Hold", Buffer.alloc(1)));
  }
  await until("the calls", 10_000, () => server.held.length === count);
  return server.held;
}

afterEach(async () => {
  client?.close();
  await echo?.server.close();
  assert.equal(echo?.server.counters.streams, 0);
  assert.deepEqual(echo?.errors, []);
});

describe("a client that leaves replies waiting", () => {
  it("gets all of them, though they were more than the limit before it could read one", async () => {
    const { raw, server } = await open({ connectionQueueBytesMax: MEGABYTE });
    const ids = await reply(raw, server, 60);
    await raw.until(() => raw.of(FrameType.data, 1).length > 0, "the first reply");
    readAll(raw);
    for (const id of ids) {
      assert.equal((await raw.trailers(id)).get("grpc-status"), "0");
      assert.equal(raw.body(id).length, 100_005);
    }
    assert.equal(server.server.counters.slowReaders, 0);
  });

  it("is dropped when it has taken nothing for as long as a ping may be unanswered", async () => {
    const { raw, server } = await open({
      connectionQueueBytesMax: MEGABYTE,
      keepaliveTimeoutMs: 150,
    });
    await reply(raw, server, 20);
    await raw.until(() => raw.closed, "the end of the connection");
    assert.equal(server.server.counters.slowReaders, 1);
  });

  it("is waited for as long as it takes some now and then", async () => {
    const { raw, server } = await open({
      connectionQueueBytesMax: MEGABYTE,
      keepaliveTimeoutMs: 1_000,
    });
    await reply(raw, server, 30);
    for (let at = 0; at < 15; at++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      raw.write(windowUpdate(0, 1_000));
    }
    assert.ok(!raw.closed);
    assert.equal(server.server.counters.slowReaders, 0);
  });

  it("is dropped at once beyond eight times the limit", async () => {
    const { raw, server } = await open({ connectionQueueBytesMax: MEGABYTE });
    await reply(raw, server, 90);
    await raw.until(() => raw.closed, "the end of the connection");
    assert.equal(server.server.counters.slowReaders, 1);
  });
});

describe("a service on a crowded connection", () => {
  const PART = Buffer.alloc(MEGABYTE);
  const FILL = CROWDED_BYTES / MEGABYTE + 1;

  it("is told so, and called back in order once half of it was taken", async () => {
    const { raw, server } = await open();
    const calls = await hold(raw, server, FILL + 40);
    for (const call of calls.slice(0, FILL)) call.reply(PART);
    const late = calls.slice(FILL);
    const answered: number[] = [];
    assert.ok(late.every((call) => call.isCrowded));
    for (const [at, call] of late.entries()) {
      call.onRoom(() => {
        answered.push(at);
        call.reply(PART);
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(answered, [], "nothing was taken yet");
    raw.write(windowUpdate(0, CROWDED_BYTES / 2 + 2 * MEGABYTE));
    await until("the first answer", 10_000, () => answered.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(answered.length < late.length, "until it is crowded again");
    assert.ok((late.at(-1)?.connectionQueuedBytes ?? 0) <= CROWDED_BYTES + 2 * MEGABYTE);
    readAll(raw);
    await until("all answers", 10_000, () => answered.length === late.length);
    assert.deepEqual(
      answered,
      late.map((_, at) => at),
    );
    await raw.trailers((FILL + 40) * 2 - 1);
  });

  it("does not hear of a call that has ended meanwhile", async () => {
    const { raw, server } = await open();
    const calls = await hold(raw, server, FILL + 1);
    for (const call of calls.slice(0, FILL)) call.reply(PART);
    const last = calls[FILL];
    last?.onRoom(() => assert.fail("it has ended"));
    raw.write(frame(FrameType.rstStream, 0, FILL * 2 + 1, Buffer.from([0, 0, 0, 8])));
    await until("the reset", 10_000, () => last?.ended === true);
    readAll(raw);
    await raw.trailers(FILL * 2 - 1);
  });

  it("is not taken to work on for calls that ended while they waited for room", async () => {
    const { raw, server } = await open({ abusiveFramesPerSecondMax: 50 });
    for (const call of await hold(raw, server, FILL)) call.reply(PART);
    const timeout = [["grpc-timeout", "20m"]] as const;
    const late = Array.from({ length: 60 }, (_, at) => (FILL + at) * 2 + 1);
    for (const id of late) raw.write(unaryRequest(id, "/t.T/Stuck", Buffer.alloc(1), timeout));
    await until("the calls", 10_000, () => server.held.length === FILL + late.length);
    const waiting = server.held.slice(FILL);
    for (const call of waiting) call.onRoom(() => assert.fail("it has ended"));
    await until("the deadlines", 10_000, () => waiting.every((call) => call.ended));
    const next = (FILL + late.length) * 2 + 1;
    raw.write(unaryRequest(next, "/t.T/Echo", Buffer.alloc(1)));
    readAll(raw);
    assert.equal((await raw.trailers(next)).get("grpc-status"), "0");
  });

  it("whose call has ended leaves nothing behind in the line", () => {
    const backlog = new Backlog();
    const called: string[] = [];
    const gone = (): void => void called.push("gone");
    backlog.bytes = CROWDED_BYTES;
    backlog.onRoom(gone);
    backlog.onRoom(() => called.push("here"));
    backlog.forget(gone);
    backlog.bytes = 0;
    backlog.settle();
    assert.deepEqual(called, ["here"]);
    backlog.bytes = CROWDED_BYTES;
    backlog.onRoom(gone);
    backlog.forget(gone);
    backlog.bytes = 0;
    assert.equal(backlog.isDue, false);
  });

  it("answers beside streams that nobody reads", async () => {
    const { raw, server } = await open({ connectionQueueBytesMax: 2 * CROWDED_BYTES });
    raw.write(frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")));
    const body = message(Buffer.alloc(MEGABYTE));
    for (let at = 0; at < FILL; at++) {
      for (let from = 0; from < body.length; from += 16_384) {
        raw.write(frame(FrameType.data, 0, 1, body.subarray(from, from + 16_384)));
      }
    }
    raw.write(unaryRequest(3, "/t.T/Hold", Buffer.alloc(1)));
    await until("the call", 10_000, () => server.held.length === 1);
    const [call] = server.held;
    assert.equal(call?.isCrowded, false);
    assert.equal(call?.connectionQueuedBytes, 0);
    call?.end(0, "");
  });
});
