/** Elections: one leader at a time for a name, with a value that everybody can read. As etcd's own clients hold them. */
import type { Bytes } from "./bytes.ts";
import type { Client } from "./client.ts";
import { compare } from "./compare.ts";
import { ClientError, CompactedError } from "./error.ts";
import type { KeyValue } from "./key-value.ts";
import type { KeptLease } from "./lease.ts";
import { joined, release, withdraw } from "./lock.ts";
import { op } from "./op.ts";
import { API_ERRORS } from "../api/catalogue.ts";
import { awaitTurn, type Place, takePlace } from "./queue.ts";
import type { CallOptions } from "./time.ts";

export interface ElectionOptions {
  /** Seconds after which a leader that vanished is replaced. 10 unless given. */
  readonly ttl?: number | undefined;
}

const TTL_SECONDS = 10;

/** Leadership that was won. */
export class Leadership implements AsyncDisposable {
  readonly #client: Client;
  readonly #lease: KeptLease;
  readonly #place: Place;

  constructor(client: Client, lease: KeptLease, place: Place) {
    this.#client = client;
    this.#lease = lease;
    this.#place = place;
  }

  /** The key that stands for this leader. */
  get key(): string {
    return this.#place.key;
  }

  /** Greater than that of every earlier leader. */
  get revision(): number {
    return this.#place.revision;
  }

  /** Aborted when another may lead. */
  get lost(): AbortSignal {
    return this.#lease.lost;
  }

  /** Another value, as the same leader. */
  async proclaim(value: Bytes, options: CallOptions = {}): Promise<void> {
    const { key, revision } = this.#place;
    const result = await this.#client.kv
      .txn()
      .if(compare.createRevision(key, "=", revision))
      .do(op.put(key, value, { lease: this.#lease.id }))
      .commit(options);
    if (!result.succeeded) throw new ClientError("aborted", API_ERRORS.electionNotLeader.text);
  }

  /** Lets the next one lead. */
  async resign(): Promise<void> {
    await release(this.#client, this.#lease, this.#place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resign();
  }
}

export class Election {
  readonly #client: Client;
  readonly #name: string;
  readonly #ttl: number;

  constructor(client: Client, name: string, options: ElectionOptions) {
    this.#client = client;
    this.#name = name;
    this.#ttl = options.ttl ?? TTL_SECONDS;
  }

  /** Stands for election, and resolves when it is won. */
  async campaign(
    value: Bytes,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Leadership> {
    const lease = await this.#client.leases.keep(this.#ttl, { signal: options.signal });
    const signal = joined(lease.lost, options.signal);
    let place: Place | null = null;
    try {
      place = await takePlace(this.#client, this.#name, lease.id, value, signal);
      await awaitTurn(this.#client, place, signal);
      signal.throwIfAborted();
      return new Leadership(this.#client, lease, place);
    } catch (thrown) {
      await withdraw(this.#client, lease, place);
      throw lease.lost.aborted && lease.lost.reason instanceof ClientError
        ? lease.lost.reason
        : thrown;
    }
  }

  /** Who leads, or null: the row of the leader's key, whose value is what it proclaimed. */
  async leader(options: CallOptions = {}): Promise<KeyValue | null> {
    return (await this.#first(options)).leader;
  }

  /** The leader of now, then each new one and each new value. Values in quick succession may be passed over. */
  async *observe(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<KeyValue, void, undefined> {
    const { signal } = options;
    const isOver = (): boolean => signal?.aborted === true;
    let seen = 0;
    const range = { prefix: `${this.#name}/` };
    while (!isOver()) {
      const found = await this.#first(options).catch((thrown: unknown) => {
        if (isOver()) return null;
        throw thrown;
      });
      if (found === null) return;
      const { leader, revision } = found;
      if (leader !== null && leader.modRevision !== seen) {
        seen = leader.modRevision;
        yield leader;
      }
      // Any change among the candidates may be a change of leader: look again.
      const watch = this.#client.watch(range, { fromRevision: revision + 1, signal });
      try {
        for await (const { events } of watch) if (events.length > 0) break;
      } catch (thrown) {
        if (!(thrown instanceof CompactedError)) throw thrown;
      }
    }
  }

  async #first(
    options: CallOptions,
  ): Promise<{ readonly leader: KeyValue | null; readonly revision: number }> {
    const range = { prefix: `${this.#name}/` };
    const found = await this.#client.kv.range(range, {
      ...options,
      limit: 1,
      sort: { by: "create" },
    });
    return { leader: found.rows[0] ?? null, revision: found.revision };
  }
}
