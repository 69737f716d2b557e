/** One link over real sockets, to peers that answer, refuse, move, or say nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { NO_FENCE, type Identity } from "../../../node/data-dir.ts";
import { peerConnector, RETRY_FIRST_MS, RETRY_MAX_MS } from "../../../node/peer/dialer.ts";
import { makeHandshake, REMOVED_REFUSAL } from "../../../node/peer/handshake.ts";
import { Link } from "../../../node/peer/link.ts";
import { Peer } from "../../../src/api/gen/methods.ts";
import { decodePeerMessages, encodePeerMessages } from "../../../src/api/gen/peer.ts";
import type { PeerMessages } from "../../../src/api/gen/peer.ts";
import { keep } from "../../../src/base/bytes.ts";
import { defaultLimits } from "../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../src/grpc/server.ts";
import type { Message } from "../../../src/raft/message.ts";
import type { MemberId, Term } from "../../../src/raft/types.ts";
import { freePorts } from "../../conformance/support/cluster.ts";
import { until } from "../../conformance/support/tools.ts";
import { Scene } from "./tls/fixture.ts";

const SELF: Identity = { clusterId: 7n, memberId: 1n as MemberId, incarnation: 3n, ...NO_FENCE };
const PEER = 2n as MemberId;

let scene: Scene;
let events: string[];
beforeEach(() => {
  scene = new Scene();
  events = [];
});
afterEach(() => scene.close());

async function linkTo(url: string): Promise<Link> {
  const credentials = await scene.opened(scene.peerSettings());
  const told = {
    onUnreachable: () => void events.push("unreachable"),
    onRefused: () => void events.push("refused"),
  };
  const link = new Link(
    () => makeHandshake(SELF, PEER),
    PEER,
    [url],
    peerConnector(credentials),
    told,
    scene.logger,
  );
  scene.open.push(link);
  return link;
}

/** A peer that answers each handshake with `refusal`, and keeps what it was told. */
async function peer(
  refusal = "",
  at = 0,
): Promise<{ url: string; told: PeerMessages[]; calls: () => number }> {
  const told: PeerMessages[] = [];
  let calls = 0;
  const server = new GrpcServer({
    router: new Map([
      [
        Peer.stream.path,
        {
          kind: "bidiStream",
          open: (call) => {
            calls++;
            return {
              onMessage: (bytes) => {
                const messages = decodePeerMessages(keep(bytes));
                told.push(messages);
                if (messages.handshake === null) return;
                const answer = makeHandshake({ ...SELF, memberId: PEER }, SELF.memberId, refusal);
                call.send(encodePeerMessages({ handshake: answer, messages: [] }));
              },
              onHalfClose: () => {},
              onClose: () => void calls--,
            };
          },
        },
      ],
    ]),
    http: null,
    limits: defaultLimits,
    observer: null,
    onError: assert.ifError,
  });
  scene.open.push(server);
  const { port } = await server.listen({ host: "127.0.0.1", port: at }, null);
  return { url: `http://127.0.0.1:${port}`, told, calls: () => calls };
}

function logged(pattern: RegExp): boolean {
  return scene.lines.some(({ message, fields }) => pattern.test(`${message} ${inspect(fields)}`));
}

const heartbeat = (context: number): Message => ({
  kind: "heartbeatReply",
  from: SELF.memberId,
  to: PEER,
  term: 4 as Term,
  context,
});

