/** Leases: what keys may hang on, and vanish with. */
import { API_ERRORS } from "../api/catalogue.ts";
import type { LeaseKeepAliveResponse } from "../api/gen/lease.ts";
import { Lease as LeaseService } from "../api/gen/methods.ts";
import { deferred } from "../base/deferred.ts";
import type { Calls } from "./calls.ts";
import { ClientError } from "./error.ts";
import { KeepAlive } from "./keep-alive.ts";
import { isStreamRetryable } from "./retry.ts";
import type { CallOptions } from "./time.ts";

export interface GrantOptions extends CallOptions {
  /** The lease's id; the server chooses unless given. */
  readonly id?: bigint | undefined;
}

export interface GrantedLease {
  readonly id: bigint;
  /** Seconds, as granted: never fewer than were asked for. */
  readonly ttl: number;
}

export interface KeepOptions extends GrantOptions {
  /** Called once when the lease is lost: expired, revoked by others, or not renewed in time. */
  readonly onLost?: ((error: ClientError) => void) | undefined;
}

export interface TimeToLive {
  /** Whole seconds left; -1: there is no such lease. */
  readonly ttl: number;
  readonly grantedTtl: number;
  /** Empty unless asked for. */
  readonly keys: readonly Uint8Array[];
}

/** A lease that is renewed for as long as it is held. */
export class KeptLease implements AsyncDisposable {
  readonly id: bigint;
  /** Seconds. */
  readonly ttl: number;
  /** Aborted when the lease is lost, with the reason; also when it was given back. */
  readonly lost: AbortSignal;
  readonly #leases: Leases;
  readonly #controller: AbortController;
  readonly #release: () => void;

  constructor(
    leases: Leases,
    granted: GrantedLease,
    controller: AbortController,
    release: () => void,
  ) {
    this.id = granted.id;
    this.ttl = granted.ttl;
    this.lost = controller.signal;
    this.#leases = leases;
    this.#controller = controller;
    this.#release = release;
  }

  /** Gives the lease back, and its keys with it. That it was gone already is no failure. */
  async revoke(options: CallOptions = {}): Promise<void> {
    this.abandon();
    try {
      await this.#leases.revoke(this.id, options);
    } catch (thrown) {
      if (!(thrown instanceof ClientError && thrown.is("leaseNotFound"))) throw thrown;
    }
  }

  /** Renews it no longer: it ends by itself. */
  abandon(): void {
    this.#release();
    this.#controller.abort(new ClientError("cancelled", "the lease was given up"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.revoke();
  }
}

export class Leases {
  readonly #calls: Calls;
  readonly #keepAlive: KeepAlive;

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#keepAlive = new KeepAlive(calls);
  }

  /** A lease that lives `ttl` seconds unless it is renewed. */
  async grant(ttl: number, options: GrantOptions = {}): Promise<GrantedLease> {
    const request = { ttl, id: options.id ?? 0n };
    const answer = await this.#calls.unary(LeaseService.leaseGrant, request, "write", options);
    return { id: answer.id, ttl: answer.ttl };
  }

  /** Grants a lease and renews it until it is revoked, abandoned or lost. */
  async keep(ttl: number, options: KeepOptions = {}): Promise<KeptLease> {
    const grantedAt = performance.now();
    const granted = await this.grant(ttl, options);
    return this.#hold(granted, grantedAt, options);
  }

  /** Renews a lease that somebody granted. Its first renewal is due within a third of `ttl` seconds, which must be left. */
  hold(lease: GrantedLease, options: Pick<KeepOptions, "onLost"> = {}): KeptLease {
    return this.#hold(lease, performance.now(), options);
  }

  /** One renewal; the time to live that it has now, in seconds. Fails with "leaseNotFound" where there is none. */
  async keepAliveOnce(id: bigint, options: CallOptions = {}): Promise<number> {
    return (await this.renew(id, options)).ttl;
  }

  /** As `keepAliveOnce`, with the whole answer. */
  async renew(id: bigint, options: CallOptions = {}): Promise<LeaseKeepAliveResponse> {
    const budget = this.#calls.budget(options);
    for (;;) {
      budget.check(null);
      const answer = await this.#renewOnce(id, budget.leftMs, options);
      if (answer !== null) return answer;
      await budget.wait(RENEW_AGAIN_MS);
    }
  }

  async revoke(id: bigint, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(LeaseService.leaseRevoke, { id }, "write", options);
  }

  async timeToLive(
    id: bigint,
    options: CallOptions & { readonly keys?: boolean | undefined } = {},
  ): Promise<TimeToLive> {
    const request = { id, keys: options.keys ?? false };
    const answer = await this.#calls.unary(LeaseService.leaseTimeToLive, request, "read", options);
    return { ttl: answer.ttl, grantedTtl: answer.grantedTtl, keys: answer.keys };
  }

  async list(options: CallOptions = {}): Promise<bigint[]> {
    const { leases } = await this.#calls.unary(LeaseService.leaseLeases, {}, "read", options);
    return leases.map(({ id }) => id);
  }

  #hold(granted: GrantedLease, grantedAt: number, options: Pick<KeepOptions, "onLost">): KeptLease {
    const controller = new AbortController();
    this.#keepAlive.add(granted.id, granted.ttl, grantedAt, (error) => {
      controller.abort(error);
      // On its own: what it throws is the caller's, and must not end the renewal of other leases.
      queueMicrotask(() => options.onLost?.(error));
    });
    return new KeptLease(this, granted, controller, () => this.#keepAlive.remove(granted.id));
  }

  /** Null: the stream broke, try another. */
  async #renewOnce(
    id: bigint,
    leftMs: number,
    options: CallOptions,
  ): Promise<LeaseKeepAliveResponse | null> {
    const answered = deferred<Renewal>();
    const budget = this.#calls.budget({ ...options, timeoutMs: leftMs });
    const stream = await this.#calls.stream(
      LeaseService.leaseKeepAlive,
      { id },
      "read",
      {
        onMessage: (message) => answered.resolve(message),
        onEnd: (error) => answered.resolve(error),
      },
      { ...options, timeoutMs: leftMs },
    );
    let answer: Renewal = null;
    try {
      await budget.wait(
        leftMs,
        answered.promise.then((value) => (answer = value)),
      );
    } finally {
      stream.cancel();
    }
    return readRenewal(answer);
  }
}

/** Between two streams, where the first was refused or broke. */
const RENEW_AGAIN_MS = 50;

/** What a stream said, or how it ended; null where it did neither, or ended in good order. */
type Renewal = LeaseKeepAliveResponse | ClientError | null;

function readRenewal(answer: Renewal): LeaseKeepAliveResponse | null {
  if (answer instanceof ClientError) {
    if (isStreamRetryable(answer.code)) return null;
    throw answer;
  }
  if (answer !== null && answer.ttl <= 0)
    throw new ClientError("notFound", API_ERRORS.leaseNotFound.text);
  return answer;
}
