/** The write-ahead log: appends in groups, one write and one sync a group; reads what is no longer in memory. */
import { assert, present } from "../base/assert.ts";
import { deferred, type Deferred } from "../base/deferred.ts";
import { QuorateError } from "../base/errors.ts";
import type { Entry, HardState, Index, Term } from "../raft/types.ts";
import { BatchEncoder, type EncodedBatch } from "./encode.ts";
import { ENTRY_OVERHEAD_MAX, FLAG_OPENS, FLAG_RESET, HEADER_SIZE, toBlocks } from "./format.ts";
import { VOTE_FILE, VOTE_FILE_SIZE } from "./format.ts";
import type { LogDevice } from "./fs.ts";
import type { LogMap } from "./log-map.ts";
import type { WalOptions, WalRecovery } from "./options.ts";
import { AppendQueue, baseOf, GROUP_BYTES_MAX, hardStateAfter, type Waiting } from "./queue.ts";
import { readRange } from "./reader.ts";
import { recover, type Recovered } from "./recover.ts";
import { Spares } from "./spares.ts";
import type { LogExtent } from "./verify.ts";
import { encodeVote, voteOffset } from "./vote.ts";

export type { WalOptions, WalRecovery } from "./options.ts";

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Zero-filling this much is what a new member waits for. */
const FIRST_SEGMENT_BYTES = 4 * 1024 * 1024;
const BUFFER_BYTES = 1024 * 1024;
/** The next segment is ready once the current one is used up to here. */
const READY_AT = 0.75;

/** Where the next batch goes. */
interface Tail {
  readonly name: string;
  readonly generation: number;
  readonly size: number;
  offset: number;
}

interface InFlight {
  /** Called once it is durable, in order. */
  readonly onDurable: (() => void)[];
  readonly batch: EncodedBatch;
  readonly startedAt: number;
}

export class Wal {
  readonly #options: WalOptions;
  readonly #device: LogDevice;
  readonly #map: LogMap;
  readonly #salt: number;
  readonly #spares: Spares;
  readonly #queue = new AppendQueue();
  readonly #encoder = new BatchEncoder();
  readonly #segmentBytes: number;
  #tail: Tail | null;
  #sequence: number;
  #previousCrc: number;
  /** What the next batch says, unless what is queued says otherwise. */
  #hardState: HardState;
  /** What both copies on disk say, or will once the write in flight is durable. */
  #votedTerm: Term;
  #votedFor: bigint;
  #voteCounter: number;
  /** The copy is to be written with the next batch, although nothing in it changed. */
  #voteDue = false;
  /** Last index once everything queued is durable. */
  #queuedLast: Index;
  #flight: InFlight | null = null;
  #failed = false;
  #idle: Deferred<void> | null = null;
  #closing = false;

  /** Counters since the log was opened. */
  #batches = 0;
  #syncs = 0;
  #bytesWritten = 0;

  readonly #written = (): void => this.#onWritten();
  readonly #broken = (error: unknown): void => this.#fail(QuorateError.from(error));

