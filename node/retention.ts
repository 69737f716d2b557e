/** What of the log may go, and when the store is flushed so that it may. */
import type { Machine } from "../src/machine/machine.ts";
import type { Index } from "../src/raft/types.ts";
import type { Wal } from "../src/wal/wal.ts";

/** Beyond so much log, followers that need older entries get a state instead. */
const LOG_BYTES_MAX = 512 * 1024 * 1024;

export class Retention {
  readonly #wal: Wal;
  readonly #machine: () => Machine;
  readonly #catchUpEntries: number;
  readonly #onFatal: (error: unknown) => void;
  #flushing: Promise<void> | null = null;

  constructor(
    wal: Wal,
    machine: () => Machine,
    catchUpEntries: number,
    onFatal: (error: unknown) => void,
  ) {
    this.#wal = wal;
    this.#machine = machine;
    this.#catchUpEntries = catchUpEntries;
    this.#onFatal = onFatal;
  }

  /** About ten times a second. */
  tick(nowMs: number): void {
    const { buffer } = this.#machine();
    this.#release();
    if (this.#wal.full) this.#wal.retry();
    if (this.#flushing !== null || !buffer.flushDue(nowMs)) return;
    this.#flushing = buffer
      .flush()
      .then(() => this.#release())
      .catch(this.#onFatal)
      .finally(() => {
        this.#flushing = null;
      });
  }

  /** Waits for a flush under way. */
  async settle(): Promise<void> {
    await this.#flushing;
  }

  /** Entries below min(durable in the store, applied - catch-up); when the log is too long, all that the store has. */
  #release(): void {
    const { buffer } = this.#machine();
    const keep = this.#wal.bytesOnDisk > LOG_BYTES_MAX ? 0 : this.#catchUpEntries;
    const below = Math.min(buffer.durableIndex, buffer.appliedIndex - keep);
    if (below > this.#wal.firstIndex()) this.#wal.release(below as Index);
  }
}
