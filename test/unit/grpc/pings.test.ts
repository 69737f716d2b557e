import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FrameType } from "../../../src/grpc/frame.ts";
import { startEcho, type EchoServer } from "./support/echo-server.ts";
import { frame, RawClient, unaryRequest } from "./support/raw-client.ts";

const PAYLOADS = [1, 2].map((fill) => Buffer.alloc(8, fill));

describe("the answer to a PING", () => {
  let echo: EchoServer;
  let raw: RawClient;
  const ping = (payload: Uint8Array): Buffer => frame(FrameType.ping, 0, 0, payload);

  beforeEach(async () => {
    echo = await startEcho({});
    raw = await RawClient.open(echo.port);
  });
  afterEach(async () => {
    raw.close();
    await echo.server.close();
  });

  it("leaves behind the reply of the call that came with it", async () => {
    raw.write(...PAYLOADS.map(ping), unaryRequest(1, "/t.T/Echo", Buffer.from("x")));
    await raw.trailers(1);
    await raw.until(() => raw.of(FrameType.ping, 0).length === 2, "an answer to each");
    assert.deepEqual(
      raw.of(FrameType.ping, 0).map(({ payload }) => payload),
      PAYLOADS,
    );
    assert.equal(raw.frames.at(-1)?.type, FrameType.ping);
  });

  it("does not wait for a reply that takes long", async () => {
    raw.write(ping(Buffer.alloc(8, 3)), unaryRequest(1, "/t.T/Hold", Buffer.from("x")));
    const { payload } = await raw.next(FrameType.ping, 0);
    assert.deepEqual(payload, Buffer.alloc(8, 3));
    assert.equal(raw.of(FrameType.headers, 1).length, 0);
  });
});
