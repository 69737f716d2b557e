/**
 * Which thread writes a batch of the log. Handing a small one to the log's thread and hearing of its end costs about as much as
 * the write on a fast disk, so it is written where it is, by the loop. A disk that is slow, or has just been, is left to the
 * thread: whoever else is served does not wait for it.
 */

/** A batch of one block, as those of few clients are. What more clients queue is worth a thread's work beside the loop's. */
const HERE_BYTES_MAX = 4_096;
/** A write that took longer was slow. */
const SLOW_MS = 1;
/** So many in a row must not have been slow. */
const FAST_WRITES_MIN = 32;

export class WritePace {
  /** Writes since the last slow one, counted up to FAST_WRITES_MIN. */
  #fast = 0;

  /** Whether the loop writes a batch of so many bytes itself. */
  isHere(bytes: number): boolean {
    return bytes <= HERE_BYTES_MAX && this.#fast >= FAST_WRITES_MIN;
  }

  /** A write took so long, on either thread. */
  took(ms: number): void {
    if (ms > SLOW_MS) this.#fast = 0;
    else if (this.#fast < FAST_WRITES_MIN) this.#fast++;
  }
}
