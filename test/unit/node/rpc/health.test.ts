import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeHealthCheckResponse,
  encodeHealthCheckRequest,
  ServingStatus,
} from "../../../../src/api/gen/health.ts";
import { Status } from "../../../../src/grpc/service.ts";
import { HealthService } from "../../../../node/rpc/health.ts";
import { LocalCalls, type LocalStream } from "../../../../node/rpc/local-call.ts";

const caller = { header: () => undefined, remoteAddress: "", certificate: null };
const forever: AbortSignal = new AbortController().signal;
const request = (service: string): Uint8Array => Buffer.from(encodeHealthCheckRequest({ service }));

function serve(): { health: HealthService; local: LocalCalls } {
  const health = new HealthService();
  const local = new LocalCalls({
    router: new Map([
      [
        "/check",
        { kind: "unary", handle: (call, message) => health.check(call, message), onCancel: null },
      ],
      ["/watch", { kind: "serverStream", open: (call) => health.openWatch(call) }],
    ]),
    observer: null,
    onError: (error) => assert.fail(String(error)),
  });
  return { health, local };
}

function watch(local: LocalCalls, service: string): { said: number[]; stream: LocalStream } {
  const said: number[] = [];
  const stream = local.openStream(caller, "/watch", {
    onMessage: (message) => said.push(decodeHealthCheckResponse(message).status),
    onEnd: (status) => said.push(-status),
  });
  stream.write(request(service));
  return { said, stream };
}

describe("HealthService", () => {
  it("is NOT_SERVING until the member is ready, then SERVING", async () => {
    const { health, local } = serve();
    const ask = async (): Promise<number> =>
      decodeHealthCheckResponse(await local.unaryBytes(caller, "/check", request(""), forever))
        .status;
    assert.equal(await ask(), ServingStatus.notServing);
    health.setServing();
    assert.equal(await ask(), ServingStatus.serving);
  });

  it("knows one service, the empty name", async () => {
    const { local } = serve();
    await assert.rejects(local.unaryBytes(caller, "/check", request("etcdserverpb.KV"), forever), {
      code: "notFound",
      message: "unknown service",
    });
    assert.deepEqual(watch(local, "other").said, [ServingStatus.serviceUnknown]);
  });

  it("tells those who watch when it changes, while they do", async () => {
    const { health, local } = serve();
    const [stays, leaves] = [watch(local, ""), watch(local, "")];
    leaves.stream.cancel(Status.cancelled);
    await Promise.resolve();
    health.setServing();
    assert.deepEqual(stays.said, [ServingStatus.notServing, ServingStatus.serving]);
    assert.deepEqual(leaves.said, [ServingStatus.notServing]);
  });
});
