/**
 * The background scrub: reads everything that this member keeps once in a while, so that damage is found while other members
 * still have what was lost. A start reads the log alone, and of the store what a copy of the index lacks: the first scrub follows
 * soon.
 */
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { QuorateError } from "../../src/base/errors.ts";
import type { Clock, Logger } from "../../src/base/ports.ts";
import { verifyRecords } from "../../src/backend/verify.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { VOTE_FILE, VOTE_FILE_SIZE } from "../../src/wal/format.ts";
import { verifyLog } from "../../src/wal/verify.ts";
import { areVotesWhole } from "../../src/wal/vote.ts";
import type { Wal } from "../../src/wal/wal.ts";
import type { DataDir } from "../data-dir.ts";

export interface ScrubHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machine: Machine;
  readonly wal: Wal;
  readonly dataDir: DataDir;
}

/** Of one processor, by a scrub that has time; with what each step costs around it, 2 % at most. */
const SHARE = 0.0125;
/** Of one processor, by one that is to be done within less than an hour: for tests, and where damage is suspected. */
const HURRIED_SHARE = 0.5;
const HURRIED_MS = 3_600_000;
/** What was being appended when it was read is complete by then. */
const APPEND_MS = 1_000;
/** The first scrub begins within this, at random: those of members that started together must not fall together. */
const FIRST_MS_MAX = 600_000;

export class Scrub {
  readonly #host: ScrubHost;
  readonly #intervalMs: number;
  readonly #onDamage: (error: unknown) => void;
  readonly #share: number;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  /** Since the start. */
  bytes = 0;
  completed = 0;
  /** Copies of the vote that were written anew. */
  mended = 0;
  isRunning = false;
  lastSeconds = 0;

  /** `intervalMs`: from the start of one scrub to that of the next; 0 is never. */
  constructor(host: ScrubHost, intervalMs: number, onDamage: (error: unknown) => void) {
    this.#host = host;
    this.#intervalMs = intervalMs;
    this.#onDamage = onDamage;
    this.#share = intervalMs < HURRIED_MS ? HURRIED_SHARE : SHARE;
  }

  /** `random` in [0, 1). */
  start(random: number): void {
    this.#plan(Math.min(this.#intervalMs, FIRST_MS_MAX) * (0.5 + random / 2));
  }

  stop(): void {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #plan(afterMs: number): void {
    if (this.#intervalMs === 0 || this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#scheduled(), afterMs);
    this.#timer.unref();
  }

  async #scheduled(): Promise<void> {
    const began = this.#host.clock.now();
    await this.run();
    this.#plan(Math.max(0, began + this.#intervalMs - this.#host.clock.now()));
  }

  /** Reads everything once. Damage is told to `onDamage`; anything else that prevents it, to the log. */
  async run(): Promise<void> {
    const { clock, logger, machine } = this.#host;
    const began = clock.now();
    const before = this.bytes;
    this.isRunning = true;
    try {
      await this.#all();
      this.completed++;
      this.lastSeconds = (clock.now() - began) / 1000;
      const bytes = this.bytes - before;
      logger.info({ bytes, seconds: Math.round(this.lastSeconds) }, "scrubbed log and store");
    } catch (error) {
      // A state that was adopted meanwhile closed the store that was being read.
      if (this.#stop.signal.aborted || machine !== this.#host.machine) return;
      const known = QuorateError.from(error);
      if (known.code === "corruption" || known.code === "logCorruption") this.#onDamage(error);
      else logger.warn({ reason: known.message }, "the scrub could not go on");
    } finally {
      this.isRunning = false;
    }
  }

  async #all(): Promise<void> {
    await this.#log();
    const { machine } = this.#host;
    await this.#paced(machine.backend.verify(() => this.#sleep(APPEND_MS)));
    const sealed = await machine.buffer.sealedView();
    try {
      await this.#paced(verifyRecords(sealed));
    } finally {
      await sealed.view.close();
    }
  }

  /** Takes the steps of `work` at the pace of this scrub. */
  async #paced(work: AsyncGenerator<number, void>): Promise<void> {
    const { clock } = this.#host;
    try {
      for (;;) {
        this.#stop.signal.throwIfAborted();
        const began = clock.now();
        const step = await work.next();
        if (step.done === true) return;
        this.bytes += step.value;
        await this.#sleep((clock.now() - began) * (1 / this.#share - 1));
      }
    } finally {
      await work.return();
    }
  }

  async #log(): Promise<void> {
    const { wal, dataDir } = this.#host;
    await this.#votes();
    const extent = wal.extent();
    const files = new Map<string, FileHandle>();
    const read = async (name: string, offset: number, length: number): Promise<Uint8Array> => {
      let file = files.get(name);
      if (file === undefined) {
        for (const done of files.values()) await done.close();
        files.clear();
        files.set(name, (file = await open(join(dataDir.wal, name), "r")));
      }
      const bytes = Buffer.allocUnsafe(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    };
    try {
      await this.#paced(verifyLog(extent, read));
    } catch (error) {
      // Files that were let go of meanwhile are written anew: the next scrub reads what is there then.
      const needed = new Set(wal.extent().segments.map(({ name }) => name));
      if (extent.segments.every(({ name }) => needed.has(name))) throw error;
    } finally {
      for (const file of files.values()) await file.close();
    }
  }

  async #votes(): Promise<void> {
    if (await this.#readVotes()) return;
    await this.#sleep(APPEND_MS);
    if (await this.#readVotes()) return;
    const { logger, wal, dataDir } = this.#host;
    const path = join(dataDir.wal, VOTE_FILE);
    logger.error({ path }, "a copy of the vote is damaged: it is written anew from memory");
    this.mended++;
    // Each goes over the older of both slots.
    await wal.renewVote();
    await wal.renewVote();
  }

  async #readVotes(): Promise<boolean> {
    const file = await open(join(this.#host.dataDir.wal, VOTE_FILE), "r");
    try {
      const bytes = new Uint8Array(VOTE_FILE_SIZE);
      await file.read(bytes, 0, VOTE_FILE_SIZE, 0);
      this.bytes += VOTE_FILE_SIZE;
      return areVotesWhole(bytes);
    } finally {
      await file.close();
    }
  }

  async #sleep(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const { signal } = this.#stop;
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener("abort", done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
