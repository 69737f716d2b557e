/**
 * Linearizable reads, batched: all that arrive in a turn share one read index (Ongaro's thesis, section 6.4). A batch whose
 * leader was lost is asked again under a fresh number, which is always right, since none of its reads has happened yet.
 */
import { present } from "../src/base/assert.ts";
import type { Index } from "../src/raft/types.ts";

export type ReadFailure = "timedOut" | "stopped";

/** Who waits until a read would be linearizable. */
export interface ReadWaiter {
  /** `times` are those of the reads that were asked for together. */
  onReadable(times: ReadTimes): void;
  onReadFailure(failure: ReadFailure): void;
}

/** When a batch of reads passed each stage, monotonic milliseconds; 0 where it has not. */
export interface ReadTimes {
  /** A read index was asked for. */
  askedAtMs: number;
  /** A quorum has confirmed it. */
  confirmedAtMs: number;
  /** Everything up to it is applied here. */
  readableAtMs: number;
}

interface Batch extends ReadTimes {
  readonly waiters: ReadWaiter[];
  readonly deadline: number;
  /** It has been reported as slow. */
  slow: boolean;
}

interface Confirmed {
  readonly index: Index;
  readonly batch: Batch;
}

/** As etcd: a read index that takes longer is worth a warning. */
const SLOW_MS = 500;

export class Reads {
  readonly #timeoutMs: number;
  #collecting: Batch | null = null;
  /** Asked and not confirmed, by request number. Batches asked together keep their own deadlines. */
  readonly #asked = new Map<number, readonly Batch[]>();
  /** Lost their leader and wait for another. */
  #held: Batch[] = [];
  /** Waiting for apply; indexes ascend. */
  #confirmed: Confirmed[] = [];
  #nextRequest = 1;
  #stopped = false;
  /** Batches whose index could not be had in time. */
  failedCount = 0;
  /** Batches that waited for their read index for half a second or more. */
  slowCount = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Batches that wait for a read index, or for a leader to ask for one. */
  get waitingCount(): number {
    let count = this.#held.length + (this.#collecting === null ? 0 : 1);
    for (const batches of this.#asked.values()) count += batches.length;
    return count;
  }

  add(waiter: ReadWaiter, now: number): void {
    if (this.#stopped) {
      waiter.onReadFailure("stopped");
      return;
    }
    this.#collecting ??= {
      waiters: [],
      deadline: now + this.#timeoutMs,
      askedAtMs: 0,
      confirmedAtMs: 0,
      readableAtMs: 0,
      slow: false,
    };
    this.#collecting.waiters.push(waiter);
  }

  /** The number under which everything that waits is to be asked; null if nothing does. */
  takeUnsent(now: number): number | null {
    const batches = this.#held;
    if (this.#collecting !== null) batches.push(this.#collecting);
    if (batches.length === 0) return null;
    this.#collecting = null;
    this.#held = [];
    for (const batch of batches) if (batch.askedAtMs === 0) batch.askedAtMs = now;
    const request = this.#nextRequest++;
    this.#asked.set(request, batches);
    return request;
  }

  /** The request could not be confirmed: its reads wait for a leader, to be asked again. */
  hold(request: number): void {
    const batches = this.#asked.get(request);
    if (batches === undefined) return;
    this.#asked.delete(request);
    this.#held.push(...batches);
  }

  /** Answers for how long the oldest of them was waiting, milliseconds; null if nobody waits any more. */
  confirm(request: number, index: Index, now: number): number | null {
    const batches = this.#asked.get(request);
    if (batches === undefined) return null; // timed out, or asked again since
    this.#asked.delete(request);
    let longest = 0;
    for (const batch of batches) {
      batch.confirmedAtMs = now;
      longest = Math.max(longest, now - batch.askedAtMs);
      this.#confirmed.push({ index, batch });
    }
    return longest;
  }

  /** Serves what was waiting for `applied`. */
  release(applied: Index, now: number): void {
    let served = 0;
    while (served < this.#confirmed.length) {
      const next = present(this.#confirmed[served], "the queue of confirmed reads has no hole");
      if (next.index > applied) break;
      served++;
      next.batch.readableAtMs = now;
      for (const waiter of next.batch.waiters) waiter.onReadable(next.batch);
    }
    if (served > 0) this.#confirmed = this.#confirmed.slice(served);
  }

  expire(now: number): void {
    for (const [request, batches] of this.#asked) {
      const left = batches.filter((batch) => this.#keepUnlessLate(batch, now));
      if (left.length === 0) this.#asked.delete(request);
      else if (left.length < batches.length) this.#asked.set(request, left);
    }
    this.#held = this.#held.filter((batch) => this.#keepUnlessLate(batch, now));
    const collecting = this.#collecting;
    if (collecting === null) return;
    // Whoever is told may ask again at once: that is another batch, not a longer one.
    this.#collecting = null;
    if (this.#keepUnlessLate(collecting, now)) this.#collecting = collecting;
  }

  stop(): void {
    this.#stopped = true;
    const batches = [...this.#asked.values()].flat().concat(this.#held);
    if (this.#collecting !== null) batches.push(this.#collecting);
    for (const batch of batches) this.#fail(batch, "stopped");
    for (const { batch } of this.#confirmed) {
      for (const waiter of batch.waiters) waiter.onReadFailure("stopped");
    }
    this.#asked.clear();
    this.#held = [];
    this.#confirmed = [];
  }

  #keepUnlessLate(batch: Batch, now: number): boolean {
    if (!batch.slow && batch.askedAtMs > 0 && now - batch.askedAtMs >= SLOW_MS) {
      batch.slow = true;
      this.slowCount++;
    }
    if (batch.deadline > now) return true;
    this.#fail(batch, "timedOut");
    return false;
  }

  #fail(batch: Batch, failure: ReadFailure): void {
    this.failedCount++;
    for (const waiter of batch.waiters) waiter.onReadFailure(failure);
  }
}
