import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { CLIENT_PREFACE, FrameType } from "../../../src/grpc/frame.ts";
import { encodeFields } from "../../../src/grpc/hpack.ts";
import type { Limits } from "../../../src/grpc/service.ts";
import { startEcho, type EchoServer } from "./support/echo-server.ts";
import {
  frame,
  message,
  RawClient,
  requestBlock,
  settings,
  uint32,
  unaryRequest,
  windowUpdate,
} from "./support/raw-client.ts";

const CALM = 11;
let echo: EchoServer | null = null;
let client: RawClient | null = null;

async function open(
  limits: Partial<Limits> = {},
  pairs: readonly (readonly [number, number])[] = [],
  silent = false,
): Promise<{ raw: RawClient; server: EchoServer }> {
  echo = await startEcho(limits);
  client = await RawClient.open(echo.port, pairs, silent);
  return { raw: client, server: echo };
}

afterEach(async () => {
  client?.close();
  await echo?.server.close();
  assert.equal(echo?.server.counters.streams, 0);
  assert.equal(echo?.server.counters.heldBytes, 0);
  assert.deepEqual(echo?.errors, [], "no fault of a client is a fault of ours");
});

function times(count: number, one: (at: number) => Uint8Array): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => one(at));
}

describe("floods end with ENHANCE_YOUR_CALM", () => {
  const limits = { abusiveFramesPerSecondMax: 50 };
  const headers = frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat"));
  const floods: Record<string, () => Uint8Array[]> = {
    SETTINGS: () => times(60, () => settings()),
    PRIORITY: () => times(60, () => frame(FrameType.priority, 0, 5, Buffer.alloc(5))),
    "empty DATA": () => [headers, ...times(60, () => frame(FrameType.data, 0, 1))],
    "WINDOW_UPDATE to no effect": () => times(60, () => windowUpdate(0, 1)),
    "frames of unknown types": () => times(60, () => frame(0x77, 0, 0)),
    "streams reset at once": () =>
      times(60, (at) =>
        Buffer.concat([
          frame(FrameType.headers, 4, at * 2 + 1, requestBlock("/t.T/Hold")),
          frame(FrameType.rstStream, 0, at * 2 + 1, uint32(8)),
        ]),
      ),
    "malformed requests": () =>
      times(60, (at) => frame(FrameType.headers, 5, at * 2 + 1, encodeFields([[":path", "/"]]))),
  };
  for (const [name, build] of Object.entries(floods)) {
    it(name, async () => {
      const { raw } = await open(limits);
      raw.write(...build());
      assert.equal(await raw.goaway(), CALM);
    });
  }

  it("PING, as too_many_pings, on the third too early after data", async () => {
    const { raw } = await open();
    raw.write(frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")));
    for (let at = 0; at < 5; at++) raw.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8, at)));
    assert.equal(await raw.goaway(), CALM);
    assert.equal(raw.of(FrameType.ping, 0).length, 3);
    const goaway = await raw.next(FrameType.goaway, 0);
    assert.equal(goaway.payload.subarray(8).toString(), "too_many_pings");
  });

  it("but PINGs that follow replies are welcome", async () => {
    const { raw } = await open();
    for (let id = 1; id < 41; id += 2) {
      raw.write(
        unaryRequest(id, "/t.T/Echo", Buffer.from("x")),
        frame(FrameType.ping, 0, 0, Buffer.alloc(8)),
      );
      await raw.trailers(id);
    }
    await raw.until(() => raw.of(FrameType.ping, 0).length === 20, "an answer to each");
    assert.equal(raw.of(FrameType.goaway, 0).length, 0);
  });

  it("resets of answered streams are not counted", async () => {
    const { raw } = await open(limits);
    for (let id = 1; id < 161; id += 2) {
      raw.write(
        frame(FrameType.headers, 4, id, requestBlock("/t.T/Chat")),
        frame(FrameType.data, 0, id, message(Buffer.from("x"))),
      );
      await raw.next(FrameType.data, id);
      raw.write(frame(FrameType.rstStream, 0, id, uint32(8)));
    }
    raw.write(unaryRequest(161, "/t.T/Echo", Buffer.from("x")));
    assert.equal((await raw.trailers(161)).get("grpc-status"), "0");
  });

  it("CONTINUATION without end", async () => {
    const { raw } = await open({ continuationFramesMax: 8 });
    raw.write(
      frame(FrameType.headers, 0, 1, requestBlock("/t.T/Echo")),
      ...times(9, () => frame(FrameType.continuation, 0, 1)),
    );
    assert.equal(await raw.goaway(), CALM);
  });

  it("a header block past twice the list's limit", async () => {
    const { raw } = await open({ headerListBytesMax: 1_000 });
    raw.write(frame(FrameType.headers, 0, 1, Buffer.alloc(2_001)));
    assert.equal(await raw.goaway(), CALM);
  });
});

