/**
 * Keeps leases alive: one stream for all of a client's leases, opened again wherever it ends. A lease is renewed at a third
 * of its time, give or take, so that leases granted together do not stay together.
 *
 * A lease counts as lost when a member says so, and when its time has passed since the last renewal that was confirmed was
 * *sent*: the member counts from later, so whoever holds a lock under it stops before anybody else can begin.
 */
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../api/gen/lease.ts";
import { Lease as LeaseService } from "../api/gen/methods.ts";
import { API_ERRORS } from "../api/catalogue.ts";
import type { Calls, OpenStream } from "./calls.ts";
import { ClientError, abortedError, toClientError } from "./error.ts";
import { backoffMs } from "./retry.ts";
import { type Deferred, deferred } from "../base/deferred.ts";

interface Kept {
  readonly id: bigint;
  readonly onLost: (error: ClientError) => void;
  ttlMs: number;
  /** Monotonic milliseconds. */
  expiresAt: number;
  renewAt: number;
  /** When the renewals that are unanswered were sent, oldest first: a stream answers in order. */
  sent: number[];
}

/** The earliest of all leases is looked at so often at least. */
const LOOK_MAX_MS = 1_000;
const RENEW_AT = 1 / 3;
const JITTER = 0.1;

export class KeepAlive {
  readonly #calls: Calls;
  readonly #kept = new Map<bigint, Kept>();
  #stream: OpenStream<LeaseKeepAliveRequest> | null = null;
  #running = false;
  /** Resolved when a lease was added or given up. */
  #changed: Deferred<void> = deferred();
  #lastError: ClientError | null = null;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Renews from now on. `grantedAtMs`: monotonic, when the grant was sent. `onLost` is called at most once. */
  add(
    id: bigint,
    ttlSeconds: number,
    grantedAtMs: number,
    onLost: (error: ClientError) => void,
  ): void {
    const ttlMs = ttlSeconds * 1000;
    const renewAt = grantedAtMs + renewalMs(ttlMs);
    this.#kept.set(id, {
      id,
      onLost,
      ttlMs,
      expiresAt: grantedAtMs + ttlMs,
      renewAt,
      sent: [],
    });
    this.#change();
    if (!this.#running) void this.#run();
  }

  /** No further renewals, and no `onLost`. */
  remove(id: bigint): void {
    if (this.#kept.delete(id)) this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** Runs while there are leases. */
  async #run(): Promise<void> {
    this.#running = true;
    const { closed } = this.#calls;
    const budget = this.#calls.budget({ timeoutMs: Number.POSITIVE_INFINITY });
    let opening: Promise<void> | null = null;
    let round = 0;
    let openAt = 0;
    while (this.#kept.size > 0 && !closed.aborted) {
      if (this.#stream === null && opening === null && performance.now() >= openAt) {
        openAt = performance.now() + backoffMs(round++, Math.random());
        opening = this.#open().finally(() => {
          opening = null;
          if (this.#stream !== null) round = 0;
        });
      }
      this.#renewDue();
      const wakeMs = this.#stream === null ? Math.min(this.#nextMs(), 50) : this.#nextMs();
      await budget.wait(wakeMs, this.#changed.promise);
    }
    this.#running = false;
    this.#stream?.cancel();
    if (closed.aborted) this.#loseAll(abortedError(closed));
  }

  async #open(): Promise<void> {
    let ended = false;
    try {
      const stream = await this.#calls.stream(
        LeaseService.leaseKeepAlive,
        null,
        "read",
        {
          onMessage: (message) => this.#onMessage(message),
          onEnd: (error) => {
            ended = true;
            this.#onEnd(error);
          },
        },
        { timeoutMs: LOOK_MAX_MS },
      );
      if (ended || this.#kept.size === 0) {
        stream.cancel();
        return;
      }
      this.#stream = stream;
      // What the last stream left unanswered is asked again at once.
      for (const kept of this.#kept.values()) {
        if (kept.sent.length > 0) kept.renewAt = 0;
        kept.sent = [];
      }
      this.#change();
    } catch (thrown) {
      this.#lastError = toClientError(thrown);
    }
  }

  #renewDue(): void {
    const now = performance.now();
    for (const kept of Array.from(this.#kept.values())) {
      if (now >= kept.expiresAt) {
        this.#kept.delete(kept.id);
        const text = `the lease was not renewed in time${this.#lastError === null ? "" : `: ${this.#lastError.message}`}`;
        kept.onLost(new ClientError("deadlineExceeded", text, { cause: this.#lastError }));
      } else if (now >= kept.renewAt && this.#stream !== null) {
        kept.sent.push(now);
        kept.renewAt = now + renewalMs(kept.ttlMs);
        this.#stream.send({ id: kept.id });
      }
    }
  }

  /** Milliseconds until some lease is due. */
  #nextMs(): number {
    const now = performance.now();
    let next = now + LOOK_MAX_MS;
    for (const { renewAt, expiresAt } of this.#kept.values())
      next = Math.min(next, this.#stream === null ? expiresAt : Math.min(renewAt, expiresAt));
    return Math.max(1, next - now);
  }

  #onMessage({ id, ttl }: LeaseKeepAliveResponse): void {
    const kept = this.#kept.get(id);
    const sentAt = kept?.sent.shift();
    if (kept === undefined || sentAt === undefined) return;
    if (ttl <= 0) {
      this.#kept.delete(id);
      kept.onLost(new ClientError("notFound", API_ERRORS.leaseNotFound.text));
      return;
    }
    kept.ttlMs = ttl * 1000;
    kept.expiresAt = sentAt + kept.ttlMs;
  }

  #onEnd(error: ClientError | null): void {
    this.#stream = null;
    this.#lastError = error ?? this.#lastError;
    if (error?.is("invalidAuthToken") === true) void this.#calls.refuseToken().catch(() => {});
    this.#change();
  }

  #loseAll(error: ClientError): void {
    const all = Array.from(this.#kept.values());
    this.#kept.clear();
    for (const kept of all) kept.onLost(error);
  }
}

function renewalMs(ttlMs: number): number {
  return ttlMs * RENEW_AT * (1 - JITTER + 2 * JITTER * Math.random());
}
