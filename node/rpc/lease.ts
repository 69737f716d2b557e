/** The Lease service. Grants and revokes go through the log; renewals and times are the leader's. */
import { API_ERRORS, type ApiError } from "../../src/api/catalogue.ts";
import { rangeRequest } from "../../src/api/gen/kv.ts";
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
import { identify, lostIdentity, outdated, renewed, type Principal } from "./principal.ts";

/** What a lease adds to the database, as etcd reckons. */
const LEASE_BYTES = 64;

export function grant(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
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
    who,
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

export function revoke(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  decodeLeaseRevokeRequest(message);
  proposeCall(host, call, CommandField.leaseRevoke, message, answerRevoke, who);
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
  /** Since the first message that came while authentication was on. */
  #who: Principal | null = null;

  constructor(host: Host, call: ServerCall) {
    this.#host = host;
    this.#call = call;
  }

  onMessage(message: Uint8Array): void {
    try {
      const { id } = decodeLeaseKeepAliveRequest(message);
      if (this.#host.machine.auth.enabled) {
        const error = this.#refusal(id);
        if (error !== null) {
          fail(this.#call, error);
          return;
        }
      }
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

  /**
   * A stream lives longer than its token: who was recognised once stays so until the user is gone or has another password.
   * To renew a lease takes what it takes to revoke it.
   */
  #refusal(id: bigint): ApiError | null {
    const host = this.#host;
    if (this.#who === null) {
      const found = identify(host, this.#call);
      if (found.kind === "refused") return found.error;
      this.#who = found.who;
    }
    const lost = lostIdentity(host, this.#who);
    if (lost !== null) return lost;
    const claim = renewed(host, this.#who);
    return host.machine.authoriser.keys(claim, { kind: "leaseWrite", id });
  }

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

export function timeToLive(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const request = decodeLeaseTimeToLiveRequest(message);
  const answered = host.isLeader()
    ? linearize(host).then(() => timeToLiveHere(host, request))
    : host.peers.leaseTimeToLive(host.leader(), request);
  answered
    .then(async (response) => {
      // The leader has answered; what this member knows of users and of the lease must be as new.
      if (host.machine.auth.enabled && !host.isLeader()) await linearize(host);
      const error = outdated(host, who) ?? keysRefusal(host, who, response);
      const header = headerOf(host, host.machine.store.revision);
      if (error !== null) fail(call, error);
      else call.reply(encodeLeaseTimeToLiveResponse({ ...response, header }));
    })
    .catch((error: unknown) => failWith(call, error));
}

/** What forbids to be shown these keys, wherever they were looked up. */
function keysRefusal(
  host: Host,
  who: Principal | null,
  { keys }: LeaseTimeToLiveResponse,
): ApiError | null {
  if (who === null || !host.machine.auth.enabled) return null;
  for (const key of keys) {
    const error = host.machine.authoriser.keys(who, {
      kind: "range",
      value: rangeRequest({ key }),
    });
    if (error !== null) return error;
  }
  return null;
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

/** With authentication on, those alone whose keys the user may read. */
export function leases(host: Host, call: ServerCall, _: Uint8Array, who: Principal | null): void {
  const answered = host.isLeader()
    ? linearize(host).then(() => leasesHere(host))
    : host.peers.leaseLeases(host.leader());
  answered
    .then(async (response) => {
      const { enabled } = host.machine.auth;
      if (enabled && !host.isLeader()) await linearize(host);
      const error = outdated(host, who);
      if (error !== null) {
        fail(call, error);
        return;
      }
      const header = headerOf(host, host.machine.store.revision);
      const { authoriser, lessor } = host.machine;
      const shown =
        who === null
          ? response.leases
          : response.leases.filter(
              ({ id }) =>
                lessor.has(id) && authoriser.keys(who, { kind: "leaseRead", id }) === null,
            );
      call.reply(encodeLeaseLeasesResponse({ leases: shown, header }));
    })
    .catch((error: unknown) => failWith(call, error));
}

export function leasesHere(host: Host): LeaseLeasesResponse {
  const { lessor, store } = host.machine;
  const header = headerOf(host, store.revision);
  return { header, leases: lessor.list().map((id) => ({ id })) };
}
