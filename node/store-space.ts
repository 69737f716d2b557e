/** The store's bytes on disk: how many they are, and giving back those that nothing uses. */
import { systemPace } from "./pace.ts";
import type { Machine } from "../src/machine/machine.ts";

const POLL_MS = 10;

/** The store's files, and how much the store had taken when they were counted. */
interface Sample {
  readonly fileBytes: number;
  readonly landedBytes: number;
}

export class StoreSpace {
  readonly #machine: () => Machine;
  #sample: Sample = { fileBytes: 1, landedBytes: 0 };
  #compacting: Promise<void> | null = null;

  constructor(machine: () => Machine) {
    this.#machine = machine;
  }

  /** What the files had at the last sample, what the store took since, and what is on its way to it. Never 0. */
  get bytes(): number {
    const { buffer } = this.#machine();
    // A state that was just adopted counts from its own beginning.
    const since = Math.max(0, buffer.landedBytes - this.#sample.landedBytes);
    return this.#sample.fileBytes + since + buffer.pendingBytes;
  }

  /** Counts the files' bytes. Each second: between samples the answer only grows. */
  async sample(): Promise<void> {
    const { backend, buffer } = this.#machine();
    // Before the files are counted: what lands meanwhile may count twice, never not at all.
    const { landedBytes } = buffer;
    try {
      this.#sample = { fileBytes: Math.max(1, await backend.fileBytes()), landedBytes };
    } catch {
      // The store was swapped in between: the next second counts.
    }
  }

  /** Compacts the whole store, while it serves. Who asks during a compaction waits for that one. */
  async defragment(): Promise<void> {
    this.#compacting ??= this.#compact().finally(() => {
      this.#compacting = null;
    });
    await this.#compacting;
  }

  async #compact(): Promise<void> {
    // What a compaction of the history is still removing would otherwise stay.
    while (this.#machine().store.isCompacting) await systemPace.sleep(POLL_MS);
    await this.#machine().backend.compact(new Uint8Array(0), null);
    await this.sample();
  }
}
