/**
 * Mutual exclusion, for as long as a lease lives. No lock of this kind can stop a holder that is paused at the wrong moment:
 * what the lock protects should refuse a `revision` smaller than one that it has seen.
 */
import type { Client } from "./client.ts";
import { ClientError } from "./error.ts";
import type { KeptLease } from "./lease.ts";
import { assertHeld, awaitTurn, leavePlace, type Place, takePlace } from "./queue.ts";

export interface LockOptions {
  /** Seconds after which others may take the lock of a holder that vanished. 10 unless given. */
  readonly ttl?: number | undefined;
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
}

const TTL_SECONDS = 10;

/** A lock that is held. */
export class Lock implements AsyncDisposable {
  readonly #client: Client;
  readonly #lease: KeptLease;
  readonly #place: Place;

  constructor(client: Client, lease: KeptLease, place: Place) {
    this.#client = client;
    this.#lease = lease;
    this.#place = place;
  }

  /** The key that stands for this holder: a transaction may demand that it exists. */
  get key(): string {
    return this.#place.key;
  }

  /** Greater than that of every earlier holder. */
  get revision(): number {
    return this.#place.revision;
  }

  /** Aborted when the lock may be another's: stop what it protects. */
  get lost(): AbortSignal {
    return this.#lease.lost;
  }

  async unlock(): Promise<void> {
    await release(this.#client, this.#lease, this.#place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unlock();
  }
}

/** Waits for the lock of this name. */
export async function lock(client: Client, name: string, options: LockOptions): Promise<Lock> {
  const lease = await client.leases.keep(options.ttl ?? TTL_SECONDS, { signal: options.signal });
  const signal = joined(lease.lost, options.signal);
  let place: Place | null = null;
  try {
    place = await takePlace(client, name, lease.id, "", signal);
    await awaitTurn(client, place, signal);
    await assertHeld(client, place, signal);
    return new Lock(client, lease, place);
  } catch (thrown) {
    await withdraw(client, lease, place);
    throw lease.lost.aborted && lease.lost.reason instanceof ClientError
      ? lease.lost.reason
      : thrown;
  }
}

/** The lock, or null where somebody has it. */
export async function tryLock(
  client: Client,
  name: string,
  options: LockOptions,
): Promise<Lock | null> {
  const lease = await client.leases.keep(options.ttl ?? TTL_SECONDS, { signal: options.signal });
  const signal = joined(lease.lost, options.signal);
  let place: Place | null = null;
  try {
    place = await takePlace(client, name, lease.id, "", signal);
    const first = await client.kv.range(
      { prefix: place.prefix },
      { limit: 1, sort: { by: "create" }, keysOnly: true, signal },
    );
    if (first.rows[0]?.createRevision === place.revision) return new Lock(client, lease, place);
    await withdraw(client, lease, place);
    return null;
  } catch (thrown) {
    await withdraw(client, lease, place);
    throw thrown;
  }
}

/** Gives up the place, then the lease: the one is gone at once even where the other cannot be told. */
export async function release(client: Client, lease: KeptLease, place: Place): Promise<void> {
  try {
    await leavePlace(client, place);
  } finally {
    await lease.revoke();
  }
}

/** As `release`, where somebody else's error is to be heard. */
export async function withdraw(
  client: Client,
  lease: KeptLease,
  place: Place | null,
): Promise<void> {
  try {
    if (place === null) await lease.revoke();
    else await release(client, lease, place);
  } catch {
    // The lease is no longer renewed, so the place goes with it.
  }
}

/** Aborted with either. */
export function joined(a: AbortSignal, b: AbortSignal | undefined): AbortSignal {
  return b === undefined ? a : AbortSignal.any([a, b]);
}