  /**
   * Recovers the log and makes ready to append. Rejects with "logCorruption" (naming file and offset), "configuration" (the
   * log is another member's or a newer build's), "resourceExhausted" (no room for a first segment) or "storage".
   */
  static async open(options: WalOptions): Promise<{ wal: Wal; recovery: WalRecovery }> {
    const { device, logger, metadata, random } = options;
    const found = recover(device, metadata);
    if (!device.list().includes(VOTE_FILE)) {
      if (found.last !== null)
        logger.warn({ file: VOTE_FILE }, "the second copy of the vote is missing");
      await device.create(VOTE_FILE, VOTE_FILE_SIZE, null, () => 1);
    }
    const salt = found.salt ?? random.between(1, Number.MAX_SAFE_INTEGER);
    const wal = new Wal(options, found, salt);
    await wal.#settle(found);
    const recovery: WalRecovery = {
      hardState: found.hardState,
      firstIndex: found.map.first,
      lastIndex: found.map.last,
      tornBytes: found.tornBytes,
      fresh: found.last === null && found.vote === null,
    };
    if (found.tornBytes > 0) {
      const at = { file: wal.#tail?.name, offset: wal.#tail?.offset, bytes: found.tornBytes };
      logger.warn(at, "cut the torn tail of the log, which was never reported durable");
    }
    return { wal, recovery };
  }

  private constructor(options: WalOptions, found: Recovered, salt: number) {
    this.#options = options;
    this.#device = options.device;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#map = found.map;
    this.#salt = salt;
    this.#sequence = found.sequence;
    this.#previousCrc = found.last?.crc ?? 0;
    this.#hardState = found.hardState;
    this.#votedTerm = found.hardState.term;
    this.#votedFor = found.hardState.vote;
    this.#voteCounter = found.vote?.counter ?? 0;
    this.#queuedLast = found.map.last;
    const newest = found.map.segments.at(-1);
    this.#tail = null;
    if (newest !== undefined && found.last !== null) {
      const offset = found.last.offset + found.last.size;
      this.#tail = { name: newest.name, generation: newest.generation, size: newest.size, offset };
    }
    this.#spares = new Spares({
      device: this.#device,
      segmentBytes: this.#segmentBytes,
      firstBytes: Math.min(FIRST_SEGMENT_BYTES, this.#segmentBytes),
      empty: found.empty,
      generation: (found.empty.at(-1)?.generation ?? newest?.generation ?? 0) + 1,
      newestBytes: newest?.size ?? 0,
      needed: () => (this.#tail === null ? 1 : this.#tail.offset / (READY_AT * this.#tail.size)),
      onReady: () => this.#pump(),
      onFull: (full) => {
        options.onFull?.(full);
        if (full) this.#pump();
      },
      onFailure: this.#broken,
    });
  }

  /**
   * Makes durable what recovery read: a process killed during a write may have left its bytes in the page cache alone,
   * and from here on they count as written.
   */
  async #settle(found: Recovered): Promise<void> {
    const { last } = found;
    if (last !== null) {
      const bytes = this.#device.read(last.name, last.offset, last.size);
      await this.#device.write(last.name, last.offset, bytes);
    }
    await this.#writeVote();
    this.#encoder.use(this.#device.buffer(BUFFER_BYTES));
    this.#spares.ensure();
    if (this.#tail !== null || found.empty.length > 0) return;
    await this.#spares.settled();
    if (!this.#spares.full) return;
    throw new QuorateError("resourceExhausted", "no room for the first file of the log");
  }

  /** Index of the first entry held; one more than lastIndex() if there is none. */
  firstIndex(): Index {
    return this.#map.first;
  }

  /** Index of the last durable entry. */
  lastIndex(): Index {
    return this.#map.last;
  }

  /** Term of a durable entry or of the one before the first; null outside. */
  term(index: Index): Term | null {
    return this.#map.term(index);
  }

  /** Durable entries of [from, end): at least one, then as many as fit in `bytesMax` of data; null if `from` is released. */
  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    if (from < this.#map.first) return null;
    assert(from < end, "a range of entries is not empty");
    assert(end <= this.#map.last + 1, "only durable entries are read");
    return readRange(this.#device, this.#map, this.#salt, { from, end, bytesMax });
  }

  /** Bytes of all segments, including those made for batches to come. */
  get bytesOnDisk(): number {
    let sum = this.#spares.bytes;
    for (const { size } of this.#map.segments) sum += size;
    return sum;
  }

  /** Durable batches, synced writes (a new vote takes two) and bytes written since the log was opened. */
  get counters(): { readonly batches: number; readonly syncs: number; readonly bytes: number } {
    return { batches: this.#batches, syncs: this.#syncs, bytes: this.#bytesWritten };
  }

  /** Appends that wait for the write under way. */
  get queued(): number {
    return this.#queue.length;
  }

  /** What is durable now: for who reads it all once more. */
  extent(): LogExtent {
    return { salt: this.#salt, segments: [...this.#map.segments], sequence: this.#sequence };
  }

  /** There is no room for the next segment. */
  get full(): boolean {
    return this.#spares.full;
  }

  /** The most data an entry may have. */
  get entryBytesMax(): number {
    const head = HEADER_SIZE + 4 + this.#options.metadata.length + ENTRY_OVERHEAD_MAX;
    return this.#segmentBytes - toBlocks(head);
  }

  /**
   * Queues entries and hard state. What is queued while a write is in flight goes out as the next batch, one write.
   * entries[0].index may be at or below the last: they replace what the log holds from there on. `onDurable` is called
   * in order, never before this returns. The entries and their data must not change until then.
   */
  append(entries: readonly Entry[], hardState: HardState | null, onDurable: () => void): void {
    assert(!this.#closing, "nothing is appended to a closing log");
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index <= this.#queuedLast + 1, "entries leave no gap");
      assert(first.index >= this.#map.first, "released entries are not replaced");
      this.#queuedLast = (first.index + entries.length - 1) as Index;
    }
    this.#queue.push(entries, hardState, onDurable);
    this.#pump();
  }

  /** Calls back once everything appended so far is durable, after those who appended it: at once if it is. Writes nothing. */
  afterAppends(onDurable: () => void): void {
    if (this.#failed) return;
    if (this.#queue.length > 0) this.#queue.push([], null, onDurable);
    else if (this.#flight !== null) this.#flight.onDurable.push(onDurable);
    else onDurable();
  }

  /** Writes the second copy of term and vote anew, over the older of its two slots. */
  renewVote(): Promise<void> {
    this.#voteDue = true;
    return new Promise((resolve) => this.append([], null, resolve));
  }

  /** A state was adopted in place of the log, which restarts empty after this entry. */
  reset(index: Index, term: Term, hardState: HardState, onDurable: () => void): void {
    assert(!this.#closing, "a closing log is not reset");
    this.#queuedLast = index;
    this.#queue.pushReset({ index, term }, hardState, onDurable);
    this.#pump();
  }

  /** Lets go of segments whose entries all lie below `index`. */
  release(index: Index): void {
    for (;;) {
      const segment = this.#map.shift(index);
      if (segment === null) return;
      this.#spares.release(segment);
    }
  }

  /** After `full`: tries again to make a segment. */
  retry(): void {
    this.#spares.ensure();
  }

  /**
   * Writes what is queued, then an empty batch, so that damage to the last one that matters is told from a torn write;
   * lets go of the device.
   */
  async close(): Promise<void> {
    assert(!this.#closing, "a log is closed once");
    this.#closing = true;
    this.#queue.push([], null, () => {});
    const idle = deferred<void>();
    this.#idle = idle;
    this.#pump();
    if (!this.#failed) await idle.promise;
    await this.#spares.close();
    await this.#device.close();
  }

  #pump(): void {
    if (this.#flight !== null || this.#failed || this.#queue.length === 0) return;
    const { count, size } = this.#queue.group();
    const opening = 4 + this.#options.metadata.length;
    const room = this.#tail === null ? 0 : this.#tail.size - this.#tail.offset;
    if (toBlocks(HEADER_SIZE + size) > room) {
      const next = this.#spares.take();
      if (next === null) return this.#stall();
      this.#tail = { ...next, offset: 0 };
    }
    const tail = present(this.#tail, "a segment is open");
    const needed = toBlocks(HEADER_SIZE + size + (tail.offset === 0 ? opening : 0));
    // A segment too small for the group, as the first ones may be, gets an empty batch, and the group goes to the next.
    const fits = needed <= tail.size - tail.offset;
    assert(fits || tail.size < this.#segmentBytes, "an entry fits a whole segment");
    const group = fits ? this.#queue.take(count) : [];
    this.#reserve(fits ? needed : toBlocks(HEADER_SIZE + opening));
    this.#send(tail, group);
  }

  /** No segment is ready: the spares pump again once one is. A closing log does not wait for room. */
  #stall(): void {
    if (this.#closing && this.#spares.full) this.#idle?.resolve();
  }

  #reserve(size: number): void {
    const { capacity } = this.#encoder;
    const wanted = Math.max(BUFFER_BYTES, 2 ** Math.ceil(Math.log2(size)));
    const excess = capacity > 2 * GROUP_BYTES_MAX && wanted <= 2 * GROUP_BYTES_MAX;
    if (size > capacity || excess) this.#encoder.use(this.#device.buffer(wanted));
  }

  #send(tail: Tail, group: readonly Waiting[]): void {
    const reset = group[0]?.reset ?? null;
    const base = baseOf(group, this.#map.last);
    const first = (base + 1) as Index;
    const previousTerm =
      reset?.term ?? present(this.#map.term(base), "entries follow one that the log knows");
    this.#encoder.begin(first, previousTerm);
    let last = base;
    if (tail.offset === 0) this.#encoder.metadata(this.#options.metadata);
    for (const { entries } of group) {
      this.#encoder.append(entries);
      last = (last + entries.length) as Index;
    }
    this.#hardState = hardStateAfter(group, this.#hardState, last);
    const flags = (tail.offset === 0 ? FLAG_OPENS : 0) | (reset === null ? 0 : FLAG_RESET);
    const head = {
      flags,
      salt: this.#salt,
      generation: tail.generation,
      sequence: this.#sequence,
      previousCrc: this.#previousCrc,
      first,
      previousTerm,
      hardState: this.#hardState,
    };
    const batch = this.#encoder.finish(head, tail.offset);
    const onDurable = group.flatMap((waiting) => waiting.onDurable ?? []);
    this.#flight = { onDurable, batch, startedAt: this.#options.clock.now() };
    this.#write(tail, batch).then(this.#written, this.#broken);
  }

  #write(tail: Tail, batch: EncodedBatch): Promise<void> {
    const { term, vote } = this.#hardState;
    const voted = term !== this.#votedTerm || vote !== this.#votedFor || this.#voteDue;
    this.#voteDue = false;
    if (!voted) return this.#device.write(tail.name, tail.offset, batch.bytes);
    this.#votedTerm = term;
    this.#votedFor = vote;
    return this.#writeVote().then(() => this.#device.write(tail.name, tail.offset, batch.bytes));
  }

  /** The second copy goes first: it then never lags behind the log, and shows if the log has lost its end. */
  async #writeVote(): Promise<void> {
    this.#voteCounter += 1;
    const record = encodeVote({
      salt: this.#salt,
      counter: this.#voteCounter,
      sequence: this.#sequence,
      term: this.#hardState.term,
      vote: this.#hardState.vote,
    });
    await this.#device.write(VOTE_FILE, voteOffset(this.#voteCounter), record);
    this.#syncs += 1;
  }

  #onWritten(): void {
    const { onDurable, batch, startedAt } = present(this.#flight, "a write was in flight");
    const tail = present(this.#tail, "a write goes to a segment");
    this.#flight = null;
    this.#map.add(tail.generation, tail.size, tail.offset, batch);
    tail.offset += batch.bytes.length;
    this.#sequence += 1;
    this.#previousCrc = batch.crc;
    this.#batches += 1;
    this.#syncs += 1;
    this.#bytesWritten += batch.bytes.length;
    const { onWrite, clock } = this.#options;
    onWrite?.((clock.now() - startedAt) / 1000, batch.bytes.length);
    if (batch.reset) this.release(batch.first);
    // The disk first: it works while the callbacks run.
    this.#pump();
    for (const tell of onDurable) tell();
    if (this.#flight === null && this.#queue.length === 0) this.#idle?.resolve();
  }

  #fail(error: QuorateError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#idle?.resolve();
    this.#options.onFailure(error);
  }
}
