/**
 * The leader's care for leases: deadlines, expiries, checkpoints, renewals. Elsewhere it only forwards.
 *
 * After a stall (a gap between two ticks of more than half an election timeout) nothing is renewed or expired until a quorum
 * has confirmed that this member still leads: a leader that slept through its own deposition must not speak for anybody.
 */
import { encodeLeaseCheckpoint } from "../src/api/gen/command.ts";
import { encodeLeaseRevokeRequest } from "../src/api/gen/lease.ts";
import type { Clock, Logger } from "../src/base/ports.ts";
import { CommandField } from "../src/machine/command.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { Loop } from "./loop.ts";
import type { RequestIds } from "./request-ids.ts";
import { linearize, proposeOwn } from "./rpc/answer.ts";

export interface LeaseKeeperHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly loop: Loop;
  readonly machine: Machine;
  readonly requestIds: RequestIds;
}

/** `notLeader`: ask the leader. `lost`: leadership could not be confirmed; ask again. */
export type Renewal =
  | { readonly kind: "renewed"; readonly ttl: number }
  | { readonly kind: "notLeader" }
  | { readonly kind: "lost" };

const RETRY_EXPIRING_MS = 50;
const RENEW_ATTEMPTS = 100;

export class LeaseKeeper {
  readonly #host: LeaseKeeperHost;
  readonly #electionMs: number;
  #lastTickMs: number;
  /** Settles true when a quorum confirmed the leader after a stall; null while there was none. */
  #confirming: Promise<boolean> | null = null;
  expiredCount = 0;
  renewedCount = 0;

  constructor(host: LeaseKeeperHost, electionMs: number) {
    this.#host = host;
    this.#electionMs = electionMs;
    this.#lastTickMs = host.clock.now();
  }

  onLeading(): void {
    const now = this.#host.clock.now();
    this.#lastTickMs = now;
    this.#confirming = null;
    this.#host.machine.lessor.promote(now, this.#electionMs);
  }

  onFollowing(): void {
    this.#confirming = null;
    this.#host.machine.lessor.demote();
  }

  /** At each tick of the clock. */
  tick(): void {
    const { lessor } = this.#host.machine;
    const now = this.#host.clock.now();
    this.#noteStall(now);
    if (!lessor.isPrimary || this.#confirming !== null) return;
    for (const id of lessor.expired(now)) this.#revoke(id);
    const checkpoints = lessor.dueCheckpoints(now);
    if (checkpoints.length > 0) void this.#checkpoint([...checkpoints]);
  }

  /** TTL 0 for no such lease. At once where nothing stands in the way. */
  renew(id: bigint): Renewal | Promise<Renewal> {
    this.#noteStall(this.#host.clock.now());
    if (this.#confirming !== null) return this.#renewSlowly(id);
    const { lessor } = this.#host.machine;
    const outcome = lessor.renew(id, this.#host.clock.now());
    switch (outcome.kind) {
      case "renewed":
        this.renewedCount++;
        return outcome;
      case "notFound":
        return { kind: "renewed", ttl: 0 };
      case "notPrimary":
        return { kind: "notLeader" };
      default:
        return this.#renewSlowly(id);
    }
  }

  #noteStall(now: number): void {
    const gap = now - this.#lastTickMs;
    this.#lastTickMs = now;
    if (gap <= this.#electionMs / 2 || !this.#host.machine.lessor.isPrimary) return;
    this.#host.logger.warn(
      { gapMs: Math.round(gap) },
      "the loop stood still; confirming leadership",
    );
    const confirming: Promise<boolean> = linearize(this.#host).then(
      () => this.#confirmed(confirming, true),
      () => this.#confirmed(confirming, false),
    );
    this.#confirming = confirming;
  }

  #confirmed(confirming: Promise<boolean>, ok: boolean): boolean {
    if (this.#confirming === confirming) this.#confirming = null;
    return ok;
  }

  async #renewSlowly(id: bigint): Promise<Renewal> {
    const { lessor } = this.#host.machine;
    for (let attempt = 0; attempt < RENEW_ATTEMPTS; attempt++) {
      if (this.#confirming !== null && !(await this.#confirming)) return { kind: "lost" };
      const outcome = lessor.renew(id, this.#host.clock.now());
      switch (outcome.kind) {
        case "renewed":
          this.renewedCount++;
          return outcome;
        case "notFound":
          return { kind: "renewed", ttl: 0 };
        case "notPrimary":
          return { kind: "notLeader" };
        case "checkpointFirst":
          if (!(await this.#checkpoint([outcome.checkpoint]))) return { kind: "lost" };
          break;
        case "expiring":
          await new Promise((resolve) => setTimeout(resolve, RETRY_EXPIRING_MS));
          break;
      }
    }
    return { kind: "lost" };
  }

  #revoke(id: bigint): void {
    this.expiredCount++;
    const body = Buffer.from(encodeLeaseRevokeRequest({ id }));
    proposeOwn(this.#host, CommandField.leaseRevoke, body).catch(() =>
      this.#host.machine.lessor.revokeFailed(id),
    );
  }

  /** True once it is applied. */
  async #checkpoint(
    leases: { readonly id: bigint; readonly remainingTtl: number }[],
  ): Promise<boolean> {
    const body = Buffer.from(encodeLeaseCheckpoint({ leases }));
    try {
      const reply = await proposeOwn(this.#host, CommandField.leaseCheckpoint, body);
      return reply.kind !== "error";
    } catch {
      return false; // it comes again an interval later
    }
  }
}
