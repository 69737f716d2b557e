/** Monotonic time, read at most once a turn: reading it costs as much as decoding a request's headers. */
export class TurnClock {
  #now = 0;
  #stale = true;

  /** Milliseconds, as of the first question of this turn. */
  now(): number {
    if (this.#stale) {
      this.#now = performance.now();
      this.#stale = false;
    }
    return this.#now;
  }

  /** A new turn has begun, or this one has ended. */
  expire(): void {
    this.#stale = true;
  }
}
