/** A histogram in plain numbers: an observation costs a dozen nanoseconds, the text is made at the scrape. */
export class HandHistogram {
  /** Upper bounds, ascending; the last bucket, +Inf, is implied. */
  readonly bounds: readonly number[];
  /** counts[i]: observations in (bounds[i - 1], bounds[i]]; one more than there are bounds. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    this.observeMany(value, 1);
  }

  /** As many observations of one value. */
  observeMany(value: number, times: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
    counts[at] = (counts[at] ?? 0) + times;
    this.sum += value * times;
    this.count += times;
  }
}

/** `count` bounds from `start`, each `factor` times the one before: as etcd's histograms are laid out. */
export function exponentialBounds(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => start * factor ** at);
}
