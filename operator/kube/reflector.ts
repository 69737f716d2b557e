/** Keeps a store like what the API server has of one kind, and says whose keys were touched. */
import type { Logger, Random } from "../../src/base/ports.ts";
import { type Time, sleep } from "../time.ts";
import { type KubeApi, KubeError, type KubeObject, type Resource, type WatchEvent } from "./api.ts";
import { type Backoff, backoffMs } from "./backoff.ts";
import { type Indexer, ObjectStore, type Reading, keyOf } from "./store.ts";

export interface ReflectorOptions {
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  readonly resource: Resource;
  /** Null: all of them. */
  readonly namespace: string | null;
  readonly labelSelector?: string;
  /** Of a kind that may not be served: then there is nothing, and it is looked for again now and then. */
  readonly optional?: boolean;
  readonly indexers?: readonly Indexer[];
  /** What is kept of an object; all of it unless given. */
  readonly trim?: (object: KubeObject) => KubeObject;
  /**
   * An object came, changed or went; `object` is what is now there or what was last. One that was deleted and made again
   * between two looks comes twice, first as the old. Must not throw and must only note.
   */
  readonly onTouched: (object: KubeObject) => void;
  /** A watch began anew, and why: for metrics. */
  readonly onRestart?: (reason: "end" | "expired" | "error") => void;
}

const BACKOFF: Backoff = { firstMs: 500, longestMs: 30_000 };
/** A watch that ended sooner did not work, whatever it says. */
const LIFE_MS_MIN = 1_000;
const WATCH_SECONDS_MIN = 300;
const WATCH_SECONDS_MAX = 600;
const ABSENT_MS = 60_000;

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #store: ObjectStore;
  /** Of the run that counts; what an earlier one still hears is nothing. */
  #run: AbortController | null = null;
  #synced = false;
  /** From where the watch goes on; null: list first. */
  #resourceVersion: string | null = null;
  #waiting: (() => void)[] = [];

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#store = new ObjectStore(options.indexers);
  }

  get store(): Reading {
    return this.#store;
  }

  /** Whether the store was complete once. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves when the store is complete. */
  whenSynced(): Promise<void> {
    if (this.#synced) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Begins; does nothing while it runs. The store of an earlier run is kept and brought up to date. */
  start(): void {
    if (this.#run !== null) return;
    const run = new AbortController();
    this.#run = run;
    this.#resourceVersion = null;
    void this.#loop(run);
  }

  /** Ends at once: what is under way changes nothing any more. */
  stop(): void {
    this.#run?.abort();
    this.#run = null;
  }

  async #loop(run: AbortController): Promise<void> {
    const { time, random, onRestart } = this.#options;
    let failures = 0;
    while (this.#run === run) {
      const began = time.now();
      let waitMs = 0;
      try {
        if (this.#resourceVersion === null) await this.#list(run);
        await this.#watch(run);
        failures = time.now() - began < LIFE_MS_MIN ? failures + 1 : 0;
        if (this.#run === run) onRestart?.("end");
      } catch (thrown) {
        if (this.#run !== run) return;
        failures = time.now() - began < LIFE_MS_MIN ? failures + 1 : 1;
        waitMs = this.#onError(thrown);
      }
      if (failures > 0) waitMs = Math.max(waitMs, backoffMs(BACKOFF, failures, random));
      if (waitMs > 0) await sleep(time, waitMs, run.signal);
    }
  }

  /** Milliseconds to wait at least. */
  #onError(thrown: unknown): number {
    const { logger, resource, optional = false, onRestart } = this.#options;
    const error = thrown instanceof KubeError ? thrown : new KubeError("internal", String(thrown));
    // What is not understood may have hidden something.
    const relist = ["expired", "internal", "invalid", "notFound", "forbidden"].includes(error.code);
    if (relist) this.#resourceVersion = null;
    onRestart?.(error.code === "expired" ? "expired" : "error");
    if (optional && error.code === "notFound") {
      this.#replace([]);
      return ABSENT_MS;
    }
    const fields = { resource: resource.plural, code: error.code, reason: error.message };
    if (error.code === "expired") logger.debug(fields, "a watch is too old and lists anew");
    else logger.warn(fields, "a watch failed and is repeated");
    return (error.retryAfter ?? 0) * 1000;
  }

  async #list(run: AbortController): Promise<void> {
    const { api, resource } = this.#options;
    const { items, resourceVersion } = await api.list(resource, this.#selection());
    if (this.#run !== run) return;
    this.#resourceVersion = resourceVersion;
    this.#replace(items);
  }

  /** The store becomes `items`; what differs is touched. */
  #replace(items: readonly KubeObject[]): void {
    const present = new Set(items.map(keyOf));
    for (const object of this.#store.all()) {
      if (!present.has(keyOf(object))) this.#remove(object);
    }
    for (const object of items) this.#put(object);
    this.#synced = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #watch(run: AbortController): Promise<void> {
    const { api, resource, random } = this.#options;
    if (this.#run !== run || this.#resourceVersion === null) return;
    const request = {
      ...this.#selection(),
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: random.between(WATCH_SECONDS_MIN, WATCH_SECONDS_MAX),
    };
    for await (const event of api.watch(resource, request, run.signal)) {
      if (this.#run !== run) return;
      this.#take(event);
    }
  }

  #take(event: WatchEvent): void {
    if (event.type === "BOOKMARK") {
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    const { object } = event;
    if (event.type === "DELETED") this.#remove(object);
    else this.#put(object);
    this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion;
  }

  #put(object: KubeObject): void {
    const { trim = (whole: KubeObject): KubeObject => whole, onTouched } = this.#options;
    const before = this.#store.get(keyOf(object));
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const kept = trim(object);
    this.#store.put(kept);
    // Who found the old one by a label or an owner that the new one lacks must hear of it too.
    if (before !== null) onTouched(before);
    onTouched(kept);
  }

  #remove(object: KubeObject): void {
    const before = this.#store.delete(keyOf(object));
    this.#options.onTouched(before ?? object);
  }

  #selection(): { namespace: string | null; labelSelector?: string } {
    const { namespace, labelSelector } = this.#options;
    return labelSelector === undefined ? { namespace } : { namespace, labelSelector };
  }
}
