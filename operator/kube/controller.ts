/** Sources touch keys, keys wait in a queue, and a pass reconciles one of them at a time. */
import type { Logger, Random } from "../../src/base/ports.ts";
import type { Time } from "../time.ts";
import type { KubeApi, KubeObject, ObjectRef, Resource } from "./api.ts";
import { type Outcome, type QueueObserver, WorkQueue } from "./queue.ts";
import { Reflector } from "./reflector.ts";
import { type Indexer, type Reading, keyOf } from "./store.ts";

/** A kind that is watched, and whose keys its objects touch. */
export interface Source {
  readonly resource: Resource;
  readonly labelSelector?: string;
  /** Of a kind that may not be served, such as one of a CRD of others. */
  readonly optional?: boolean;
  readonly indexers?: readonly Indexer[];
  readonly trim?: (object: KubeObject) => KubeObject;
  /** Pure. `seen` is what is known of the controller's sources, to find who refers to an object. */
  readonly keysOf: (object: KubeObject, seen: Seen) => readonly string[];
}

/** What is known of the sources. Possibly old, never complete for certain: to find keys, not to decide. */
export interface Seen {
  get(resource: Resource, key: string): KubeObject | null;
  all(resource: Resource): readonly KubeObject[];
  find(resource: Resource, word: string): readonly KubeObject[];
}

/** One pass over one object: reads live state, does at most one thing, and says when to look again. */
export type Reconcile = (ref: ObjectRef, signal: AbortSignal) => Promise<Outcome>;

/** Hears of the controller, for metrics. */
export interface ControllerObserver extends QueueObserver {
  onRestart(resource: Resource, reason: string): void;
}

export interface ControllerOptions {
  readonly name: string;
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  /** Null: all of them. */
  readonly namespaces: readonly string[] | null;
  readonly sources: readonly Source[];
  readonly workers: number;
  readonly reconcile: Reconcile;
  readonly observe?: ControllerObserver;
  /** The keys of the first source are looked at so often even if nothing touches them; ten minutes unless given. */
  readonly resyncMs?: number;
}

const RESYNC_MS = 10 * 60_000;

/** The object's own key. */
export const ownKey: Source["keysOf"] = (object) => [keyOf(object)];

/** The key that a label names, in the object's namespace. */
export function keyInLabel(label: string): Source["keysOf"] {
  return ({ metadata: { namespace, labels = {} } }) => {
    const name = labels[label];
    return name === undefined || namespace === undefined ? [] : [`${namespace}/${name}`];
  };
}

/** The key of the controlling owner, if that is of this kind. */
export function keyOfOwner(resource: Resource): Source["keysOf"] {
  return ({ metadata: { namespace, ownerReferences = [] } }) =>
    ownerReferences
      .filter(({ kind, controller }) => kind === resource.kind && controller === true)
      .map(({ name }) => (namespace === undefined ? name : `${namespace}/${name}`));
}

export function refOfKey(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: null, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #reflectors: readonly { readonly resource: Resource; readonly reflector: Reflector }[];
  #cancelResync: () => void = () => {};
  #stopped = false;

  constructor(options: ControllerOptions) {
    const { name, time, random, workers, reconcile, observe } = options;
    this.name = name;
    this.#options = options;
    this.#queue = new WorkQueue({
      time,
      random,
      workers,
      work: (key, signal) => reconcile(refOfKey(key), signal),
      ...(observe === undefined ? {} : { observe }),
    });
    const namespaces = options.namespaces ?? [null];
    this.#reflectors = options.sources.flatMap((source) =>
      (source.resource.namespaced ? namespaces : [null]).map((namespace) => ({
        resource: source.resource,
        reflector: this.#reflect(source, namespace),
      })),
    );
  }

  /** What its sources have told. */
  get seen(): Seen {
    return {
      get: (resource, key) => {
        for (const store of this.#stores(resource)) {
          const object = store.get(key);
          if (object !== null) return object;
        }
        return null;
      },
      all: (resource) => this.#stores(resource).flatMap((store) => store.all()),
      find: (resource, word) => this.#stores(resource).flatMap((store) => store.find(word)),
    };
  }

  /** Every source was complete once. */
  get synced(): boolean {
    return this.#reflectors.every(({ reflector }) => reflector.synced);
  }

  /** For how long the slowest pass is under way, in milliseconds. */
  get slowestMs(): number {
    return this.#queue.slowestMs;
  }

  /** Begins to watch; no pass runs before `work`. */
  watch(): void {
    for (const { reflector } of this.#reflectors) reflector.start();
  }

  /** Passes begin once every source is complete. */
  async work(): Promise<void> {
    await Promise.all(this.#reflectors.map(({ reflector }) => reflector.whenSynced()));
    if (this.#stopped) return;
    this.#queue.start();
    this.#planResync();
  }

  /** A pass over this key, as soon as may be. */
  touch(key: string): void {
    this.#queue.add(key);
  }

  /** Ends watches at once, and resolves when the passes under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelResync();
    for (const { reflector } of this.#reflectors) reflector.stop();
    await this.#queue.stop();
  }

  #stores(resource: Resource): readonly Reading[] {
    return this.#reflectors
      .filter((each) => each.resource === resource || sameResource(each.resource, resource))
      .map(({ reflector }) => reflector.store);
  }

  #reflect(source: Source, namespace: string | null): Reflector {
    const { api, time, random, logger, observe } = this.#options;
    const { keysOf, ...watched } = source;
    return new Reflector({
      ...watched,
      api,
      time,
      random,
      logger,
      namespace,
      onTouched: (object) => {
        try {
          for (const key of keysOf(object, this.seen)) this.#queue.add(key);
        } catch (thrown) {
          // One object that nobody understands must not end the watch of the others.
          const fields = { resource: source.resource.plural, key: keyOf(object) };
          logger.error({ ...fields, reason: String(thrown) }, "whose this object is is not known");
        }
      },
      onRestart: (reason) => observe?.onRestart(source.resource, reason),
    });
  }

  #planResync(): void {
    const { time, random, sources, resyncMs = RESYNC_MS } = this.#options;
    const [primary] = sources;
    const afterMs = resyncMs * (0.9 + random.next() / 5);
    this.#cancelResync = time.after(afterMs, () => {
      if (primary !== undefined) {
        for (const object of this.seen.all(primary.resource)) this.#queue.add(keyOf(object));
      }
      this.#planResync();
    });
  }
}

function sameResource(a: Resource, b: Resource): boolean {
  return a.group === b.group && a.plural === b.plural;
}
