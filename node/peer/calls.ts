/** Single questions to other members, beside the streams: a client each, opened at the first question. */
import type { Client } from "@grpc/grpc-js";
import { Peer } from "../../src/api/gen/methods.ts";
import type { MethodSpec } from "../../src/api/method.ts";
import type { MemberPromoteResponse } from "../../src/api/gen/cluster.ts";
import type {
  LeaseLeasesResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../../src/api/gen/lease.ts";
import type { HashKVResponse } from "../../src/api/gen/maintenance.ts";
import type { DescribeResponse, LeaseRenewResponse } from "../../src/api/gen/peer.ts";
import { API_ERRORS } from "../../src/api/catalogue.ts";
import { QuorateError, type ErrorCode } from "../../src/base/errors.ts";
import type { Member } from "../../src/machine/members.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Identity } from "../data-dir.ts";
import type { PeerDialer } from "./dialer.ts";
import { grpcJs } from "./grpc-js.ts";
import { makeHandshake } from "./handshake.ts";

const DEADLINE_MS = 5_000;
/** Renewals in one question. */
const RENEWALS_MAX = 1_000;

/** gRPC status numbers back to codes, where they decide what a client is told. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  3: "invalidArgument",
  5: "notFound",
  8: "resourceExhausted",
  9: "failedPrecondition",
  11: "outOfRange",
  14: "unavailable",
};

interface RpcError extends Error {
  readonly code?: number;
  readonly details?: string;
}

/** Renewals that go to the leader as one question, in the order of `ids`. */
interface Renewals {
  readonly leader: MemberId;
  readonly ids: bigint[];
  readonly answer: Promise<LeaseRenewResponse>;
}

export class PeerCalls {
  readonly #member: (id: MemberId) => Member | null;
  readonly #dial: PeerDialer;
  readonly #clients = new Map<string, Client>();
  /** Those of this turn. */
  #renewals: Renewals | null = null;

  constructor(member: (id: MemberId) => Member | null, dial: PeerDialer) {
    this.#member = member;
    this.#dial = dial;
  }

  /** Seconds; 0 for no such lease. All of a turn are one question. */
  async renewLease(leader: MemberId, id: bigint): Promise<number> {
    let turn = this.#renewals;
    if (turn === null || turn.leader !== leader || turn.ids.length >= RENEWALS_MAX) {
      turn = this.#collectRenewals(leader);
      this.#renewals = turn;
    }
    const at = turn.ids.push(id) - 1;
    const { ttls } = await turn.answer;
    return ttls[at] ?? 0;
  }

  #collectRenewals(leader: MemberId): Renewals {
    const ids: bigint[] = [];
    const ended = new Promise<void>((resolve) => setImmediate(resolve));
    const answer = ended.then(() => {
      if (this.#renewals?.ids === ids) this.#renewals = null;
      return this.#ask(leader, Peer.leaseRenew, { ids });
    });
    return { leader, ids, answer };
  }

  leaseTimeToLive(
    leader: MemberId,
    request: LeaseTimeToLiveRequest,
  ): Promise<LeaseTimeToLiveResponse> {
    return this.#ask(leader, Peer.leaseTimeToLive, request);
  }

  leaseLeases(leader: MemberId): Promise<LeaseLeasesResponse> {
    return this.#ask(leader, Peer.leaseLeases, {});
  }

  promote(leader: MemberId, id: bigint): Promise<MemberPromoteResponse> {
    return this.#ask(leader, Peer.memberPromote, { id });
  }

  /** The peer's hash of its history at `revision`. */
  async hashKv(peer: MemberId, revision: number, deadlineMs: number): Promise<HashKVResponse> {
    return await askPeer(this.clientOf(peer), Peer.hashKv, { revision }, deadlineMs);
  }

  /** Tells `peer` that its history differs from that of most; whether it rebuilds itself. */
  async condemn(
    self: Identity,
    peer: MemberId,
    reason: string,
    condemned: readonly MemberId[],
  ): Promise<boolean> {
    const handshake = makeHandshake(self, peer);
    const { rebuilds } = await this.#ask(peer, Peer.condemn, {
      handshake,
      reason,
      condemned: [...condemned],
    });
    return rebuilds;
  }

  /** For a client of the caller's own, such as a stream that carries a state. */
  clientOf(peer: MemberId): Client {
    const member = this.#member(peer);
    if (member === null) throw new QuorateError(API_ERRORS.noLeader.code, API_ERRORS.noLeader.text);
    return this.#client(member.peerUrls);
  }

  /** These are the members now: connections to where nobody of them is end, once what goes over them has. */
  update(members: readonly Member[]): void {
    const names = new Set(members.map(({ peerUrls }) => peerUrls.join(",")));
    for (const [name, client] of this.#clients) {
      if (names.has(name)) continue;
      this.#clients.delete(name);
      client.close();
    }
  }

  close(): void {
    this.update([]);
  }

  #client(peerUrls: readonly string[]): Client {
    const name = peerUrls.join(",");
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = this.#dial(peerUrls);
      this.#clients.set(name, client);
    }
    return client;
  }

  async #ask<Request, Response>(
    peer: MemberId,
    method: MethodSpec<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return await askPeer(this.clientOf(peer), method, request, DEADLINE_MS);
  }
}

/** One unary question. Rejects with the peer's own code and text. */
export function askPeer<Request, Response>(
  client: Client,
  method: MethodSpec<Request, Response>,
  request: Request,
  deadlineMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<Request, Response>(
      method.path,
      (message) => Buffer.from(method.encodeRequest(message)),
      (bytes) => method.decodeResponse(bytes),
      request,
      new (grpcJs().Metadata)(),
      { deadline: Date.now() + deadlineMs },
      (error: RpcError | null, response) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(toQuorateError(error));
      },
    );
  });
}

/** Asks whoever answers at `peerUrl` what cluster it belongs to. */
export async function describePeer(
  dial: PeerDialer,
  peerUrl: string,
  deadlineMs: number,
): Promise<DescribeResponse> {
  const client = dial([peerUrl]);
  try {
    return await askPeer(client, Peer.describe, {}, deadlineMs);
  } finally {
    client.close();
  }
}

function toQuorateError(error: RpcError | null): QuorateError {
  const code = CODES[error?.code ?? 0] ?? "unavailable";
  return new QuorateError(code, error?.details ?? "the peer did not answer", error);
}
