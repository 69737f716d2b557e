/**
 * What people read with `kubectl events`. A pass must never wait for, nor fail by, what it tells: events are noted here, sent
 * in the background, joined where they repeat, and dropped where there are too many.
 */
import type { Logger } from "../../src/base/ports.ts";
import { EVENT, apiVersion } from "../api/resources.ts";
import type { Time } from "../time.ts";
import type { KubeApi, KubeObject, Recorder } from "./api.ts";
import { microTime } from "./election.ts";

export interface EventsOptions {
  readonly api: KubeApi;
  readonly time: Time;
  readonly logger: Logger;
  /** Of the controller, as `quorate.io/operator`. */
  readonly controller: string;
  /** Of this process: the pod's name. */
  readonly instance: string;
  /** For objects of no namespace. */
  readonly namespace: string;
  /** Counts what was not sent, for metrics. */
  readonly onDropped?: () => void;
}

/** The API server refuses longer notes. */
const NOTE_BYTES_MAX = 1024;
/** A repetition after this is news again. */
const SERIES_MS = 6 * 60_000;
/** A count that grows is written this often. */
const HEARTBEAT_MS = 30_000;
/** What an object may say at once, and how soon it may say more. */
const BURST = 25;
const TOKEN_MS = 60_000;
const KNOWN_MAX = 2_000;
const WAITING_MAX = 200;

interface Series {
  readonly name: string;
  readonly namespace: string;
  count: number;
  lastAt: number;
  writtenAt: number;
  writtenCount: number;
}

interface Allowance {
  tokens: number;
  at: number;
}

export class Events implements Recorder {
  readonly #options: EventsOptions;
  readonly #known = new Map<string, Series>();
  readonly #allowances = new Map<string, Allowance>();
  readonly #waiting: (() => Promise<void>)[] = [];
  #sending: Promise<void> | null = null;
  #made = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  event(about: KubeObject, type: "Normal" | "Warning", reason: string, note: string): void {
    const { time } = this.#options;
    const now = time.now();
    const text = shortened(note);
    const uid = about.metadata.uid ?? `${about.kind}/${about.metadata.name}`;
    const key = JSON.stringify([uid, type, reason, text]);
    const known = this.#known.get(key);
    if (known !== undefined && now - known.lastAt < SERIES_MS) {
      this.#repeat(known, now);
      return;
    }
    if (!this.#allowed(uid, now)) {
      this.#drop();
      return;
    }
    const made = this.#build(about, type, reason, text);
    const { name, namespace = "" } = made.metadata;
    const series = { name, namespace, count: 1, lastAt: now, writtenAt: now, writtenCount: 1 };
    this.#known.delete(key);
    this.#known.set(key, series);
    bound(this.#known);
    this.#send(async () => {
      await this.#options.api.create(EVENT, made);
    });
  }

  /** Resolves when everything noted is sent or dropped. */
  async flush(): Promise<void> {
    for (const series of this.#known.values()) {
      if (series.count > series.writtenCount) this.#write(series, this.#options.time.now());
    }
    await this.#sending;
  }

  #repeat(series: Series, now: number): void {
    series.count++;
    series.lastAt = now;
    if (now - series.writtenAt >= HEARTBEAT_MS || series.count === 2) this.#write(series, now);
  }

  #write(series: Series, now: number): void {
    const { api, time } = this.#options;
    series.writtenAt = now;
    series.writtenCount = series.count;
    const lastObservedTime = microTime(time.wall());
    const { name, namespace, count } = series;
    this.#send(async () => {
      await api.mergePatch(EVENT, { namespace, name }, { series: { count, lastObservedTime } });
    });
  }

  /** So many for each object, lest one drown the others. */
  #allowed(uid: string, now: number): boolean {
    const allowance = this.#allowances.get(uid) ?? { tokens: BURST, at: now };
    allowance.tokens = Math.min(BURST, allowance.tokens + (now - allowance.at) / TOKEN_MS);
    allowance.at = now;
    this.#allowances.delete(uid);
    this.#allowances.set(uid, allowance);
    bound(this.#allowances);
    if (allowance.tokens < 1) return false;
    allowance.tokens--;
    return true;
  }

  #build(about: KubeObject, type: string, reason: string, note: string): KubeObject {
    const { time, controller, instance, namespace: fallback } = this.#options;
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const at = time.wall();
    // Unique without asking: as client-go does, the time in hexadecimal.
    const suffix = `${Math.floor(at * 1000 + (this.#made++ % 1000)).toString(16)}`;
    const made: KubeObject & Record<string, unknown> = {
      apiVersion: apiVersion(EVENT),
      kind: EVENT.kind,
      metadata: { name: `${name.slice(0, 230)}.${suffix}`, namespace: namespace ?? fallback },
      eventTime: microTime(at),
      reportingController: controller,
      reportingInstance: instance,
      action: reason,
      reason,
      type,
      note,
      regarding: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        name,
        namespace,
        uid,
        resourceVersion,
      },
    };
    return made;
  }

  #send(call: () => Promise<void>): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#drop();
      return;
    }
    this.#waiting.push(call);
    this.#sending ??= this.#drain().finally(() => (this.#sending = null));
  }

  async #drain(): Promise<void> {
    const { logger } = this.#options;
    for (;;) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      try {
        await call();
      } catch (thrown) {
        this.#drop();
        logger.debug({ reason: String(thrown) }, "an event was not written");
      }
    }
  }

  #drop(): void {
    this.#options.onDropped?.();
  }
}

/** The longest unheard of goes first. */
function bound(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    if (map.size <= KNOWN_MAX) return;
    map.delete(key);
  }
}

function shortened(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= NOTE_BYTES_MAX) return note;
  // What was cut within a character shows as its replacement, which goes too.
  return `${bytes
    .subarray(0, NOTE_BYTES_MAX - 4)
    .toString()
    .replace(/\uFFFD+$/, "")}…`;
}
