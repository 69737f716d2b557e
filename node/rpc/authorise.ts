/** Which permission each method asks for, and the guard that asks, before a service sees the call. */
import { API_ERRORS, type ApiError } from "../../src/api/catalogue.ts";
import {
  decodeAuthRoleGetRequest,
  decodeAuthUserGetRequest,
} from "../../src/api/gen/auth-service.ts";
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
} from "../../src/api/gen/kv.ts";
import { decodeLeaseRevokeRequest, decodeLeaseTimeToLiveRequest } from "../../src/api/gen/lease.ts";
import { AlarmAction, decodeAlarmRequest } from "../../src/api/gen/maintenance.ts";
import {
  Auth,
  Cluster,
  Election,
  KV,
  Lease,
  Lock,
  Maintenance,
  Watch,
} from "../../src/api/gen/methods.ts";
import { keep } from "../../src/base/bytes.ts";
import type { ServerCall, StreamReceiver } from "../../src/grpc/service.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { fail, failWith, linearize } from "./answer.ts";
import type { Host } from "./host.ts";
import {
  identify,
  identityOf,
  isAheadOfUs,
  lostIdentity,
  renewed,
  type Principal,
} from "./principal.ts";
import type { Session } from "./sessions.ts";

/** A service's handler of a unary call. `who` is null while authentication is off, and for methods open to anybody. */
export type Unary = (
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
) => void;
export type Open = (host: Host, call: ServerCall) => StreamReceiver;

type Check = (machine: Machine, who: Principal, message: Uint8Array) => ApiError | null;

/**
 * - `anybody`: asks for nothing.
 * - `itself`: a stream whose messages the service judges one by one.
 * - `parts`: made of other methods, each of which asks.
 * - `user`: any known user. `root`: the role root.
 */
export type Access = "anybody" | "itself" | "parts" | "user" | "root" | Check;

/** A method that is not named here is for root alone. */
export const ACCESS: ReadonlyMap<string, Access> = new Map<string, Access>([
  [
    KV.range.path,
    ({ authoriser }, who, message) =>
      authoriser.keys(who, { kind: "range", value: decodeRangeRequest(message) }),
  ],
  [
    KV.put.path,
    ({ authoriser }, who, message) =>
      authoriser.keys(who, { kind: "put", value: decodePutRequest(message) }),
  ],
  [
    KV.deleteRange.path,
    ({ authoriser }, who, message) =>
      authoriser.keys(who, { kind: "deleteRange", value: decodeDeleteRangeRequest(message) }),
  ],
  [
    KV.txn.path,
    ({ authoriser }, who, message) =>
      authoriser.keys(who, { kind: "txn", value: decodeTxnRequest(message) }),
  ],
  [KV.compact.path, "root"],
  [Watch.watch.path, "itself"],
  [Lease.leaseGrant.path, "user"],
  [
    Lease.leaseRevoke.path,
    ({ authoriser }, who, message) =>
      authoriser.keys(who, { kind: "leaseWrite", id: decodeLeaseRevokeRequest(message).id }),
  ],
  [Lease.leaseKeepAlive.path, "itself"],
  [Lease.leaseTimeToLive.path, checkTimeToLive],
  [Lease.leaseLeases.path, "user"],
  [Cluster.memberList.path, "user"],
  [Cluster.memberAdd.path, "root"],
  [Cluster.memberRemove.path, "root"],
  [Cluster.memberUpdate.path, "root"],
  [Cluster.memberPromote.path, "root"],
  [Maintenance.status.path, "user"],
  [
    Maintenance.alarm.path,
    ({ authoriser }, who, message) =>
      decodeAlarmRequest(message).action === AlarmAction.get
        ? authoriser.anyUser(who)
        : authoriser.admin(who),
  ],
  [Maintenance.defragment.path, "root"],
  [Maintenance.hash.path, "root"],
  [Maintenance.hashKv.path, "root"],
  [Maintenance.snapshot.path, "root"],
  [Maintenance.moveLeader.path, "root"],
  [Maintenance.downgrade.path, "root"],
  [Auth.authEnable.path, "root"],
  [Auth.authDisable.path, "root"],
  [Auth.authStatus.path, "root"],
  [Auth.authenticate.path, "anybody"],
  [Auth.userAdd.path, "root"],
  [Auth.userGet.path, checkUserGet],
  [Auth.userList.path, "root"],
  [Auth.userDelete.path, "root"],
  [Auth.userChangePassword.path, "root"],
  [Auth.userGrantRole.path, "root"],
  [Auth.userRevokeRole.path, "root"],
  [Auth.roleAdd.path, "root"],
  [Auth.roleGet.path, checkRoleGet],
  [Auth.roleList.path, "root"],
  [Auth.roleDelete.path, "root"],
  [Auth.roleGrantPermission.path, "root"],
  [Auth.roleRevokePermission.path, "root"],
  [Lock.lock.path, "parts"],
  [Lock.unlock.path, "parts"],
  [Election.campaign.path, "parts"],
  [Election.proclaim.path, "parts"],
  [Election.leader.path, "parts"],
  [Election.observe.path, "parts"],
  [Election.resign.path, "parts"],
]);

function checkTimeToLive(
  { authoriser }: Machine,
  who: Principal,
  message: Uint8Array,
): ApiError | null {
  const { id, keys } = decodeLeaseTimeToLiveRequest(message);
  return keys ? authoriser.keys(who, { kind: "leaseRead", id }) : authoriser.anyUser(who);
}

/** Everybody may see their own roles. */
function checkUserGet(machine: Machine, who: Principal, message: Uint8Array): ApiError | null {
  const error = machine.authoriser.admin(who);
  return decodeAuthUserGetRequest(message).name === who.user ? null : error;
}

