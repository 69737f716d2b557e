/**
 * Leases. Two parts in one class: what every member agrees on (grants, revokes, checkpoints, which key hangs on which
 * lease), changed only by log entries; and the deadlines, which only the leader has, in monotonic milliseconds passed in.
 *
 * A lease never ends early: not by a leader change (the new leader starts with what the last checkpoint left, or all of it),
 * not by a pause, not by a checkpoint older than a renewal.
 */
import { assert, present } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";
import { Bucket } from "../backend/buckets.ts";
import type { BucketWriter } from "../backend/backend.ts";
import { ExpiryHeap, heapEntry, type HeapEntry } from "./expiry-heap.ts";
import { decodeLease, encodeLease, type LeaseRecord, toLeaseKey } from "./lease-record.ts";

/** The id that names no lease. */
export const NO_LEASE = 0n;

/** Seconds; more is refused. */
export const LEASE_TTL_MAX = 9_000_000_000;
/** A lease with more than this left is checkpointed as often. */
export const CHECKPOINT_INTERVAL_MS: number = 5 * 60_000;
const CHECKPOINTS_A_BATCH = 1_000;
const SCAN_INTERVAL_MS = 500;
const EXPIRED_A_SCAN = 500;
const REVOKES_IN_FLIGHT = 16;
const REVOKE_RETRY_MS = 3_000;
/** With more leases than this, a new leader spreads their deadlines. */
const SPREAD_LEASES = 1_000;
const EXPIRIES_A_SECOND = 750;

export type GrantOutcome =
  | { readonly kind: "granted"; readonly ttl: number }
  | { readonly kind: "exists" }
  | { readonly kind: "tooLarge" }
  /** The id 0 names no lease: whoever proposes picks one. */
  | { readonly kind: "notFound" };

export type RevokeOutcome =
  /** `keys` are to be deleted, in this order, in the same entry. */
  { readonly kind: "revoked"; readonly keys: readonly Key[] } | { readonly kind: "notFound" };

export type RenewOutcome =
  | { readonly kind: "renewed"; readonly ttl: number }
  /** Answered with TTL 0, no error. */
  | { readonly kind: "notFound" }
  /** Its time is up and its revoke under way: wait until that is applied, then ask again. */
  | { readonly kind: "expiring" }
  /** Propose this checkpoint first, and renew once it is applied: it would cut the renewal short at a leader change. */
  | { readonly kind: "checkpointFirst"; readonly checkpoint: Checkpoint }
  | { readonly kind: "notPrimary" };

/** What a checkpoint entry says of one lease: seconds left, 0 for all of its TTL. */
export interface Checkpoint {
  readonly id: bigint;
  readonly remainingTtl: number;
}

export interface LeaseTime {
  /** Whole seconds left; the granted TTL where no deadline is known (not the leader). */
  readonly ttl: number;
  readonly grantedTtl: number;
  /** In key order. */
  readonly keys: readonly Key[];
}

class Lease implements LeaseRecord {
  readonly id: bigint;
  readonly ttl: number;
  remainingTtl: number;
  readonly keys = new Set<Key>();
  /** In the heap of expiries while this member leads, until its revoke is proposed. */
  readonly expiry: HeapEntry<Lease> = heapEntry<Lease>(this);
  readonly checkpoint: HeapEntry<Lease> = heapEntry<Lease>(this);

  constructor(record: LeaseRecord) {
    this.id = record.id;
    this.ttl = record.ttl;
    this.remainingTtl = record.remainingTtl;
  }
}

interface Revoking {
  readonly lease: Lease;
  readonly deadlineMs: number;
  /** When it is proposed again. */
  retryMs: number;
}

/**
 * The TTL that is granted for an asked one: at least one and a half election timeouts in whole seconds, so that a lease
 * outlives an election. For whoever proposes the grant: members may be configured differently, the entry must not depend on it.
 */
export function grantedTtl(asked: number, electionTimeoutMs: number): number {
  return Math.max(asked, Math.ceil((1.5 * electionTimeoutMs) / 1000));
}

export class Lessor {
  readonly #writer: BucketWriter;
  readonly #leases = new Map<bigint, Lease>();
  readonly #leaseOfKey = new Map<Key, Lease>();
  #primary = false;
  /** Deadlines of the leases whose revoke was not proposed yet; empty unless primary. */
  readonly #expiries = new ExpiryHeap<Lease>();
  readonly #checkpoints = new ExpiryHeap<Lease>();
  /** Leases whose revoke was proposed, at most 16. */
  readonly #revoking = new Map<bigint, Revoking>();
  #scanStartMs = Number.NEGATIVE_INFINITY;
  #scanned = 0;
  /** Leases granted and revoked (expired ones too) since the start. */
  grantedCount = 0;
  revokedCount = 0;

