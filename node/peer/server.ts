/** The peer port: what other members may ask of this one. */
import {
  encodeLeaseLeasesResponse,
  encodeLeaseTimeToLiveResponse,
  decodeLeaseTimeToLiveRequest,
} from "../../src/api/gen/lease.ts";
import type { LeaseLeasesResponse, LeaseTimeToLiveResponse } from "../../src/api/gen/lease.ts";
import {
  decodeMemberPromoteRequest,
  encodeMemberPromoteResponse,
} from "../../src/api/gen/cluster.ts";
import type { MemberPromoteResponse } from "../../src/api/gen/cluster.ts";
import { Peer } from "../../src/api/gen/methods.ts";
import {
  decodeCondemnRequest,
  decodeLeaseRenewRequest,
  decodePeerMessages,
  encodeCondemnResponse,
  encodeDescribeResponse,
  encodeLeaseRenewResponse,
  encodePeerMessages,
} from "../../src/api/gen/peer.ts";
import type { CondemnResponse, Handshake, LeaseRenewResponse } from "../../src/api/gen/peer.ts";
import { API_ERRORS } from "../../src/api/catalogue.ts";
import { DecodeError } from "../../src/api/reader.ts";
import { keep } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import {
  Status,
  type Method,
  type Router,
  type ServerCall,
  type StreamReceiver,
} from "../../src/grpc/service.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Integrity } from "../integrity/integrity.ts";
import { fail, failWith, linearize } from "../rpc/answer.ts";
import { apiMembers, promoteHere } from "../rpc/cluster.ts";
import type { Host } from "../rpc/host.ts";
import { leasesHere, timeToLiveHere } from "../rpc/lease.ts";
import { cancelHash, hashKvUnless } from "../rpc/maintenance.ts";
import { clusterVersionOf } from "../cluster-version.ts";
import { QUORATE_VERSION } from "../version.ts";
import { fromWire } from "./codec.ts";
import { makeHandshake, PROTOCOL_MAX, PROTOCOL_MIN, refusalOf } from "./handshake.ts";
import { type RebuildLoad, RebuildStream } from "./rebuild-server.ts";
import { answersOf, SnapshotReceiver, type SnapshotTarget } from "./snapshot-receiver.ts";

/** Bytes received from each peer. */
export type ReceivedBytes = Map<MemberId, number>;

export function buildPeerRouter(
  host: Host,
  target: SnapshotTarget,
  integrity: Integrity,
  received: ReceivedBytes,
): Router {
  const load: RebuildLoad = { streams: 0 };
  return new Map<string, Method>([
    [
      Peer.stream.path,
      { kind: "bidiStream", open: (call) => new PeerStream(host, call, received) },
    ],
    [
      Peer.snapshot.path,
      {
        kind: "bidiStream",
        open: (call) => new SnapshotReceiver(answersOf(call), target, host.logger),
      },
    ],
    [
      Peer.rebuild.path,
      { kind: "bidiStream", open: (call) => new RebuildStream(host, call, load) },
    ],
    [Peer.leaseRenew.path, asked(encodeLeaseRenewResponse, (message) => renew(host, message))],
    [
      Peer.leaseTimeToLive.path,
      asked(encodeLeaseTimeToLiveResponse, (message) => timeToLive(host, message)),
    ],
    [Peer.leaseLeases.path, asked(encodeLeaseLeasesResponse, () => leases(host))],
    [
      Peer.hashKv.path,
      {
        kind: "unary",
        handle: (call, message) => hashKvUnless(host, call, message, () => null),
        onCancel: cancelHash,
      },
    ],
    [
      Peer.condemn.path,
      asked(encodeCondemnResponse, async (message) => condemn(host, integrity, message)),
    ],
    [
      Peer.memberPromote.path,
      asked(encodeMemberPromoteResponse, (message) => promote(host, message)),
    ],
    [Peer.describe.path, { kind: "unary", handle: (call) => describe(host, call), onCancel: null }],
  ]);
}

/** One peer's messages, from its handshake on. */
class PeerStream implements StreamReceiver {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #received: ReceivedBytes;
  #from: MemberId | null = null;

  constructor(host: Host, call: ServerCall, received: ReceivedBytes) {
    this.#host = host;
    this.#call = call;
    this.#received = received;
  }

