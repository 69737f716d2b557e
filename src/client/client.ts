/**
 * The client of Quorate and etcd: what the package exports. One client serves a whole program; it keeps a connection to each
 * member and turns to another when one fails.
 */
import { Auth } from "./auth.ts";
import type { KeyRange } from "./bytes.ts";
import { type CallDefaults, Calls, type MemberCallOptions } from "./calls.ts";
import { Cluster } from "./cluster.ts";
import { Election, type ElectionOptions } from "./election.ts";
import type { EndpointSettings } from "./endpoint.ts";
import { Endpoints } from "./endpoints.ts";
import { ClientError } from "./error.ts";
import { Kv } from "./kv.ts";
import { Leases } from "./lease.ts";
import { type Lock, type LockOptions, lock, tryLock } from "./lock.ts";
import { Maintenance } from "./maintenance.ts";
import type { MethodSpec } from "../api/method.ts";
import type { CallKind } from "./retry.ts";
import type { CallOptions } from "./time.ts";
import { type TlsOptions, readCredentials } from "./tls.ts";
import type { UserPassword } from "./token.ts";
import { Watch, type WatchOptions } from "./watch.ts";

export type { AuthStatus, Permission } from "./auth.ts";
export { toBytes, toText } from "./bytes.ts";
export type { Bytes, KeyRange } from "./bytes.ts";
export type { MemberCallOptions } from "./calls.ts";
export type { Member } from "./cluster.ts";
export { compare } from "./compare.ts";
export type { Compare, Comparison } from "./compare.ts";
export type { Election, ElectionOptions, Leadership } from "./election.ts";
export { ClientError, CompactedError } from "./error.ts";
export type { ApiErrorName, ErrorCode } from "./error.ts";
export type { KeyValue } from "./key-value.ts";
export type { Kv, Listing, Page, PageOptions } from "./kv.ts";
export type { GrantOptions, GrantedLease, KeepOptions, KeptLease, TimeToLive } from "./lease.ts";
export type { Lock, LockOptions } from "./lock.ts";
export { AlarmType } from "./maintenance.ts";
export type { AlarmMember, HashKVResponse, SnapshotPiece, StatusResponse } from "./maintenance.ts";
export { op } from "./op.ts";
export type {
  DeleteOptions,
  DeleteResult,
  GetOptions,
  Op,
  PutOptions,
  PutResult,
  RangeOptions,
  RangeResult,
} from "./op.ts";
export type { CallOptions } from "./time.ts";
export type { Pem, TlsOptions } from "./tls.ts";
export type { UserPassword } from "./token.ts";
export type { Results, Txn, TxnResult } from "./txn.ts";
export type { Watch, WatchBatch, WatchEvent, WatchOptions } from "./watch.ts";

export interface ClientOptions {
  /** The members: `host:port`, `http://host:port`, `https://host:port` or `unix:///path`. As many as there are. */
  readonly endpoints: readonly string[];
  /** For `https` endpoints, and for those without a scheme. */
  readonly tls?: TlsOptions | undefined;
  /** Who calls, where the cluster asks for names and passwords. */
  readonly user?: UserPassword | undefined;
  /** For a call with all its attempts, in milliseconds. 10 000 unless given. */
  readonly timeoutMs?: number | undefined;
  /**
   * For one attempt at one member, in milliseconds. 3 000 unless given. Also the measure of patience: a member that is silent
   * for a third of it while it owes an answer is asked whether it lives, and left after another third.
   */
  readonly attemptTimeoutMs?: number | undefined;
}

const TIMEOUT_MS = 10_000;
const ATTEMPT_TIMEOUT_MS = 3_000;
const PROBE_SHARE = 1 / 3;
const PROBE_MIN_MS = 50;

export class Client implements AsyncDisposable {
  readonly kv: Kv;
  readonly leases: Leases;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  readonly auth: Auth;
  readonly #endpoints: Endpoints;
  readonly #calls: Calls;
  readonly #closer = new AbortController();
  readonly #defaults: CallDefaults;
  #tls: TlsOptions | null;

