/**
 * Which thread writes a batch of the log. Handing a small one to the log's thread and hearing of its end costs about as much as
 * the write on a fast disk, and more where the processors are busy, so it is written where it is, by the loop. A disk that is
 * slow, or has just been, is left to the thread: whoever else is served does not wait for it.
 */

/** A batch of one block, as those of few clients are. What more clients queue is worth a thread's work beside the loop's. */
const HERE_BYTES_MAX = 4_096;
/** A write that took longer was slow. */
const SLOW_MS = 1;
/**
 * What a write that was not slow earns, and a slow one spends in full: the loop waits for slow writes for no more than this much
 * a write in the long run.
 */
const EARNED_MS = 0.1;
/** The loop writes itself from this credit on. */
const CREDIT_MS_MIN = 1.6;
/** What a hiccup may cost before the thread takes over. */
const CREDIT_MS_MAX = 3.2;
/** After the worst of writes, so much is to be earned again. */
const DEBT_MS_MAX = 1.6;

export class WritePace {
  /** Milliseconds; kept between -DEBT_MS_MAX and CREDIT_MS_MAX. */
  #creditMs = 0;

  /** Whether the loop writes a batch of so many bytes itself. */
  isHere(bytes: number): boolean {
    return bytes <= HERE_BYTES_MAX && this.#creditMs >= CREDIT_MS_MIN;
  }

  /** A write took so long, on either thread. */
  took(ms: number): void {
    this.#creditMs =
      ms > SLOW_MS
        ? Math.max(this.#creditMs - ms, -DEBT_MS_MAX)
        : Math.min(this.#creditMs + EARNED_MS, CREDIT_MS_MAX);
  }
}