  onMessage(message: Uint8Array): void {
    try {
      // Entries keep views of these bytes until they are applied and out of every cache.
      const batch = decodePeerMessages(keep(message));
      if (batch.handshake !== null || this.#from === null) {
        this.#begin(batch.handshake); // the first, or a probe of the round trip
        return;
      }
      const { memberId } = this.#host.identity;
      for (const wire of batch.messages) {
        const received = fromWire(wire, this.#from, memberId);
        if (received !== null) this.#host.loop.receive(received);
      }
      this.#received.set(this.#from, (this.#received.get(this.#from) ?? 0) + message.length);
    } catch (error) {
      // Anything but a message that does not decode is our own: it must not look like a lost stream.
      if (!(error instanceof DecodeError)) throw error;
      failWith(this.#call, error);
    }
  }

  onHalfClose(): void {
    this.#call.end(Status.ok, "");
  }

  onClose(): void {}

  #begin(theirs: Handshake | null): void {
    if (theirs === null) {
      this.#call.end(Status.failedPrecondition, "a peer stream begins with a handshake");
      return;
    }
    const { identity, machine, logger } = this.#host;
    const from = theirs.from as MemberId;
    const refusal = refusalOf(identity, theirs, (id) => machine.members.isRemoved(id));
    this.#call.send(
      encodePeerMessages({ handshake: makeHandshake(identity, from, refusal), messages: [] }),
    );
    if (refusal === "") {
      this.#from = from;
      this.#host.links.onHeard(theirs);
      return;
    }
    logger.warn({ peer: from, refusal }, "a peer was refused");
    this.#call.end(Status.failedPrecondition, refusal);
  }
}

/**
 * A unary method that answers when its promise settles. Encoded only then: all encoders write into one buffer, which whoever
 * encodes meanwhile has taken.
 */
function asked<Response>(
  encode: (response: Response) => Uint8Array,
  answer: (message: Uint8Array) => Promise<Response>,
): Method {
  return {
    kind: "unary",
    handle: (call, message) => {
      answer(message).then(
        (response) => call.reply(encode(response)),
        (error: unknown) => failWith(call, error),
      );
    },
    onCancel: null,
  };
}

function mustLead(host: Host): void {
  if (!host.isLeader()) {
    throw new QuorateError(API_ERRORS.notLeader.code, API_ERRORS.notLeader.text);
  }
}

async function renew(host: Host, message: Uint8Array): Promise<LeaseRenewResponse> {
  const { ids } = decodeLeaseRenewRequest(message);
  const renewals = await Promise.all(ids.map(async (id) => host.leases.renew(id)));
  const ttls = renewals.map((renewal) => {
    if (renewal.kind === "renewed") return renewal.ttl;
    throw new QuorateError("unavailable", API_ERRORS.notPrimaryLessor.text);
  });
  return { ttls };
}

async function timeToLive(host: Host, message: Uint8Array): Promise<LeaseTimeToLiveResponse> {
  const request = decodeLeaseTimeToLiveRequest(message);
  mustLead(host);
  await linearize(host);
  return timeToLiveHere(host, request);
}

async function leases(host: Host): Promise<LeaseLeasesResponse> {
  mustLead(host);
  await linearize(host);
  return leasesHere(host);
}

async function promote(host: Host, message: Uint8Array): Promise<MemberPromoteResponse> {
  const { id } = decodeMemberPromoteRequest(message);
  mustLead(host);
  await promoteHere(host, id);
  return { header: null, members: apiMembers(host) };
}

function condemn(host: Host, integrity: Integrity, message: Uint8Array): CondemnResponse {
  const { handshake, reason, condemned } = decodeCondemnRequest(message);
  const { identity, machine } = host;
  const refusal =
    handshake === null
      ? "there is no handshake"
      : refusalOf(identity, handshake, (id) => machine.members.isRemoved(id));
  if (refusal !== "") throw new QuorateError("failedPrecondition", refusal);
  const rebuilds = integrity.condemned(reason, condemned as readonly MemberId[]);
  return { rebuilds };
}

function describe(host: Host, call: ServerCall): void {
  const { identity, machine } = host;
  if (machine.members.list().length === 0) {
    fail(call, API_ERRORS.unhealthy); // it is only joining itself
    return;
  }
  call.reply(
    encodeDescribeResponse({
      clusterId: identity.clusterId,
      memberId: identity.memberId,
      incarnation: identity.incarnation,
      members: apiMembers(host),
      version: QUORATE_VERSION,
      clusterVersion: clusterVersionOf(machine),
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_MAX,
      leader: host.leader(),
      raftAppliedIndex: machine.appliedIndex,
    }),
  );
}
