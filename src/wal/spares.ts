/** Segments made before they are needed, from released ones where there are any. */
import { QuorateError } from "../base/errors.ts";
import type { LogDevice } from "./fs.ts";
import { segmentName } from "./format.ts";
import type { EmptySegment } from "./recover.ts";

export interface SparesOptions {
  readonly device: LogDevice;
  readonly segmentBytes: number;
  /** Size of the very first segment; each later one may be twice its predecessor, up to segmentBytes. */
  readonly firstBytes: number;
  readonly empty: readonly EmptySegment[];
  /** Of the next segment to be made. */
  readonly generation: number;
  /** Size of the newest segment; 0 if there is none. */
  readonly newestBytes: number;
  /** How much of the next segment should be made by now, 0 to 1. */
  readonly needed: () => number;
  /** A segment is ready that was not before. */
  readonly onReady: () => void;
  /** There is no room for another segment (true), or there is again (false). */
  readonly onFull: (full: boolean) => void;
  readonly onFailure: (error: QuorateError) => void;
}

/** Released segments beyond this many ready ones are removed. */
const READY_MAX = 2;

/** Every change of the directory goes through one queue: a later one starts when the earlier is durable. */
export class Spares {
  readonly #options: SparesOptions;
  readonly #ready: EmptySegment[];
  #generation: number;
  #newestBytes: number;
  #creating = false;
  #full = false;
  #closed = false;
  #work: Promise<void> = Promise.resolve();

  constructor(options: SparesOptions) {
    this.#options = options;
    this.#ready = [...options.empty];
    this.#generation = options.generation;
    this.#newestBytes = this.#ready.at(-1)?.size ?? options.newestBytes;
  }

  /** There is no room for the next segment. */
  get full(): boolean {
    return this.#full;
  }

  get bytes(): number {
    return this.#ready.reduce((sum, { size }) => sum + size, 0);
  }

  /** The next segment to write to, and begins to make another; null if it is not ready yet. */
  take(): EmptySegment | null {
    const next = this.#ready.shift() ?? null;
    this.ensure();
    return next;
  }

  /** Begins to make a segment unless one is ready or on its way. Also what to call again after `full`. */
  ensure(): void {
    if (this.#ready.length > 0 || this.#creating || this.#closed) return;
    this.#creating = true;
    this.#enqueue(async () => {
      await this.#create(null);
      this.#creating = false;
    });
  }

  /** Takes a segment that holds nothing needed: to be written again, or removed. */
  release(segment: { readonly name: string; readonly size: number }): void {
    this.#enqueue(async () => {
      const { device, segmentBytes } = this.#options;
      const reuse = segment.size === segmentBytes && this.#ready.length < READY_MAX;
      if (!reuse || !(await this.#create(segment))) await device.remove(segment.name);
      if (this.#full) this.ensure();
    });
  }

  /** Settles once everything asked for so far is done. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Waits for what has begun; begins nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await task();
      } catch (error) {
        this.#closed = true;
        this.#options.onFailure(QuorateError.from(error));
      }
    });
  }

  /** False if there is no room. */
  async #create(
    recycled: { readonly name: string; readonly size: number } | null,
  ): Promise<boolean> {
    const { device, segmentBytes, firstBytes, needed } = this.#options;
    const grown = this.#newestBytes === 0 ? firstBytes : this.#newestBytes * 2;
    const size = recycled?.size ?? Math.min(segmentBytes, grown);
    const generation = this.#generation;
    const name = segmentName(generation);
    try {
      const hurried = (): number => (this.#closed ? 1 : needed());
      await device.create(name, size, recycled?.name ?? null, hurried);
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== "resourceExhausted") throw error;
      if (recycled === null) this.#setFull(true);
      return false;
    }
    this.#generation = generation + 1;
    this.#newestBytes = size;
    this.#ready.push({ name, generation, size });
    this.#setFull(false);
    this.#options.onReady();
    return true;
  }

  #setFull(full: boolean): void {
    if (this.#full === full) return;
    this.#full = full;
    this.#options.onFull(full);
  }
}