  /** `records`: the rows of the bucket `lease`. Keys are attached afterwards, by whoever reads the keys. */
  constructor(
    writer: BucketWriter,
    records: Iterable<readonly [key: Uint8Array, payload: Uint8Array]> = [],
  ) {
    this.#writer = writer;
    for (const [key, payload] of records) {
      const lease = new Lease(decodeLease(key, payload));
      this.#leases.set(lease.id, lease);
    }
  }

  get size(): number {
    return this.#leases.size;
  }

  get isPrimary(): boolean {
    return this.#primary;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  /** Ids of all leases: on the leader those with the least time left first, elsewhere by id. */
  list(): readonly bigint[] {
    const leases = [...this.#leases.values()];
    leases.sort((a, b) => this.#deadlineOf(a) - this.#deadlineOf(b) || (a.id < b.id ? -1 : 1));
    return leases.map((lease) => lease.id);
  }

  // What log entries do, the same on every member.

  /** `ttl` in seconds as proposed; see `grantedTtl`. */
  grant(id: bigint, ttl: number, nowMs: number): GrantOutcome {
    if (id === NO_LEASE) return { kind: "notFound" };
    if (ttl > LEASE_TTL_MAX) return { kind: "tooLarge" };
    if (this.#leases.has(id)) return { kind: "exists" };
    const lease = new Lease({ id, ttl, remainingTtl: 0 });
    this.#leases.set(id, lease);
    this.#store(lease);
    this.grantedCount++;
    if (this.#primary) this.#start(lease, nowMs, 0);
    return { kind: "granted", ttl };
  }

  revoke(id: bigint): RevokeOutcome {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { kind: "notFound" };
    this.revokedCount++;
    const keys = sorted(lease.keys);
    for (const key of keys) this.#leaseOfKey.delete(key);
    lease.keys.clear();
    this.#leases.delete(id);
    this.#revoking.delete(id);
    this.#expiries.remove(lease.expiry);
    this.#checkpoints.remove(lease.checkpoint);
    this.#writer.delete(Bucket.lease, toLeaseKey(id));
    return { kind: "revoked", keys };
  }

  /** An unknown lease is left alone: it was revoked after the checkpoint was proposed. */
  checkpoint(checkpoint: Checkpoint, nowMs: number): void {
    const lease = this.#leases.get(checkpoint.id);
    if (lease === undefined || lease.remainingTtl === checkpoint.remainingTtl) return;
    assert(checkpoint.remainingTtl >= 0, "a checkpoint leaves no negative time");
    lease.remainingTtl = Math.min(checkpoint.remainingTtl, lease.ttl);
    this.#store(lease);
    if (this.#primary) this.#scheduleCheckpoint(lease, nowMs);
  }

  /** Hangs `key` on the lease, and off any other. The lease must be there: puts check it before they change anything. */
  attach(id: bigint, key: Key): void {
    const lease = present(this.#leases.get(id), "a key is attached to a lease that is there");
    const old = this.#leaseOfKey.get(key);
    if (old === lease) return;
    old?.keys.delete(key);
    lease.keys.add(key);
    this.#leaseOfKey.set(key, lease);
  }

  detach(key: Key): void {
    const lease = this.#leaseOfKey.get(key);
    if (lease === undefined) return;
    lease.keys.delete(key);
    this.#leaseOfKey.delete(key);
  }

  /** The lease `key` hangs on; 0 for none. */
  leaseOf(key: Key): bigint {
    return this.#leaseOfKey.get(key)?.id ?? NO_LEASE;
  }

  /** Keys of the lease in key order; undefined if there is no such lease. */
  keysOf(id: bigint): readonly Key[] | undefined {
    const lease = this.#leases.get(id);
    return lease === undefined ? undefined : sorted(lease.keys);
  }

  /** Whether `holds` for every key of the lease, asked in no order until one fails; true if there is no such lease. */
  everyKey(id: bigint, holds: (key: Key) => boolean): boolean {
    for (const key of this.#leases.get(id)?.keys ?? []) if (!holds(key)) return false;
    return true;
  }

  // What only the leader does.

  /**
   * From now on this member leads: each lease gets what it had left at its last checkpoint, or its full TTL, and `extendMs`
   * (an election timeout) for the time without a leader.
   */
  promote(nowMs: number, extendMs: number): void {
    this.demote();
    this.#primary = true;
    for (const lease of this.#leases.values()) this.#start(lease, nowMs, extendMs);
    if (this.#leases.size > SPREAD_LEASES) this.#spread();
  }

  /** From now on it does not: no deadline, no renewal, and revokes proposed before are forgotten (R33, R36). */
  demote(): void {
    this.#primary = false;
    this.#expiries.clear();
    this.#checkpoints.clear();
    this.#revoking.clear();
    this.#scanStartMs = Number.NEGATIVE_INFINITY;
  }

  renew(id: bigint, nowMs: number): RenewOutcome {
    if (!this.#primary) return { kind: "notPrimary" };
    const lease = this.#leases.get(id);
    if (lease === undefined) return { kind: "notFound" };
    if (this.#deadlineOf(lease) <= nowMs) return { kind: "expiring" };
    if (lease.remainingTtl > 0) {
      return { kind: "checkpointFirst", checkpoint: { id, remainingTtl: 0 } };
    }
    this.#start(lease, nowMs, 0);
    return { kind: "renewed", ttl: lease.ttl };
  }

  timeToLive(id: bigint, nowMs: number): LeaseTime | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    const leftMs = this.#primary ? this.#deadlineOf(lease) - nowMs : lease.ttl * 1000;
    const ttl = Math.max(0, Math.floor(leftMs / 1000));
    return { ttl, grantedTtl: lease.ttl, keys: sorted(lease.keys) };
  }

  /**
   * Leases to propose the revoke of, now: those whose time is up, at most 500 in half a second and 16 in flight, each again
   * after 3 s if it is still there. A revoke that is applied, or `revokeFailed`, makes room: ask again then.
   */
  expired(nowMs: number): readonly bigint[] {
    if (!this.#primary) return [];
    if (nowMs - this.#scanStartMs >= SCAN_INTERVAL_MS) {
      this.#scanStartMs = nowMs;
      this.#scanned = 0;
    }
    const ids: bigint[] = [];
    for (const revoking of this.#revoking.values()) {
      if (revoking.retryMs > nowMs) continue;
      revoking.retryMs = nowMs + REVOKE_RETRY_MS;
      ids.push(revoking.lease.id);
    }
    while (this.#revoking.size < REVOKES_IN_FLIGHT && this.#scanned < EXPIRED_A_SCAN) {
      const entry = this.#expiries.peek();
      if (entry === undefined || entry.at > nowMs) break;
      const lease = entry.item;
      const revoking = { lease, deadlineMs: entry.at, retryMs: nowMs + REVOKE_RETRY_MS };
      this.#revoking.set(lease.id, revoking);
      this.#expiries.remove(entry);
      this.#scanned++;
      ids.push(lease.id);
    }
    return ids;
  }

  /** The revoke of an expired lease could not be proposed: it is due again at once. */
  revokeFailed(id: bigint): void {
    const revoking = this.#revoking.get(id);
    if (revoking === undefined) return;
    this.#revoking.delete(id);
    this.#expiries.set(revoking.lease.expiry, revoking.deadlineMs);
  }

  /** Checkpoints to propose now, at most 1000; those of a lost proposal come again an interval later. */
  dueCheckpoints(nowMs: number): readonly Checkpoint[] {
    const due: Checkpoint[] = [];
    for (;;) {
      const entry = this.#checkpoints.peek();
      if (entry === undefined || entry.at > nowMs || due.length >= CHECKPOINTS_A_BATCH) return due;
      const lease = entry.item;
      this.#scheduleCheckpoint(lease, nowMs);
      const leftMs = this.#deadlineOf(lease) - nowMs;
      // Rounded up, so that it never ends a lease early.
      if (leftMs > 0) due.push({ id: lease.id, remainingTtl: Math.ceil(leftMs / 1000) });
    }
  }

  #deadlineOf(lease: Lease): number {
    return this.#revoking.get(lease.id)?.deadlineMs ?? lease.expiry.at;
  }

  #store(lease: Lease): void {
    this.#writer.put(Bucket.lease, toLeaseKey(lease.id), encodeLease(lease));
  }

  #start(lease: Lease, nowMs: number, extendMs: number): void {
    const seconds = lease.remainingTtl > 0 ? lease.remainingTtl : lease.ttl;
    this.#expiries.set(lease.expiry, nowMs + extendMs + seconds * 1000);
    this.#scheduleCheckpoint(lease, nowMs);
  }

  #scheduleCheckpoint(lease: Lease, nowMs: number): void {
    const at = nowMs + CHECKPOINT_INTERVAL_MS;
    if (this.#deadlineOf(lease) > at) this.#checkpoints.set(lease.checkpoint, at);
    else this.#checkpoints.remove(lease.checkpoint);
  }

  /** Moves deadlines back until no second holds more than the leader can revoke beside its other work. */
  #spread(): void {
    const leases = [...this.#leases.values()].toSorted((a, b) => a.expiry.at - b.expiry.at);
    for (const [at, lease] of leases.entries()) {
      const before = leases[at - EXPIRIES_A_SECOND];
      if (before === undefined) continue;
      const earliest = before.expiry.at + 1000;
      if (lease.expiry.at < earliest) this.#expiries.set(lease.expiry, earliest);
    }
  }
}

function sorted(keys: ReadonlySet<Key>): Key[] {
  // The default order of strings is that of their UTF-16 units: for latin1 that of the bytes.
  return [...keys].toSorted();
}
