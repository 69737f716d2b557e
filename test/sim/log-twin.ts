/**
 * The real log under what simulated members wrote: the operations of each member's model log, in order, are carried out by
 * `src/wal` over a disk in memory. At every crash the write under way is torn in several ways; what recovers must be what the
 * model allows a crash to leave: the log before that write or after it. So a run of the model is a run of the real log.
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/base/ports.ts";
import { silentLogger } from "../../src/base/ports.ts";
import type { Entry, HardState, Index } from "../../src/raft/types.ts";
import { Wal } from "../../src/wal/wal.ts";
import { type LogBatch, LogImage } from "./disk.ts";
import { LogDisk, MemoryLogDevice } from "./log-device.ts";

export type LogOperation =
  | { readonly kind: "write"; readonly batch: LogBatch }
  /** During the write of `batch`, null if none was under way. */
  | { readonly kind: "crash"; readonly batch: LogBatch | null; readonly survived: boolean }
  /** The log was mended: it begins after a state, or has a new term. */
  | { readonly kind: "become"; readonly image: LogImage };

const METADATA: Uint8Array = new Uint8Array(8);
const SEGMENT_BYTES = 64 * 1024;
/** Ways in which each interrupted write is torn. */
const TEARS = 3;
/** Room for a batch's header and the first of its entries. */
const EARLY_BYTES = 256;
const READ_BYTES = 4096;

export class LogTwin {
  readonly #random: Random;
  readonly #image = new LogImage();
  #disk = new LogDisk();
  #device: MemoryLogDevice;
  #wal: Wal;
  crashes = 0;

  static async open(random: Random): Promise<LogTwin> {
    const disk = new LogDisk();
    const opened = await openOn(disk, random);
    return new LogTwin(random, disk, opened);
  }

  private constructor(
    random: Random,
    disk: LogDisk,
    opened: { wal: Wal; device: MemoryLogDevice },
  ) {
    this.#random = random;
    this.#disk = disk;
    this.#wal = opened.wal;
    this.#device = opened.device;
  }

  async perform(operation: LogOperation): Promise<void> {
    switch (operation.kind) {
      case "write":
        await this.#write(operation.batch);
        return;
      case "crash":
        await this.#crash(operation.batch);
        if (operation.batch !== null && operation.survived) await this.#write(operation.batch);
        return;
      case "become":
        await this.#become(operation.image);
        return;
    }
  }

  async #write(batch: LogBatch): Promise<void> {
    await begin(this.#wal, batch, this.#image.hardState);
    this.#image.apply(batch);
  }

  async #become(image: LogImage): Promise<void> {
    const { hardState } = image;
    const index = (image.firstIndex() - 1) as Index;
    const term = image.term(index);
    const differs = this.#image.lastIndex() !== index || this.#image.term(index) !== term;
    const emptied = image.lastIndex() === index && differs;
    await new Promise<void>((resolve) => {
      if (emptied && term !== null) this.#wal.reset(index, term, hardState, resolve);
      else this.#wal.append([], hardState, resolve);
    });
    this.#image.copyFrom(image);
  }

  /** Tears the write in several ways, each on a disk of its own; then goes on as if it had not begun. */
  async #crash(batch: LogBatch | null): Promise<void> {
    this.crashes++;
    const before = this.#disk.clone();
    const images = [this.#image, ...this.#after(batch)];
    for (let tear = 0; tear < TEARS; tear++) {
      const disk = before.clone();
      const { wal, device } = await openOn(disk, this.#random);
      if (batch !== null) void begin(wal, batch, this.#image.hardState);
      // Most batches are far smaller than the block that is written: every other tear goes right through the batch.
      const sharp = tear % 2 === 0;
      if (!sharp)
        for (let turn = this.#random.between(0, 4); turn > 0; turn--) await Promise.resolve();
      device.crash(sharp ? cutEarly(this.#random) : this.#random);
      const reopened = await openOn(disk, this.#random);
      this.#judge(reopened.wal, reopened.hardState, images);
    }
    this.#device.crash(this.#random);
    this.#disk = before;
    const { wal, device, hardState } = await openOn(before, this.#random);
    this.#judge(wal, hardState, [this.#image]);
    this.#wal = wal;
    this.#device = device;
  }

  #after(batch: LogBatch | null): LogImage[] {
    if (batch === null) return [];
    const [between, after] = [new LogImage(), new LogImage()];
    between.copyFrom(this.#image);
    if (batch.reset !== null) between.reset(batch.reset);
    after.copyFrom(this.#image);
    after.apply(batch);
    return [between, after];
  }

  /** What recovered is the log before the write, after it, or (a reset is a write of its own) in between. */
  #judge(wal: Wal, found: HardState, images: readonly LogImage[]): void {
    const held = images.some((image) => {
      const from = Math.max(image.firstIndex(), wal.firstIndex()) as Index;
      return contents(wal, from) === contents(image, from);
    });
    assert.ok(held, "a crash leaves the log before the write under way, or after it");
    const states = images.map(({ hardState }) => `${hardState.term} ${hardState.vote}`);
    const known = states.includes(`${found.term} ${found.vote}`);
    assert.ok(known, "a crash leaves the vote before the write under way, or after it");
  }
}

/** Leaves a short prefix of what is written: see `MemoryLogDevice.crash`. */
function cutEarly(random: Random): Random {
  const between = (from: number, end: number): number =>
    random.between(from, Math.min(end, EARLY_BYTES));
  return { next: () => 0.5, between };
}

async function openOn(
  disk: LogDisk,
  random: Random,
): Promise<{ wal: Wal; device: MemoryLogDevice; hardState: HardState }> {
  const device = new MemoryLogDevice({ disk });
  const { wal, recovery } = await Wal.open({
    device,
    logger: silentLogger,
    clock: { now: () => 0 },
    random,
    metadata: METADATA,
    segmentBytes: SEGMENT_BYTES,
    onFailure: (error) => assert.fail(error),
  });
  return { wal, device, hardState: recovery.hardState };
}

function begin(wal: Wal, batch: LogBatch, before: HardState): Promise<void> {
  const { reset, append, hardState } = batch;
  return new Promise((resolve) => {
    if (reset !== null) wal.reset(reset.index, reset.term, hardState ?? before, () => {});
    const first = wal.firstIndex();
    const entries = reset === null ? append.filter((one) => one.index >= first) : append;
    wal.append(entries, hardState, resolve);
  });
}

function describe(entry: Entry): string {
  return `${entry.index}/${entry.term}/${entry.kind}/${entry.data.length}/${entry.data.slice(0, 8).join(".")}`;
}

/** Everything from `from` on, as text. */
function contents(log: Pick<Wal, "lastIndex" | "entries">, from: Index): string {
  const end = (log.lastIndex() + 1) as Index;
  const found: string[] = [`to ${end - 1}`];
  for (let at = from; at < end;) {
    const entries = log.entries(at, end, READ_BYTES);
    assert.ok(entries !== null && entries.length > 0, "what the log holds can be read");
    for (const entry of entries) found.push(describe(entry));
    at = (at + entries.length) as Index;
  }
  return found.join(" ");
}
