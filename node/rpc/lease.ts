/** The Lease service. Grants and revokes go through the log; renewals and times are the leader's. */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import {
  decodeLeaseGrantRequest,
  decodeLeaseKeepAliveRequest,
  decodeLeaseRevokeRequest,
  decodeLeaseTimeToLiveRequest,
  encodeLeaseGrantRequest,
  encodeLeaseGrantResponse,
  encodeLeaseKeepAliveResponse,
  encodeLeaseLeasesResponse,
  encodeLeaseRevokeResponse,
  encodeLeaseTimeToLiveResponse,
} from "../../src/api/gen/lease.ts";
import type {
  LeaseLeasesResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../../src/api/gen/lease.ts";
import { checkLeaseGrant } from "../../src/api/validate.ts";
import { fromKey } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { grantedTtl, NO_LEASE } from "../../src/lease/lessor.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { Reply } from "../../src/machine/reply.ts";
import { fail, failWith, linearize, proposeCall } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";

/** What a lease adds to the database, as etcd reckons. */
const LEASE_BYTES = 64;

export function grant(host: Host, call: ServerCall, message: Uint8Array): void {
  const request = decodeLeaseGrantRequest(message);
  const error = checkLeaseGrant(request) ?? host.growthRefusal(LEASE_BYTES);
  if (error !== null) {
    fail(call, error);
    return;
  }
  const id = request.id === NO_LEASE ? freshLease(host) : request.id;
  const ttl = grantedTtl(request.ttl, host.config.electionMs);
  proposeCall(
    host,
    call,
    CommandField.leaseGrant,
    encodeLeaseGrantRequest({ id, ttl }),
    answerGrant,
  );
}

function freshLease(host: Host): bigint {
  for (;;) {
    const id = host.requestIds.nextLease();
    if (!host.machine.lessor.has(id)) return id;
  }
}

function answerGrant(host: Host, call: ServerCall, reply: Reply): void {
  if (reply.kind !== "leaseGrant") return;
  const { id, ttl } = reply;
  const header = headerOf(host, reply.revision);
  call.reply(encodeLeaseGrantResponse({ header, id, ttl, error: "" }));
}

export function revoke(host: Host, call: ServerCall, message: Uint8Array): void {
  decodeLeaseRevokeRequest(message);
  proposeCall(host, call, CommandField.leaseRevoke, message, answerRevoke);
}

function answerRevoke(host: Host, call: ServerCall, reply: Reply): void {
  call.reply(encodeLeaseRevokeResponse({ header: headerOf(host, reply.revision) }));
}

/** Replies in the order of the requests. */
export function openKeepAlive(host: Host, call: ServerCall): StreamReceiver {
  return new KeepAliveCall(host, call);
}

class KeepAliveCall implements StreamReceiver {
  readonly #host: Host;
  readonly #call: ServerCall;
  /** The last answer that is under way; null if none is: answers then go out at once. */
  #before: Promise<void> | null = null;
  #halfClosed = false;

  constructor(host: Host, call: ServerCall) {
    this.#host = host;
    this.#call = call;
  }

  onMessage(message: Uint8Array): void {
    try {
      const { id } = decodeLeaseKeepAliveRequest(message);
      const { revision } = this.#host.machine.store;
      const renewal = this.#host.leases.renew(id);
      if (this.#before === null && !(renewal instanceof Promise) && renewal.kind === "renewed") {
        this.#answer(id, revision, renewal.ttl);
        return;
      }
      this.#answerLater(id, revision, renewal);
    } catch (error) {
      failWith(this.#call, error);
    }
  }

  onHalfClose(): void {
    this.#halfClosed = true;
    if (this.#before === null) this.#call.end(Status.ok, "");
  }

  onClose(): void {}

  #answerLater(id: bigint, revision: number, renewal: ReturnType<Host["leases"]["renew"]>): void {
    const ttl = renewThrough(this.#host, id, renewal);
    const step: Promise<void> = Promise.resolve(this.#before)
      .then(() => ttl)
      .then((seconds) => this.#answer(id, revision, seconds))
      .catch((error: unknown) => failWith(this.#call, error))
      .finally(() => {
        if (this.#before !== step) return;
        this.#before = null;
        if (this.#halfClosed) this.#call.end(Status.ok, "");
      });
    this.#before = step;
  }

  #answer(id: bigint, revision: number, ttl: number): void {
    const header = headerOf(this.#host, revision);
    this.#call.send(encodeLeaseKeepAliveResponse({ header, id, ttl }));
  }
}

const FORWARD_ATTEMPTS = 20;
const FORWARD_RETRY_MS = 50;

/** The TTL that a lease has after its renewal, by whoever leads; 0 for no such lease. */
async function renewThrough(
  host: Host,
  id: bigint,
  first: ReturnType<Host["leases"]["renew"]>,
): Promise<number> {
  let renewal = await first;
  for (let attempt = 0; ; attempt++) {
    if (renewal.kind === "renewed") return renewal.ttl;
    const forwarded = host.isLeader() ? null : await forwardRenewal(host, id);
    if (forwarded !== null) return forwarded;
    if (attempt === FORWARD_ATTEMPTS) {
      throw new QuorateError(API_ERRORS.timeout.code, API_ERRORS.timeout.text);
    }
    await new Promise((resolve) => setTimeout(resolve, FORWARD_RETRY_MS));
    renewal = await host.leases.renew(id);
  }
}

/** Null if the leader could not be asked. */
async function forwardRenewal(host: Host, id: bigint): Promise<number | null> {
  try {
    return await host.peers.renewLease(host.leader(), id);
  } catch {
    return null;
  }
}

export function timeToLive(host: Host, call: ServerCall, message: Uint8Array): void {
  const request = decodeLeaseTimeToLiveRequest(message);
  const answered = host.isLeader()
    ? linearize(host).then(() => timeToLiveHere(host, request))
    : host.peers.leaseTimeToLive(host.leader(), request);
  answered.then(
    (response) =>
      call.reply(
        encodeLeaseTimeToLiveResponse({
          ...response,
          header: headerOf(host, host.machine.store.revision),
        }),
      ),
    (error: unknown) => failWith(call, error),
  );
}

/** As this member knows it: the leader's answer. */
export function timeToLiveHere(
  host: Host,
  request: LeaseTimeToLiveRequest,
): LeaseTimeToLiveResponse {
  const { lessor, store } = host.machine;
  const header = headerOf(host, store.revision);
  const time = lessor.timeToLive(request.id, host.clock.now());
  if (time === undefined) return { header, id: request.id, ttl: -1, grantedTtl: 0, keys: [] };
  const keys = request.keys ? time.keys.map(fromKey) : [];
  return { header, id: request.id, ttl: time.ttl, grantedTtl: time.grantedTtl, keys };
}

export function leases(host: Host, call: ServerCall): void {
  const answered = host.isLeader()
    ? linearize(host).then(() => leasesHere(host))
    : host.peers.leaseLeases(host.leader());
  answered.then(
    (response) => {
      const header = headerOf(host, host.machine.store.revision);
      call.reply(encodeLeaseLeasesResponse({ ...response, header }));
    },
    (error: unknown) => failWith(call, error),
  );
}

export function leasesHere(host: Host): LeaseLeasesResponse {
  const { lessor, store } = host.machine;
  const header = headerOf(host, store.revision);
  return { header, leases: lessor.list().map((id) => ({ id })) };
}
