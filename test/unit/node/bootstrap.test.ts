/** A member that looks for its place in a running cluster, among real listeners. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { findPlace, type Place } from "../../../node/bootstrap.ts";
import { peerDialer } from "../../../node/peer/dialer.ts";
import type { Credentials } from "../../../node/tls/credentials.ts";
import { Peer } from "../../../src/api/gen/methods.ts";
import { encodeDescribeResponse } from "../../../src/api/gen/peer.ts";
import type { Member } from "../../../src/api/gen/cluster.ts";
import { defaultLimits } from "../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../src/grpc/server.ts";
import { Scene } from "./tls/fixture.ts";

const OWN = "127.0.0.1:7001";
const CLUSTER = 77n;

let scene: Scene;
let credentials: Credentials;
beforeEach(async () => {
  scene = new Scene();
  credentials = await scene.opened(scene.peerSettings("--peer-allow-plaintext"));
});
afterEach(() => scene.close());

/** A member of the cluster, with TLS and without, that names these peer URLs as those of member 5; its port. */
async function memberThatNames(...peerUrls: readonly string[]): Promise<number> {
  const member: Member = { id: 5n, name: "", peerUrls, clientUrls: [], isLearner: true };
  const server = new GrpcServer({
    router: new Map([
      [
        Peer.describe.path,
        {
          kind: "unary",
          handle: (call) =>
            call.reply(
              encodeDescribeResponse({
                clusterId: CLUSTER,
                memberId: 1n,
                incarnation: 1n,
                members: [member],
                version: "",
                clusterVersion: "",
                protocolMin: 1,
                protocolMax: 1,
                leader: 1n,
                raftAppliedIndex: 1,
              }),
            ),
          onCancel: null,
        },
      ],
    ]),
    http: null,
    limits: defaultLimits,
    observer: null,
    onError: assert.ifError,
  });
  scene.open.push(server);
  const terms = credentials.termsFor(server, true);
  return (await server.listen({ host: "127.0.0.1", port: 0 }, terms)).port;
}

async function search(url: string, own: string): Promise<Place> {
  const wish = { urls: [url], own: new Set([own]), clusterId: CLUSTER };
  return await findPlace(wish, peerDialer(credentials));
}

describe("a member that looks for its place", () => {
  it("asks each by the scheme of its URL", async () => {
    const port = await memberThatNames(`http://${OWN}`);
    const { plaintext } = credentials;
    assert.equal((await search(`https://127.0.0.1:${port}`, `http://${OWN}`)).kind, "found");
    assert.equal(plaintext.accepted, 0);
    assert.equal((await search(`http://127.0.0.1:${port}`, `http://${OWN}`)).kind, "found");
    assert.equal(plaintext.accepted, 1);
  });

  it("is whom the cluster has at its host and port, under whatever scheme", async () => {
    const port = await memberThatNames("https://127.0.0.1:7000", `https://${OWN}`);
    for (const scheme of ["http", "https"]) {
      const place = await search(`https://127.0.0.1:${port}`, `${scheme}://${OWN}`);
      assert.ok(place.kind === "found");
      assert.equal(place.birth.identity.memberId, 5n);
    }
    const other = await search(`https://127.0.0.1:${port}`, "https://127.0.0.1:7002");
    assert.ok(other.kind === "missing" && other.answered);
    assert.match(other.reason, /does not name the peer URLs of this member/);
  });
});
