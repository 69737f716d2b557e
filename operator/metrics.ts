/** What Prometheus learns of the operator. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { BackupMetrics } from "./backup-metrics.ts";
import type { Resource } from "./kube/api.ts";
import type { ControllerObserver } from "./kube/controller.ts";
import type { CallReport } from "./kube/transport.ts";

const PASS_SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];
const CALL_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

export class Metrics {
  readonly registry: Registry = new Registry();
  readonly backups: BackupMetrics = new BackupMetrics(this.registry);
  readonly #passes: Counter;
  readonly #passSeconds: Histogram;
  readonly #depth: Gauge;
  readonly #waitSeconds: Histogram;
  readonly #calls: Counter;
  readonly #callSeconds: Histogram;
  readonly #restarts: Counter;
  readonly #leader: Gauge;
  readonly #eventsDropped: Counter;

  constructor(version: string) {
    const registers = [this.registry];
    const name = (rest: string): string => `quorate_operator_${rest}`;
    this.#passes = new Counter({
      name: name("reconciles_total"),
      help: "Passes over an object, by their end.",
      labelNames: ["controller", "result"],
      registers,
    });
    this.#passSeconds = new Histogram({
      name: name("reconcile_duration_seconds"),
      help: "How long passes took.",
      labelNames: ["controller"],
      buckets: PASS_SECONDS,
      registers,
    });
    this.#depth = new Gauge({
      name: name("queue_depth"),
      help: "Objects that wait for a pass.",
      labelNames: ["controller"],
      registers,
    });
    this.#waitSeconds = new Histogram({
      name: name("queue_wait_seconds"),
      help: "How long objects waited for a pass that was due.",
      labelNames: ["controller"],
      buckets: PASS_SECONDS,
      registers,
    });
    this.#calls = new Counter({
      name: name("api_requests_total"),
      help: "Requests to the API server, by verb, kind and HTTP status; 0 where no answer came.",
      labelNames: ["verb", "resource", "code"],
      registers,
    });
    this.#callSeconds = new Histogram({
      name: name("api_request_duration_seconds"),
      help: "How long the API server took to begin its answer.",
      labelNames: ["verb"],
      buckets: CALL_SECONDS,
      registers,
    });
    this.#restarts = new Counter({
      name: name("watch_restarts_total"),
      help: "Watches that began anew: at their end, because they were too old, or after an error.",
      labelNames: ["resource", "reason"],
      registers,
    });
    this.#leader = new Gauge({
      name: name("leader"),
      help: "Whether this process is the one that works.",
      registers,
    });
    this.#eventsDropped = new Counter({
      name: name("events_dropped_total"),
      help: "Events that were not written.",
      registers,
    });
    const build = new Gauge({
      name: name("build_info"),
      help: "Always 1.",
      labelNames: ["version"],
      registers,
    });
    build.set({ version }, 1);
    collectDefaultMetrics({ register: this.registry });
  }

  onCall({ verb, resource, status, seconds }: CallReport): void {
    this.#calls.inc({ verb, resource, code: String(status) });
    this.#callSeconds.observe({ verb }, seconds);
  }

  onLeader(is: boolean): void {
    this.#leader.set(is ? 1 : 0);
  }

  onEventDropped(): void {
    this.#eventsDropped.inc();
  }

  /** For one controller. */
  observer(controller: string): ControllerObserver {
    this.#depth.set({ controller }, 0);
    return {
      onDepth: (depth) => this.#depth.set({ controller }, depth),
      onStart: (_key, waitedSeconds) => this.#waitSeconds.observe({ controller }, waitedSeconds),
      onEnd: (_key, seconds, error) => {
        this.#passes.inc({ controller, result: error === null ? "success" : "error" });
        this.#passSeconds.observe({ controller }, seconds);
      },
      onRestart: (resource: Resource, reason) =>
        this.#restarts.inc({ resource: resource.plural, reason }),
    };
  }
}
