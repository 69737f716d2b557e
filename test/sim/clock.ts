/** Logical time: a heap of things to do, in order of time, then of arrival. Nothing waits for a real clock. */
import { assert } from "../../src/base/assert.ts";
import type { Clock } from "../../src/base/ports.ts";

interface Appointment {
  /** Milliseconds of simulated time. */
  readonly at: number;
  /** Breaks ties: first planned, first run. */
  readonly order: number;
  readonly act: () => void;
}

function before(a: Appointment, b: Appointment): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export class Schedule implements Clock {
  /** A binary heap: no child is before its parent. */
  readonly #heap: Appointment[] = [];
  #now = 0;
  #planned = 0;

  /** Simulated milliseconds since the start. */
  now(): number {
    return this.#now;
  }

  /** How much is planned. */
  get size(): number {
    return this.#heap.length;
  }

  /** Runs `act` in `delay` milliseconds, 0 or more: after everything that was planned for that time earlier. */
  after(delay: number, act: () => void): void {
    assert(delay >= 0, "nothing is planned for the past");
    const planned: Appointment = { at: this.#now + delay, order: this.#planned++, act };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(planned);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent] as Appointment;
      if (!before(planned, above)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = planned;
  }

  /**
   * Runs what comes next, if that is not later than `until`; false if nothing is. A driver whose parts keep promises lets
   * them settle between two calls.
   */
  step(until: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.at > until) return false;
    this.#dropFirst();
    this.#now = next.at;
    next.act();
    return true;
  }

  /** Runs everything up to and including the time `until`, which is then the present. */
  runUntil(until: number): void {
    while (this.step(until)) {
      // Each step is one appointment.
    }
    this.#now = Math.max(this.#now, until);
  }

  #dropFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Appointment;
    const size = heap.length;
    if (size === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Appointment, heap[child] as Appointment)) {
        child++;
      }
      const below = heap[child] as Appointment;
      if (!before(below, last)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = last;
  }
}
