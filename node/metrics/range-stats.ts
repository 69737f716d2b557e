/**
 * How long ranges take. One that is answered at once takes a few microseconds, of which reading the clock twice would be a
 * good part: the first and then every 16th is timed, and counts for those before it too. One that waits for the disk, or is
 * built in slices, is timed by itself.
 */
import { exponentialBounds, HandHistogram } from "../histogram.ts";

const SAMPLE_EVERY = 16;
const RANGE_SECONDS = exponentialBounds(0.0001, 2, 20);

export class RangeStats {
  readonly succeeded: HandHistogram = new HandHistogram(RANGE_SECONDS);
  readonly failed: HandHistogram = new HandHistogram(RANGE_SECONDS);
  /** Since the last one that was timed. */
  #untimed = SAMPLE_EVERY - 1;
  #stands = 1;

  /** True for the one in 16 whose time is to be taken with `onSampled`. */
  isSampled(): boolean {
    return ++this.#untimed >= SAMPLE_EVERY;
  }

  /** The range that was sampled was answered at once. */
  onSampled(seconds: number): void {
    this.#untimed = 0;
    this.succeeded.observeMany(seconds, this.#stands);
    this.#stands = SAMPLE_EVERY;
  }

  /** One that took its time. */
  onEnd(seconds: number, ok: boolean): void {
    (ok ? this.succeeded : this.failed).observe(seconds);
  }
}
