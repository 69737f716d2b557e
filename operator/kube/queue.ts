/**
 * Keys to work on. A key waits at most once and is worked on by at most one worker; one that is added while it is worked on
 * is worked on again. What fails comes back later each time.
 */
import type { Random } from "../../src/base/ports.ts";
import type { Time } from "../time.ts";
import { KubeError } from "./api.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

/** What becomes of a key after a pass: null until somebody adds it, else after so many milliseconds. */
export interface Outcome {
  readonly afterMs: number | null;
}

export interface QueueOptions {
  readonly time: Time;
  readonly random: Random;
  readonly workers: number;
  /** One pass. The signal fires when the queue stops; what is thrown is a failure. */
  readonly work: (key: string, signal: AbortSignal) => Promise<Outcome>;
  readonly observe?: QueueObserver;
  readonly backoff?: Backoff;
  /** Passes that may begin at once, and each second after those: all keys together. */
  readonly rate?: { readonly burst: number; readonly perSecond: number };
}

/** Hears what happens, for metrics and the log. */
export interface QueueObserver {
  /** Keys that wait for a worker. */
  onDepth(depth: number): void;
  /** A pass begins; so long did its key wait for a worker. */
  onStart(key: string, waitedSeconds: number): void;
  onEnd(key: string, seconds: number, error: unknown): void;
}

const BACKOFF: Backoff = { firstMs: 100, longestMs: 60_000 };
const RATE = { burst: 100, perSecond: 20 };

interface Item {
  state: "idle" | "waiting" | "working";
  /** Added while it is worked on. */
  again: boolean;
  failures: number;
  waitingSince: number;
  /** The appointment, if there is one. */
  later: { readonly at: number; readonly cancel: () => void } | null;
}

export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #items = new Map<string, Item>();
  readonly #waiting: string[] = [];
  readonly #passes = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  readonly #began = new Map<string, number>();
  #working = 0;
  #started = false;
  #tokens: number;
  #tokensAt: number;
  #refill: (() => void) | null = null;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#tokens = this.#rate.burst;
    this.#tokensAt = options.time.now();
  }

  get #rate(): { readonly burst: number; readonly perSecond: number } {
    return this.#options.rate ?? RATE;
  }

  /** Keys that wait for a worker. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** Keys that are worked on now. */
  get working(): number {
    return this.#working;
  }

  /** For how long the slowest pass is under way, in milliseconds; 0 where none is. */
  get slowestMs(): number {
    const now = this.#options.time.now();
    return Math.max(0, ...Array.from(this.#began.values(), (at) => now - at));
  }

  /** As soon as a worker is free. Nothing after `stop`. */
  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    const item = this.#item(key);
    if (item.state === "working") item.again = true;
    if (item.state !== "idle") return;
    item.state = "waiting";
    item.waitingSince = this.#options.time.now();
    this.#waiting.push(key);
    this.#tellDepth();
    this.#begin();
  }

  /** As `add`, in so many milliseconds; of several appointments the earliest is kept. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#abort.signal.aborted) return;
    const { time } = this.#options;
    const item = this.#item(key);
    const at = time.now() + milliseconds;
    if (item.later !== null && item.later.at <= at) return;
    item.later?.cancel();
    const cancel = time.after(milliseconds, () => {
      item.later = null;
      this.add(key);
    });
    item.later = { at, cancel };
  }

  /** Passes begin: what was added before waits for this. */
  start(): void {
    this.#started = true;
    this.#begin();
  }

  /** No pass begins any more; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#refill?.();
    for (const item of this.#items.values()) item.later?.cancel();
    this.#items.clear();
    this.#waiting.length = 0;
    this.#tellDepth();
    await Promise.all(this.#passes);
  }

  #item(key: string): Item {
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const item: Item = { state: "idle", again: false, failures: 0, waitingSince: 0, later: null };
    this.#items.set(key, item);
    return item;
  }

  #begin(): void {
    while (this.#started && this.#working < this.#options.workers && this.#waiting.length > 0) {
      if (!this.#takeToken()) return;
      const key = this.#waiting.shift() ?? "";
      this.#tellDepth();
      // Counted before it begins: it may add keys at once.
      this.#working++;
      const pass = this.#pass(key, this.#item(key)).finally(() => {
        this.#working--;
        this.#passes.delete(pass);
        this.#begin();
      });
      this.#passes.add(pass);
    }
  }

  async #pass(key: string, item: Item): Promise<void> {
    const { time, work, observe } = this.#options;
    item.state = "working";
    // What this pass finds decides anew when the next one is.
    item.later?.cancel();
    item.later = null;
    const began = time.now();
    this.#began.set(key, began);
    observe?.onStart(key, (began - item.waitingSince) / 1000);
    let error: unknown = null;
    let afterMs: number | null = null;
    try {
      ({ afterMs } = await work(key, this.#abort.signal));
      item.failures = 0;
    } catch (thrown) {
      error = thrown;
      item.failures++;
      afterMs = this.#retryMs(item.failures, thrown);
    }
    this.#began.delete(key);
    observe?.onEnd(key, (time.now() - began) / 1000, error);
    item.state = "idle";
    if (item.again) {
      item.again = false;
      // What failed waits in any case, lest a busy object spin.
      if (error === null) this.add(key);
    }
    if (afterMs !== null) this.addAfter(key, afterMs);
    if (item.state === "idle" && item.later === null) this.#items.delete(key);
  }

  #retryMs(failures: number, thrown: unknown): number {
    const { random, backoff = BACKOFF } = this.#options;
    const own = backoffMs(backoff, failures, random);
    const asked = thrown instanceof KubeError ? (thrown.retryAfter ?? 0) * 1000 : 0;
    return Math.max(own, asked);
  }

  #takeToken(): boolean {
    const { time } = this.#options;
    const { burst, perSecond } = this.#rate;
    const now = time.now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#tokensAt) / 1000) * perSecond);
    this.#tokensAt = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.#refill ??= time.after(((1 - this.#tokens) / perSecond) * 1000 + 1, () => {
      this.#refill = null;
      this.#begin();
    });
    return false;
  }

  #tellDepth(): void {
    this.#options.observe?.onDepth(this.#waiting.length);
  }
}