  /** Begins to connect; throws a "configuration" error for what cannot be right. */
  constructor(options: ClientOptions) {
    this.#defaults = {
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      attemptTimeoutMs: options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS,
    };
    for (const [name, value] of Object.entries(this.#defaults)) {
      if (!(value > 0) || (name === "attemptTimeoutMs" && value === Number.POSITIVE_INFINITY))
        throw new ClientError(
          "configuration",
          `${name} is ${value}: give it a number of milliseconds above 0`,
        );
    }
    this.#tls = options.tls ?? null;
    this.#endpoints = new Endpoints(options.endpoints, this.#settings());
    const user = options.user ?? null;
    this.#calls = new Calls(this.#endpoints, user, this.#defaults, this.#closer.signal);
    this.kv = new Kv(this.#calls);
    this.leases = new Leases(this.#calls);
    this.cluster = new Cluster(this.#calls);
    this.maintenance = new Maintenance(this.#calls);
    this.auth = new Auth(this.#calls);
  }

  /** The members as they are known now. */
  get endpoints(): readonly string[] {
    return this.#endpoints.names;
  }

  /** From now on these members. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#endpoints.replace(endpoints);
  }

  /** Asks for the members, and from then on knows all voters by the addresses that they advertise. */
  async sync(options: CallOptions = {}): Promise<readonly string[]> {
    const members = await this.cluster.list(options);
    const found = members.flatMap(({ isLearner, clientUrls }) => (isLearner ? [] : clientUrls));
    if (found.length > 0) this.setEndpoints(found);
    return this.endpoints;
  }

  /**
   * New connections are made with these certificates; without an argument, files are read again. Calls and watches that run
   * go on over the old connections. Throws, and changes nothing, if a file cannot be read.
   */
  reloadTls(tls?: TlsOptions): void {
    const old = this.#tls;
    this.#tls = tls ?? old;
    try {
      this.#endpoints.renew(this.#settings());
    } catch (thrown) {
      this.#tls = old;
      throw thrown;
    }
  }

  /** Every change of these keys, from now or from a revision on. Begins at once. */
  watch(range: KeyRange, options: WatchOptions = {}): Watch {
    return new Watch(this.#calls, range, options);
  }

  /** Waits for the lock of this name. */
  async lock(name: string, options: LockOptions = {}): Promise<Lock> {
    return await lock(this, name, options);
  }

  /** The lock of this name, or null where somebody has it. */
  async tryLock(name: string, options: LockOptions = {}): Promise<Lock | null> {
    return await tryLock(this, name, options);
  }

  election(name: string, options: ElectionOptions = {}): Election {
    return new Election(this, name, options);
  }

  /** Any unary method of the protocol, with its messages as they are; `kind` says what may be repeated. */
  async call<Request, Response>(
    method: MethodSpec<Request, Response>,
    request: Request,
    kind: CallKind,
    options: MemberCallOptions = {},
  ): Promise<Response> {
    return await this.#calls.unary(method, request, kind, options);
  }

  /** Ends what is under way with code "cancelled", and all connections. Leases are left to run out. */
  close(): void {
    if (this.#closer.signal.aborted) return;
    this.#closer.abort(new ClientError("cancelled", "the client was closed"));
    this.#endpoints.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #settings(): EndpointSettings {
    const { attemptTimeoutMs } = this.#defaults;
    const probeTimeoutMs = Math.max(PROBE_MIN_MS, attemptTimeoutMs * PROBE_SHARE);
    return {
      credentials: this.#tls === null ? null : readCredentials(this.#tls),
      serverName: this.#tls?.serverName ?? null,
      dialTimeoutMs: attemptTimeoutMs,
      probeTimeoutMs,
      silenceMs: attemptTimeoutMs,
    };
  }
}
