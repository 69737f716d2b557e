/** What of the log may go, and what a restart will find instead: a flushed store, and a copy of its index. */
import type { Logger } from "../src/base/ports.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { Index } from "../src/raft/types.ts";
import { IndexCheckpoints } from "./index-checkpoint.ts";
import type { Wal } from "../src/wal/wal.ts";

/** Beyond so much log, followers that need older entries get a state instead. */
const LOG_BYTES_MAX = 512 * 1024 * 1024;

export interface RetentionOptions {
  readonly wal: Wal;
  /** Asked at each use: it changes when a state is adopted. */
  readonly machine: () => Machine;
  /** Directory of the store in use. */
  readonly storePath: () => string;
  readonly catchUpEntries: number;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
}

export class Retention {
  readonly #wal: Wal;
  readonly #machine: () => Machine;
  readonly #catchUpEntries: number;
  readonly #onFatal: (error: unknown) => void;
  readonly #checkpoints: IndexCheckpoints;
  #flushing: Promise<void> | null = null;

  constructor(options: RetentionOptions) {
    this.#wal = options.wal;
    this.#machine = options.machine;
    this.#catchUpEntries = options.catchUpEntries;
    this.#onFatal = options.onFatal;
    const flush = (): Promise<void> => this.#flush();
    this.#checkpoints = new IndexCheckpoints({ ...options, flush });
  }

  /** About ten times a second. */
  tick(nowMs: number): void {
    const { buffer } = this.#machine();
    this.#release();
    this.#checkpoints.tick(nowMs);
    if (this.#wal.full) this.#wal.retry();
    if (buffer.flushDue(nowMs)) void this.#flush();
  }

  /** Waits for a flush under way. */
  async settle(): Promise<void> {
    await this.#checkpoints.stop();
    await this.#flushing;
  }

  /** One at a time: who asks during a flush waits for that one. */
  async #flush(): Promise<void> {
    this.#flushing ??= this.#machine()
      .buffer.flush()
      .then(() => this.#release())
      .catch(this.#onFatal)
      .finally(() => {
        this.#flushing = null;
      });
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
