/**
 * Who of several operators works: the holder of a Lease. Expiry is judged by when this process saw the lease change, never by
 * the times written into it, since clocks differ. A stall may outlive a lease all the same: what holders do must be safe twice.
 */
import type { Logger, Random } from "../../src/base/ports.ts";
import { LEASE, apiVersion } from "../api/resources.ts";
import { type Time, sleep } from "../time.ts";
import type { KubeApi, KubeObject } from "./api.ts";

/** In milliseconds: `lease` > `renewDeadline` > `retry`. */
export interface LeaseTimes {
  /** How long others wait after the last change that they saw. */
  readonly leaseMs: number;
  /** A holder that could not renew for so long stops. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export interface ElectorOptions {
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Of this process alone, among all that ever compete. */
  readonly identity: string;
  readonly times: LeaseTimes;
  /** Once, when the lease is held. */
  readonly onLeading: () => void;
  /** At most once, after `onLeading`: the lease may be another's, and work must end at once. Not after `stop`. */
  readonly onLost: (reason: string) => void;
}

/** Who cannot give the lease back in this time leaves it to its end. */
const RELEASE_MS_MAX = 3_000;

type Lease = KubeObject & {
  spec?: {
    holderIdentity?: string | null;
    leaseDurationSeconds?: number | null;
    acquireTime?: string | null;
    renewTime?: string | null;
    leaseTransitions?: number | null;
  };
};

/** MicroTime of Kubernetes: six digits, all of them. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.(\d{3})Z$/, ".$1000Z");
}

export class Elector {
  readonly #options: ElectorOptions;
  readonly #abort = new AbortController();
  #holds = false;
  #holder: string | null = null;
  /** What was last seen of the lease, and when that was new to us. */
  #seen: { readonly version: string; readonly at: number } | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ElectorOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#holds;
  }

  /** Whose the lease was when it was last read; null before. */
  get holder(): string | null {
    return this.#holder;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Gives the lease back, so that another need not wait for its end. Nobody must work by then. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
    if (!this.#holds) return;
    this.#holds = false;
    const over = new AbortController();
    await Promise.race([this.#release(), sleep(this.#options.time, RELEASE_MS_MAX, over.signal)]);
    over.abort();
  }

  async #run(): Promise<void> {
    const { times, onLeading, onLost, logger, identity } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted && !(await this.#attempt(times.renewDeadlineMs))) {
      await this.#pause();
    }
    if (signal.aborted) return;
    this.#holds = true;
    logger.info({ identity }, "leads");
    onLeading();
    const reason = await this.#keep();
    if (reason === null) return;
    this.#holds = false;
    logger.error({ identity, reason }, "leads no more");
    onLost(reason);
  }

  /** Renews until it is stopped (null), or tells why the lease is lost. */
  async #keep(): Promise<string | null> {
    const { time, times } = this.#options;
    const { signal } = this.#abort;
    let renewedAt = time.now();
    for (;;) {
      await sleep(time, times.retryMs, signal);
      if (signal.aborted) return null;
      const leftMs = renewedAt + times.renewDeadlineMs - time.now();
      if (leftMs <= 0) return `not renewed within ${times.renewDeadlineMs} ms`;
      const began = time.now();
      if (await this.#attempt(leftMs)) renewedAt = began;
      else if (this.#holder !== this.#options.identity)
        return `held by ${this.#holder ?? "nobody"}`;
    }
  }

  /** Whether the lease is ours now; false also where no answer came in time. */
  async #attempt(milliseconds: number): Promise<boolean> {
    const { time, logger } = this.#options;
    const late = new AbortController();
    const over = AbortSignal.any([late.signal, this.#abort.signal]);
    const deadline = sleep(time, milliseconds, over).then(() => false);
    const attempt = this.#claim().catch((thrown: unknown) => {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      logger.warn({ reason }, "the lease is not to be had now");
      return false;
    });
    try {
      return await Promise.race([attempt, deadline]);
    } finally {
      late.abort();
    }
  }

  async #claim(): Promise<boolean> {
    const { api, time, times, identity, namespace, name } = this.#options;
    const now = microTime(time.wall());
    const found = await api.get<Lease>(LEASE, { namespace, name });
    if (found === null) {
      const lease = this.#lease({ acquireTime: now, renewTime: now, leaseTransitions: 0 });
      this.#look(await api.create(LEASE, lease));
      return true;
    }
    this.#look(found);
    const { spec = {} } = found;
    const ours = spec.holderIdentity === identity;
    if (!ours && !this.#expired(spec.holderIdentity ?? "")) return false;
    const next = {
      ...found,
      spec: {
        ...spec,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(times.leaseMs / 1000),
        renewTime: now,
        acquireTime: ours ? (spec.acquireTime ?? now) : now,
        leaseTransitions: (spec.leaseTransitions ?? 0) + (ours ? 0 : 1),
      },
    };
    // Where another was faster this is a conflict, and the next look tells whose it is.
    this.#look(await api.update<Lease>(LEASE, next));
    return true;
  }

  #look({ metadata, spec }: Lease): void {
    const version = metadata.resourceVersion ?? "";
    if (this.#seen?.version !== version) this.#seen = { version, at: this.#options.time.now() };
    this.#holder = spec?.holderIdentity ?? "";
  }

  /** A lease without a holder was given back. */
  #expired(holder: string): boolean {
    const { time, times } = this.#options;
    return holder === "" || (this.#seen !== null && time.now() - this.#seen.at >= times.leaseMs);
  }

  #lease(spec: NonNullable<Lease["spec"]>): Lease {
    const { identity, namespace, name, times } = this.#options;
    return {
      apiVersion: apiVersion(LEASE),
      kind: LEASE.kind,
      metadata: { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(times.leaseMs / 1000),
        ...spec,
      },
    };
  }

  async #release(): Promise<void> {
    const { api, namespace, name, identity, time, logger } = this.#options;
    try {
      const found = await api.get<Lease>(LEASE, { namespace, name });
      if (found?.spec?.holderIdentity !== identity) return;
      const spec = {
        ...found.spec,
        holderIdentity: "",
        leaseDurationSeconds: 1,
        renewTime: microTime(time.wall()),
      };
      await api.update<Lease>(LEASE, { ...found, spec });
    } catch (thrown) {
      // It ends by itself.
      logger.warn({ reason: String(thrown) }, "the lease was not given back");
    }
  }

  /** So long that those who wait do not all come at once. */
  #pause(): Promise<void> {
    const { time, random, times } = this.#options;
    return sleep(time, times.retryMs * (1 + random.next() / 5), this.#abort.signal);
  }
}
