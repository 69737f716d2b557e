/** The operator without its process: controllers, lease, events and probes, put together. */
import { randomUUID } from "node:crypto";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger, Random } from "../src/base/ports.ts";
import { QUORATE_VERSION } from "../src/base/version.ts";
import type { OperatorConfig } from "./config.ts";
import type { BuiltController, ControllerDefinition } from "./context.ts";
import { type KubeApi, KubeError } from "./kube/api.ts";
import { Controller } from "./kube/controller.ts";
import { Elector } from "./kube/election.ts";
import { Events } from "./kube/events.ts";
import type { Metrics } from "./metrics.ts";
import { type Probes, serveProbes } from "./probes.ts";
import type { Time } from "./time.ts";

export interface OperatorOptions {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly controllers: readonly ControllerDefinition[];
  /** The lease is lost: the process must end at once, without finishing anything. */
  readonly onLost: (reason: string) => void;
}

/** Each call of a pass has a deadline of seconds; a pass that is under way for longer hangs. */
const PASS_MS_MAX = 10 * 60_000;
/** For the last events, at the end. */
const FLUSH_MS_MAX = 3_000;

interface Part {
  readonly controller: Controller;
  readonly built: BuiltController;
}

export class Operator {
  readonly #options: OperatorOptions;
  readonly #events: Events;
  readonly #parts: readonly Part[];
  readonly #elector: Elector | null;
  #probes: Probes | null = null;

  constructor(options: OperatorOptions) {
    const { config, api, time, logger, metrics, controllers } = options;
    this.#options = options;
    this.#events = new Events({
      api,
      time,
      logger,
      controller: "quorate.io/operator",
      instance: config.instance,
      namespace: config.namespace,
      onDropped: () => metrics.onEventDropped(),
    });
    this.#parts = controllers.map((definition) => this.#build(definition));
    this.#elector = this.#elect();
    metrics.onLeader(false);
  }

  /** Listens, watches, and competes for the lease; rejects where its port is taken. */
  async start(): Promise<void> {
    const { config, metrics } = this.#options;
    const live = (): readonly string[] => this.#hangs();
    const ready = (): readonly string[] => this.#misses();
    this.#probes = await serveProbes({
      ...config.metrics,
      live,
      ready,
      registry: metrics.registry,
    });
    for (const { controller } of this.#parts) controller.watch();
    if (this.#elector === null) this.#work();
    else this.#elector.start();
  }

  /** Where probes and metrics are; 0 before the start. */
  get port(): number {
    return this.#probes?.port ?? 0;
  }

  get isLeader(): boolean {
    return this.#elector === null || this.#elector.isLeader;
  }

  /** Finishes the passes under way, sends the last events, and gives the lease back: in this order. */
  async stop(): Promise<void> {
    const { time } = this.#options;
    await Promise.all(this.#parts.map(({ controller }) => controller.stop()));
    await Promise.all(this.#parts.map(({ built }) => built.close?.() ?? Promise.resolve()));
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => (cancel = time.after(FLUSH_MS_MAX, resolve)));
    await Promise.race([this.#events.flush(), late]);
    cancel();
    await this.#elector?.stop();
    this.#options.metrics.onLeader(false);
    await this.#probes?.close();
  }

  #build(definition: ControllerDefinition): Part {
    const { config, api, time, random, logger, metrics } = this.#options;
    const { name, sources, workers = config.workers } = definition;
    const built = definition.build({
      api,
      time,
      random,
      logger,
      recorder: this.#events,
      gauges: metrics.backups,
      config,
      version: QUORATE_VERSION,
    });
    const observe = metrics.observer(name);
    const controller = new Controller({
      name,
      api,
      time,
      random,
      logger,
      namespaces: config.namespaces,
      sources,
      workers,
      reconcile: built.reconcile,
      observe: {
        ...observe,
        onEnd: (key, seconds, error) => {
          observe.onEnd(key, seconds, error);
          if (error === null) return;
          logFailure(logger, { controller: name, key }, error);
        },
      },
    });
    return { controller, built };
  }

  #elect(): Elector | null {
    const { config, api, time, random, logger, metrics, onLost } = this.#options;
    if (config.election === null) return null;
    return new Elector({
      api,
      time,
      random,
      logger,
      ...config.election,
      // A container that begins anew in its pod is another competitor.
      identity: `${config.instance}_${randomUUID()}`,
      onLeading: () => this.#work(),
      onLost: (reason) => {
        metrics.onLeader(false);
        onLost(reason);
      },
    });
  }

  #work(): void {
    this.#options.metrics.onLeader(true);
    for (const { controller } of this.#parts) void controller.work();
  }

  #hangs(): readonly string[] {
    return this.#parts
      .filter(({ controller }) => controller.slowestMs > PASS_MS_MAX)
      .map(({ controller }) => `a pass of controller ${controller.name} hangs`);
  }

  /** One that waits for the lease is ready: it could take over. */
  #misses(): readonly string[] {
    return this.#parts
      .filter(({ controller }) => !controller.synced)
      .map(
        ({ controller }) => `controller ${controller.name} does not yet see all that it watches`,
      );
  }
}

/** What Kubernetes refuses speaks for itself; a stack is for what we did not expect. */
function logFailure(logger: Logger, fields: object, error: unknown): void {
  if (error instanceof KubeError) {
    const { code, message: reason } = error;
    // Somebody else wrote in between: the next pass sees what.
    if (code === "conflict") logger.debug({ ...fields, reason }, "a pass is repeated");
    else logger.warn({ ...fields, code, reason }, "a pass failed and is repeated");
    return;
  }
  const { message: reason, stack } = QuorateError.from(error);
  logger.warn({ ...fields, reason, stack }, "a pass failed and is repeated");
}
