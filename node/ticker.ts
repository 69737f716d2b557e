/** What a member does by the clock: with each heartbeat, and once a second. */
import { encodeCompactionRequest } from "../src/api/gen/kv.ts";
import { QuorateError } from "../src/base/errors.ts";
import { CommandField } from "../src/machine/command.ts";
import { AutoCompaction } from "./auto-compaction.ts";
import { ClusterVersion } from "./cluster-version.ts";
import type { Departure } from "./departure.ts";
import type { Retention } from "./retention.ts";
import { proposeOwn } from "./rpc/answer.ts";
import type { Host } from "./rpc/host.ts";

const SECOND_MS = 1_000;

export class Ticker {
  readonly #host: Host;
  readonly #departure: Departure;
  readonly #retention: Retention;
  readonly #autoCompaction: AutoCompaction;
  readonly #version: ClusterVersion;
  readonly #timers: NodeJS.Timeout[] = [];
  #lastTickMs = 0;

  constructor(host: Host, departure: Departure, retention: Retention) {
    this.#host = host;
    this.#departure = departure;
    this.#retention = retention;
    this.#autoCompaction = new AutoCompaction(host.config.autoCompaction);
    this.#version = new ClusterVersion(host);
  }

  start(): void {
    const { clock, config, space } = this.#host;
    this.#lastTickMs = clock.now();
    this.#timers.push(setInterval(() => this.#tick(), config.heartbeatMs));
    this.#timers.push(setInterval(() => this.#everySecond(), SECOND_MS));
    void space.sample();
  }

  /** Nothing is done by the clock any more. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** This member does not lead any more. */
  onFollowing(): void {
    this.#autoCompaction.reset();
  }

  #tick(): void {
    const { clock, config, leases, links, loop, stats, watch } = this.#host;
    const now = clock.now();
    const late = Math.max(0, now - this.#lastTickMs - config.heartbeatMs);
    stats.loopDelay.observe(late / 1000);
    if (late > config.heartbeatMs && this.#host.isLeader()) {
      stats.lateHeartbeats += links.all().length;
    }
    this.#lastTickMs = now;
    loop.tick();
    leases.tick();
    // Who still has to hand over needs its links; who does not asks often whether the others know.
    if (this.#departure.isRemoved && !this.#host.isLeader()) links.probe();
    watch.tick(now);
    this.#retention.tick(now);
  }

  #everySecond(): void {
    const { clock, links, logins, space } = this.#host;
    void space.sample();
    logins.tick(this.#host.machine.auth, clock.now());
    links.probe();
    if (!this.#host.isLeader()) return;
    this.#version.tick();
    const revision = this.#autoCompaction.tick(clock.now(), this.#host.machine.store.revision);
    if (revision !== null) this.#compact(revision);
  }

  #compact(revision: number): void {
    const { logger } = this.#host;
    const body = Buffer.from(encodeCompactionRequest({ revision, physical: false }));
    proposeOwn(this.#host, CommandField.compaction, body).then(
      () => logger.info({ revision }, "compacted automatically"),
      (error: unknown) => {
        const reason = QuorateError.from(error).message;
        logger.warn({ reason }, "automatic compaction failed");
      },
    );
  }
}