describe("bounds", () => {
  it("a header list over the limit is answered 431, and the connection lives", async () => {
    const { raw } = await open({ headerListBytesMax: 1_000 });
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("x"), [["long", "v".repeat(900)]]));
    assert.equal((await raw.trailers(1)).get(":status"), "431");
    raw.write(unaryRequest(3, "/t.T/Echo", Buffer.from("x")));
    assert.equal((await raw.trailers(3)).get("grpc-status"), "0");
  });

  it("streams over the advertised limit are refused", async () => {
    const { raw } = await open({ concurrentStreamsMax: 2 });
    const ours = await raw.next(FrameType.settings, 0);
    assert.ok(ours.payload.includes(Buffer.from([0, 3, 0, 0, 0, 2])));
    for (const id of [1, 3, 5]) raw.write(unaryRequest(id, "/t.T/Hold", Buffer.from("x")));
    assert.equal(await raw.resetCode(5), 7);
  });

  it("claims of large messages cost nothing, and halves of many are refused", async () => {
    const { raw, server } = await open({ messageBytesMax: 100_000_000 });
    const prefix = Buffer.concat([Buffer.of(0), uint32(90_000_000), Buffer.from("x")]);
    for (let id = 1; id < 1_001; id += 2) {
      raw.write(
        frame(FrameType.headers, 4, id, requestBlock("/t.T/Echo")),
        frame(FrameType.data, 0, id, prefix),
      );
    }
    raw.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
    await raw.next(FrameType.ping, 0);
    assert.equal(server.server.counters.streams, 500);
    assert.ok(
      server.server.counters.heldBytes < 500 * 8_192,
      String(server.server.counters.heldBytes),
    );
  });

  it("unfinished messages past the budget are RESOURCE_EXHAUSTED, and what they held is given back", async () => {
    const { raw, server } = await open({ messageBytesMax: 4_000_000 });
    const ids = Array.from({ length: 40 }, (_, at) => at * 2 + 1);
    const prefix = Buffer.concat([Buffer.of(0), uint32(3_000_000)]);
    for (const id of ids) {
      raw.write(
        frame(FrameType.headers, 4, id, requestBlock("/t.T/Echo")),
        frame(FrameType.data, 0, id, prefix),
      );
      for (let at = 0; at < 130; at++)
        raw.write(frame(FrameType.data, 0, id, Buffer.alloc(16_384)));
    }
    await raw.until(
      () => raw.frames.some((one) => one.type === FrameType.headers && (one.flags & 1) === 1),
      "a refusal",
    );
    const refused = raw.frames.find(
      (one) => one.type === FrameType.headers && (one.flags & 1) === 1,
    );
    assert.equal((await raw.trailers(refused?.streamId ?? 0)).get("grpc-status"), "8");
    assert.ok(server.server.counters.heldBytes <= 67_108_864);
  });

  it("silence, half a preface and half a header block end at the handshake's limit", async () => {
    const { raw, server } = await open({ handshakeTimeoutMs: 100 }, [], true);
    const half = await RawClient.open(server.port, [], true);
    half.write(Buffer.from(CLIENT_PREFACE.slice(0, 10)));
    const noSettings = await RawClient.open(server.port, [], true);
    noSettings.write(Buffer.from(CLIENT_PREFACE));
    const block = await RawClient.open(server.port);
    block.write(frame(FrameType.headers, 0, 1, requestBlock("/t.T/Echo")));
    for (const one of [raw, half, noSettings, block]) await one.until(() => one.closed, "the end");
  });

  it("connections over the cap are closed at once", async () => {
    const { server } = await open({ connectionsMax: 1 });
    const second = await RawClient.open(server.port);
    await second.until(() => second.closed, "the end");
    assert.equal(server.server.counters.connectionsRefused, 1);
  });

  it("an idle client is pinged, and dropped if it does not answer", async () => {
    const { raw, server } = await open({ keepaliveIntervalMs: 60, keepaliveTimeoutMs: 200 });
    const ping = await raw.next(FrameType.ping, 0);
    raw.write(frame(FrameType.ping, 1, 0, ping.payload));
    await raw.until(() => raw.of(FrameType.ping, 0).length === 2, "the next ping");
    await raw.until(() => raw.closed, "the end");
    await raw.until(() => server.server.counters.connections === 0, "the count of it");
  });
});

