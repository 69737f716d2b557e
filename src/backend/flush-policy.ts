/** When the store is flushed: the log keeps everything since, so neither bytes nor time may grow without end. */

export const FLUSH_BYTES: number = 8 * 1024 * 1024;
/** A restart after a crash applies again what was not flushed, some 30 us each. */
export const FLUSH_OPERATIONS = 16_000;
export const FLUSH_INTERVAL_MS = 30_000;

export class FlushPolicy {
  /** Committed since the last flush started. */
  bytes = 0;
  operations = 0;
  #lastMs: number | null = null;
  #startedSince = false;

  /** Whether a flush is due at `nowMs` (monotonic), by bytes or by time since the last one. The first call starts the clock. */
  due(nowMs: number): boolean {
    if (this.#lastMs === null || this.#startedSince) this.#lastMs = nowMs;
    this.#startedSince = false;
    const isMuch = this.bytes >= FLUSH_BYTES || this.operations >= FLUSH_OPERATIONS;
    return isMuch || nowMs - this.#lastMs >= FLUSH_INTERVAL_MS;
  }

  started(): void {
    this.bytes = 0;
    this.operations = 0;
    this.#startedSince = true;
  }
}