/** Everybody may see what the roles that they have are good for. */
function checkRoleGet(machine: Machine, who: Principal, message: Uint8Array): ApiError | null {
  const error = machine.authoriser.admin(who);
  const roles = machine.auth.users.get(who.user)?.roles ?? [];
  return roles.includes(decodeAuthRoleGetRequest(message).role) ? null : error;
}

/** What forbids a call, whose message is null where it is a stream. */
function refusalOf(
  machine: Machine,
  path: string,
  who: Principal,
  message: Uint8Array | null,
): ApiError | null {
  const access = ACCESS.get(path) ?? "root";
  if (typeof access === "function") {
    return message === null ? API_ERRORS.permissionDenied : access(machine, who, message);
  }
  return access === "root" ? machine.authoriser.admin(who) : machine.authoriser.anyUser(who);
}

/** Whether the guard lets the call pass without asking. */
function passes(path: string): boolean {
  const access = ACCESS.get(path);
  return access === "anybody" || access === "itself" || access === "parts";
}

/** Runs a unary call's handler, if its caller may. Only where authentication is on. */
export function guardUnary(host: Host, call: ServerCall, message: Uint8Array, run: Unary): void {
  if (passes(call.path)) run(host, call, message, null);
  else if (isAheadOfUs(host, call)) {
    const kept = keep(message);
    linearize(host).then(
      () => guardNow(host, call, kept, run),
      (error: unknown) => failWith(call, error),
    );
  } else guardNow(host, call, message, run);
}

function guardNow(host: Host, call: ServerCall, message: Uint8Array, run: Unary): void {
  try {
    const found = identify(host, call);
    if (found.kind === "refused") {
      fail(call, found.error);
      return;
    }
    const error = refusalOf(host.machine, call.path, found.who, message);
    if (error !== null) fail(call, error);
    else run(host, call, message, found.who);
  } catch (error) {
    failWith(call, error);
  }
}

/** What a stream may have said before its token could be judged; more ends it. */
const WAITING_BYTES_MAX = 64 * 1024;

/** The receiver of a stream, or one that hears nothing where its caller may not have it. */
export function guardStream(host: Host, call: ServerCall, open: Open): StreamReceiver {
  if (host.machine.auth.enabled && isAheadOfUs(host, call))
    return new WaitingStream(host, call, open);
  return openNow(host, call, open);
}

/** A stream that was refused: whatever it says is not heard. */
export const DEAF: StreamReceiver = { onMessage() {}, onHalfClose() {}, onClose() {} };

function openNow(host: Host, call: ServerCall, open: Open): StreamReceiver {
  if (passes(call.path)) return open(host, call);
  let who: Principal | null = null;
  if (host.machine.auth.enabled) {
    const found = identify(host, call);
    const error =
      found.kind === "refused" ? found.error : refusalOf(host.machine, call.path, found.who, null);
    if (error !== null) {
      fail(call, error);
      return DEAF;
    }
    if (found.kind === "known") ({ who } = found);
  }
  return new GuardedStream(host, call, who, open(host, call));
}

/** A stream that ends when its caller may not have it any more. */
class GuardedStream implements StreamReceiver, Session {
  readonly #host: Host;
  readonly #call: ServerCall;
  #who: Principal | null;
  readonly #receiver: StreamReceiver;

  constructor(host: Host, call: ServerCall, who: Principal | null, receiver: StreamReceiver) {
    this.#host = host;
    this.#call = call;
    this.#who = who;
    this.#receiver = receiver;
    host.logins.sessions.add(this);
  }

  onMessage(message: Uint8Array): void {
    this.#receiver.onMessage(message);
  }

  onHalfClose(): void {
    this.#receiver.onHalfClose();
  }

  onClose(): void {
    this.#host.logins.sessions.delete(this);
    this.#receiver.onClose();
  }

  recheck(): void {
    const { machine } = this.#host;
    if (!machine.auth.enabled) return;
    this.#who ??= identityOf(this.#host, this.#call);
    const lost = lostIdentity(this.#host, this.#who);
    const error =
      lost !== null || this.#who === null
        ? lost
        : refusalOf(machine, this.#call.path, renewed(this.#host, this.#who), null);
    if (error !== null) fail(this.#call, error);
  }
}

/** A stream whose token this member cannot judge yet: what it says is kept until it can. */
class WaitingStream implements StreamReceiver {
  readonly #call: ServerCall;
  #receiver: StreamReceiver | null = null;
  #said: Uint8Array[] = [];
  #bytes = 0;
  #halfClosed = false;
  #closed = false;

  constructor(host: Host, call: ServerCall, open: Open) {
    this.#call = call;
    linearize(host).then(
      () => this.#open(host, open),
      (error: unknown) => failWith(call, error),
    );
  }

  onMessage(message: Uint8Array): void {
    if (this.#receiver !== null) {
      this.#receiver.onMessage(message);
      return;
    }
    this.#bytes += message.length;
    if (this.#bytes > WAITING_BYTES_MAX) fail(this.#call, API_ERRORS.tooManyRequests);
    else this.#said.push(keep(message));
  }

  onHalfClose(): void {
    this.#halfClosed = true;
    this.#receiver?.onHalfClose();
  }

  onClose(): void {
    this.#closed = true;
    this.#receiver?.onClose();
  }

  #open(host: Host, open: Open): void {
    if (this.#closed) return;
    try {
      this.#receiver = openNow(host, this.#call, open);
      for (const message of this.#said) if (!this.#closed) this.#receiver.onMessage(message);
      this.#said = [];
      if (this.#halfClosed && !this.#closed) this.#receiver.onHalfClose();
    } catch (error) {
      failWith(this.#call, error);
    }
  }
}