describe("a link", () => {
  it("is up once the peer has answered, and sends all messages of a turn as one", async () => {
    const { url, told } = await peer();
    const link = await linkTo(url);
    await until("the answer", 5_000, () => link.isActive);
    for (const context of [1, 2, 3]) link.send(heartbeat(context));
    assert.equal(told.length, 1, "nothing leaves before the end of the turn");
    link.flush();
    await until("the messages", 5_000, () => told.length === 2);
    assert.deepEqual(
      told[1]?.messages.map(({ kind }) => kind?.kind === "heartbeatReply" && kind.value.context),
      [1, 2, 3],
    );
    link.probe();
    await until("another answer", 5_000, () => link.roundTrips.count === 2);
    assert.deepEqual([events, link.queuedBytes], [[], 0]);
  });

  it("follows a member that moved, and leaves where it was", async () => {
    const [before, after] = [await peer(), await peer()];
    const link = await linkTo(before.url);
    await until("the answer", 5_000, () => link.isActive);
    link.redirect([after.url]);
    assert.equal(link.isActive, false);
    await until("the move", 5_000, () => link.isActive && before.calls() === 0);
    assert.equal(after.calls(), 1);
    assert.deepEqual(events, []);
  });

  it("tells who was removed of it", async () => {
    const { url } = await peer(REMOVED_REFUSAL);
    await linkTo(url);
    await until("the refusal", 5_000, () => events.includes("refused"));
  });

  it("says why a peer is not there, and finds it once it is", async () => {
    const place = createServer();
    place.listen(0, "127.0.0.1");
    await once(place, "listening");
    const { port } = place.address() as AddressInfo;
    place.close();
    const link = await linkTo(`http://127.0.0.1:${port}`);
    await until("the failure", 5_000, () => events.includes("unreachable"));
    assert.ok(logged(/peer is unreachable.*ECONNREFUSED/));
    const { url } = await peer();
    link.redirect([url]);
    await until("the answer", 5_000, () => link.isActive);
    assert.ok(logged(/reachable again/));
  });

  it("tries again at once where the peer was heard, and opens no second stream where it stands", async () => {
    const [port = 0] = await freePorts(1);
    const link = await linkTo(`http://127.0.0.1:${port}`);
    // So often that the next attempt is due in the longest of its pauses.
    await until("six failures", 10_000, () => events.length >= 6);
    const { calls } = await peer("", port);
    const heardMs = performance.now();
    link.onHeard([]);
    await until("the answer", 5_000, () => link.isActive, 1);
    assert.ok(performance.now() - heardMs < RETRY_MAX_MS / 2, "it waited for its next attempt");
    link.onHeard([]);
    link.probe();
    await until("the answer to a probe", 5_000, () => link.roundTrips.count === 2);
    assert.equal(calls(), 1);
  });

  it("finds a peer where that says it is, and keeps its stream once the membership says so too", async () => {
    const [dead = 0] = await freePorts(1);
    const link = await linkTo(`http://127.0.0.1:${dead}`);
    await until("the failure", 5_000, () => events.includes("unreachable"));
    const { url, calls } = await peer();
    link.onHeard([url]);
    await until("the answer", 5_000, () => link.isActive);
    link.redirect([url]);
    assert.ok(link.isActive);
    link.probe();
    await until("the answer to a probe", 5_000, () => link.roundTrips.count === 2);
    assert.equal(calls(), 1);
  });

  it("finds a peer where the membership has it, though that says it is elsewhere, or nothing that is a place", async () => {
    const [place = 0, dead = 0] = await freePorts(2);
    const link = await linkTo(`http://127.0.0.1:${place}`);
    await until("the failure", 5_000, () => events.includes("unreachable"));
    link.onHeard(["here"]);
    link.onHeard([`http://127.0.0.1:${dead}`]);
    const failures = events.length;
    await until("both were tried", 10_000, () => events.length >= failures + 2);
    await peer("", place);
    await until("the answer", 5_000, () => link.isActive);
  });

  it("opens one stream to a member that moved while it waited to try again", async () => {
    const link = await linkTo("http://127.0.0.1:1");
    await until("the failure", 5_000, () => events.includes("unreachable"));
    const { url, calls } = await peer();
    link.redirect([url]);
    // The attempt that was waiting would have come by now.
    await new Promise((resolve) => setTimeout(resolve, 4 * RETRY_FIRST_MS));
    await until("the answer", 5_000, () => link.isActive);
    assert.equal(calls(), 1);
  });

  it("gives up a peer that takes connections and says nothing, and tries anew", async () => {
    const taken: Socket[] = [];
    const silent = createServer((socket) => taken.push(socket.on("error", () => {}).resume()));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    scene.open.push(
      { close: () => void silent.close() },
      { close: () => taken.map((of) => of.destroy()) },
    );
    const link = await linkTo(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    await until("the end of its patience", 15_000, () => {
      link.probe();
      return taken.length > 1;
    });
    assert.ok(logged(/peer is unreachable.*the peer is silent/));
    assert.equal(link.isActive, false);
  });
});
