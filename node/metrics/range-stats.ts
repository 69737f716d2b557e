/**
 * How long ranges take. One that is answered at once takes a few microseconds, of which reading the clock twice would be a
 * good part: every 16th such range is timed and counts for 16. One that waits for the disk, or is built in slices, is timed
 * by itself.
 */
import { exponentialBounds, HandHistogram } from "../histogram.ts";

const SAMPLE_EVERY = 16;
const RANGE_SECONDS = exponentialBounds(0.0001, 2, 20);

export class RangeStats {
  readonly succeeded: HandHistogram = new HandHistogram(RANGE_SECONDS);
  readonly failed: HandHistogram = new HandHistogram(RANGE_SECONDS);
  #untimed = 0;

  /** True for the one in 16 whose time is to be taken with `onSampled`; the others are counted with it. */
  isSampled(): boolean {
    if (++this.#untimed < SAMPLE_EVERY) return false;
    this.#untimed = 0;
    return true;
  }

  /** A range that was answered at once, standing for 16. */
  onSampled(seconds: number): void {
    this.succeeded.observeMany(seconds, SAMPLE_EVERY);
  }

  /** One that took its time. */
  onEnd(seconds: number, ok: boolean): void {
    (ok ? this.succeeded : this.failed).observe(seconds);
  }
}
