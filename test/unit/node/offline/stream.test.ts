/** Maintenance.Snapshot over a real connection: clients that take nothing, and a store that is not whole. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemberClient, statusOf } from "../../../conformance/support/client.ts";
import { freePorts } from "../../../conformance/support/cluster.ts";
import { monotonicClock } from "../../../../node/clock.ts";
import { MemberStats } from "../../../../node/metrics/stats.ts";
import { SnapshotStreams } from "../../../../node/rpc/snapshot.ts";
import { Maintenance } from "../../../../src/api/gen/methods.ts";
import { Bucket } from "../../../../src/backend/buckets.ts";
import { toRecordKey } from "../../../../src/backend/record.ts";
import { silentLogger } from "../../../../src/base/ports.ts";
import { defaultLimits } from "../../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../../src/grpc/server.ts";
import { type Revision, toRevisionKey } from "../../../../src/mvcc/revision.ts";
import { MachineFixture } from "../../machine/fixture.ts";

const DEADLINE_EXCEEDED = 4;
const DATA_LOSS = 15;

/** A server with that one method, for the time of `body`. */
async function serving(
  fixture: MachineFixture,
  stallMs: number,
  body: (client: MemberClient) => Promise<void>,
): Promise<void> {
  const { machine } = fixture;
  const host = { machine, logger: silentLogger, clock: monotonicClock, stats: new MemberStats() };
  const streams = new SnapshotStreams(stallMs);
  const server = new GrpcServer({
    router: new Map([
      [
        Maintenance.snapshot.path,
        { kind: "serverStream" as const, open: (call) => streams.open(host, call) },
      ],
    ]),
    http: null,
    limits: defaultLimits,
    observer: null,
    onError: (error) => assert.fail(String(error)),
  });
  const [port = 0] = await freePorts(1);
  await server.listen({ host: "127.0.0.1", port }, null);
  const client = new MemberClient(`127.0.0.1:${port}`);
  try {
    await body(client);
  } finally {
    client.close();
    await server.close();
  }
}

describe("Maintenance.Snapshot", () => {
  it("gives up a client that takes nothing", async () => {
    const fixture = await MachineFixture.open();
    for (let at = 0; at < 200; at++) fixture.put(`key${at}`, "v".repeat(50_000));
    await serving(fixture, 100, async (client) => {
      const stream = client.open("Maintenance/Snapshot");
      const ended = new Promise((resolve) => stream.once("error", resolve));
      stream.write({});
      stream.end();
      await new Promise<void>((resolve) =>
        stream.once("data", () => {
          stream.pause();
          resolve();
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 500));
      stream.resume(); // the status comes after what was sent
      assert.equal(statusOf(await ended), DEADLINE_EXCEEDED);
    });
  });

  it("of a store that lost a record fails, and has no checksum at its end", async () => {
    const fixture = await MachineFixture.open();
    for (let at = 0; at < 50; at++) fixture.put(`key${at}`, "v");
    await fixture.machine.buffer.drain();
    const lost = toRecordKey(Bucket.keys, toRevisionKey(20 as Revision, 0, false));
    await fixture.backend.commit([{ type: "del", key: lost }]);
    await serving(fixture, 1000, async (client) => {
      const stream = client.open("Maintenance/Snapshot");
      let bytes = 0;
      stream.on("data", ({ blob }: { blob: Buffer }) => (bytes += blob.length));
      const ended = new Promise((resolve) => stream.once("error", resolve));
      stream.write({});
      stream.end();
      assert.equal(statusOf(await ended), DATA_LOSS);
      assert.equal(bytes % 512, 0);
    });
  });
});
