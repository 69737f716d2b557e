/** Questions to other members, over real sockets. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PeerCalls } from "../../../node/peer/calls.ts";
import { peerDialer } from "../../../node/peer/dialer.ts";
import { storedMember } from "../../../src/api/gen/command.ts";
import { Peer } from "../../../src/api/gen/methods.ts";
import { decodeLeaseRenewRequest, encodeLeaseRenewResponse } from "../../../src/api/gen/peer.ts";
import { defaultLimits } from "../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../src/grpc/server.ts";
import { type Method, Status } from "../../../src/grpc/service.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { Scene } from "./tls/fixture.ts";

let scene: Scene;
beforeEach(() => (scene = new Scene()));
afterEach(() => scene.close());

/** Leaders whose leases have the TTL of their id, and what they were asked; lease 13 is nobody's. */
async function leaders(count: number): Promise<{ calls: PeerCalls; asked: number[][] }> {
  const asked: number[][] = [];
  const urls: string[] = [];
  const renew: Method = {
    kind: "unary",
    handle: (call, message) => {
      const ids = decodeLeaseRenewRequest(message).ids.map(Number);
      asked.push(ids);
      if (ids.includes(13)) call.end(Status.unavailable, "not the leader");
      else call.reply(encodeLeaseRenewResponse({ ttls: ids }));
    },
    onCancel: null,
  };
  for (let at = 0; at < count; at++) {
    const server = new GrpcServer({
      router: new Map([[Peer.leaseRenew.path, renew]]),
      http: null,
      limits: defaultLimits,
      observer: null,
      onError: assert.ifError,
    });
    scene.open.push(server);
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, null);
    urls.push(`http://127.0.0.1:${port}`);
  }
  const dial = peerDialer(await scene.opened(scene.peerSettings()));
  const calls = new PeerCalls(
    (id) => storedMember({ id, peerUrls: [urls[Number(id)] ?? ""] }),
    dial,
  );
  scene.open.push(calls);
  return { calls, asked };
}

describe("renewals of leases that a follower passes on", () => {
  it("are one question a turn, and each gets its own answer", async () => {
    const { calls, asked } = await leaders(1);
    const leader = 0n as MemberId;
    const turn = [3n, 1n, 2n].map((id) => calls.renewLease(leader, id));
    assert.deepEqual(await Promise.all(turn), [3, 1, 2]);
    assert.equal(await calls.renewLease(leader, 5n), 5);
    assert.deepEqual(asked, [[3, 1, 2], [5]]);
  });

  it("go to who leads when they come, a thousand at most, and fail together", async () => {
    const { calls, asked } = await leaders(2);
    const many = Array.from({ length: 1_001 }, (_, at) =>
      calls.renewLease(0n as MemberId, BigInt(at + 20)),
    );
    const other = calls.renewLease(1n as MemberId, 7n);
    assert.deepEqual([await other, (await Promise.all(many)).at(-1)], [7, 1_020]);
    assert.deepEqual(
      asked.map(({ length }) => length).toSorted((a, b) => a - b),
      [1, 1, 1_000],
    );
    const failed = [12n, 13n].map((id) => calls.renewLease(0n as MemberId, id));
    for (const one of failed) await assert.rejects(one, { code: "unavailable" });
  });
});