describe("bad frames end the connection with the right code", () => {
  const headers = (id: number): Buffer =>
    frame(FrameType.headers, 4, id, requestBlock("/t.T/Chat"));
  const cases: Record<string, { code: number; bytes: Uint8Array[] }> = {
    "a frame over 16 KiB": { code: 6, bytes: [frame(FrameType.data, 0, 1, Buffer.alloc(16_385))] },
    "DATA on an idle stream": { code: 1, bytes: [frame(FrameType.data, 0, 1)] },
    "DATA on stream 0": { code: 1, bytes: [frame(FrameType.data, 0, 0)] },
    "HEADERS on an even stream": { code: 1, bytes: [headers(2)] },
    "a stream id that goes back": { code: 1, bytes: [headers(5), headers(3)] },
    "padding longer than its frame": {
      code: 1,
      bytes: [headers(1), frame(FrameType.data, 8, 1, Buffer.from([9, 0]))],
    },
    "HPACK of nothing": {
      code: 9,
      bytes: [frame(FrameType.headers, 4, 1, Buffer.from([0xff, 0xff, 0xff]))],
    },
    "a window over 2^31-1 in SETTINGS": { code: 3, bytes: [settings([[4, 0x8000_0000]])] },
    "a SETTINGS of odd length": {
      code: 6,
      bytes: [frame(FrameType.settings, 0, 0, Buffer.alloc(5))],
    },
    "a frame inside a header block": {
      code: 1,
      bytes: [frame(FrameType.headers, 0, 1), frame(FrameType.ping, 0, 0, Buffer.alloc(8))],
    },
    PUSH_PROMISE: { code: 1, bytes: [frame(FrameType.pushPromise, 4, 1, Buffer.alloc(8))] },
    "a PING of seven bytes": { code: 6, bytes: [frame(FrameType.ping, 0, 0, Buffer.alloc(7))] },
  };
  for (const [name, { code, bytes }] of Object.entries(cases)) {
    it(name, async () => {
      const { raw } = await open();
      raw.write(...bytes);
      assert.equal(await raw.goaway(), code);
    });
  }

  it("random bytes after the preface never end the process", async () => {
    const { raw, server } = await open();
    let state = 12_345;
    const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 24;
    for (let round = 0; round < 200; round++) {
      const fuzz = await RawClient.open(server.port);
      const payload = Buffer.from(
        times(1 + (random() % 60), () => Buffer.of(random())).map((one) => one[0] ?? 0),
      );
      fuzz.write(
        headers(1),
        frame(random() % 12, random(), random() % 4, payload),
        Buffer.from(payload),
      );
      fuzz.socket.end();
    }
    raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("x")));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
  });
});
