/**
 * Linearizable reads, batched: all that arrive in a turn share one read index (Ongaro's thesis, section 6.4). A batch whose
 * leader was lost is asked again under a fresh number, which is always right, since none of its reads has happened yet.
 */
import { present } from "../src/base/assert.ts";
import type { Index } from "../src/raft/types.ts";

export type ReadFailure = "timedOut" | "stopped";

/** Who waits until a read would be linearizable. */
export interface ReadWaiter {
  onReadable(): void;
  onReadFailure(failure: ReadFailure): void;
}

interface Batch {
  readonly waiters: ReadWaiter[];
  readonly deadline: number;
}

interface Confirmed {
  readonly index: Index;
  readonly waiters: readonly ReadWaiter[];
}

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

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  add(waiter: ReadWaiter, now: number): void {
    if (this.#stopped) {
      waiter.onReadFailure("stopped");
      return;
    }
    this.#collecting ??= { waiters: [], deadline: now + this.#timeoutMs };
    this.#collecting.waiters.push(waiter);
  }

  /** The number under which everything that waits is to be asked; null if nothing does. */
  takeUnsent(): number | null {
    const batches = this.#held;
    if (this.#collecting !== null) batches.push(this.#collecting);
    if (batches.length === 0) return null;
    this.#collecting = null;
    this.#held = [];
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

  confirm(request: number, index: Index): void {
    const batches = this.#asked.get(request);
    if (batches === undefined) return; // timed out, or asked again since
    this.#asked.delete(request);
    for (const { waiters } of batches) this.#confirmed.push({ index, waiters });
  }

  /** Serves what was waiting for `applied`. */
  release(applied: Index): void {
    let served = 0;
    while (served < this.#confirmed.length) {
      const next = present(this.#confirmed[served], "the queue of confirmed reads has no hole");
      if (next.index > applied) break;
      served++;
      for (const waiter of next.waiters) waiter.onReadable();
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
    if (this.#collecting !== null && !this.#keepUnlessLate(this.#collecting, now)) {
      this.#collecting = null;
    }
  }

  stop(): void {
    this.#stopped = true;
    const batches = [...this.#asked.values()].flat().concat(this.#held);
    if (this.#collecting !== null) batches.push(this.#collecting);
    for (const batch of batches) this.#fail(batch, "stopped");
    for (const confirmed of this.#confirmed) {
      for (const waiter of confirmed.waiters) waiter.onReadFailure("stopped");
    }
    this.#asked.clear();
    this.#held = [];
    this.#confirmed = [];
  }

  #keepUnlessLate(batch: Batch, now: number): boolean {
    if (batch.deadline > now) return true;
    this.#fail(batch, "timedOut");
    return false;
  }

  #fail(batch: Batch, failure: ReadFailure): void {
    this.failedCount++;
    for (const waiter of batch.waiters) waiter.onReadFailure(failure);
  }
}
