/**
 * gRPC's length-prefixed messages (flag 1, length 4 big-endian, body) out of a stream's DATA. A message that lies whole in
 * one frame is handed on in place; only one split over frames is gathered, into a buffer that grows with what really
 * arrived, never with what the prefix claims; or into one that an earlier message left, which costs nothing.
 */
import { readUint32 } from "./frame.ts";

const PREFIX_BYTES = 5;
const GATHER_BYTES_MIN = 4_096;
/** Sizes between are powers of two, so that a buffer serves most messages of about its size. */
const SPARE_BYTES_MIN = 2 * GATHER_BYTES_MIN;
const SPARE_BYTES_MAX = 512 * 1024;

/** One buffer of each size, by the logarithm of that: the streams between members gather a message every turn. */
const spares: (Buffer | null)[] = [];

/** Leaves what earlier messages were gathered in to the collector: for an idle process. */
export function dropGatherBuffers(): void {
  spares.length = 0;
}

/** A spare with room for `bytes`, of twice that at most; null if there is none. */
function takeSpare(bytes: number): Buffer | null {
  if (bytes > SPARE_BYTES_MAX) return null;
  const place = 32 - Math.clz32(Math.max(bytes, SPARE_BYTES_MIN) - 1);
  const spare = spares[place] ?? null;
  spares[place] = null;
  return spare;
}

function giveSpare(buffer: Buffer): void {
  const { length } = buffer;
  const isPower = (length & (length - 1)) === 0;
  if (!isPower || length < SPARE_BYTES_MIN || length > SPARE_BYTES_MAX) return;
  spares[31 - Math.clz32(length)] = buffer;
}

export interface MessageSink {
  /** `body` is borrowed. Answers whether to go on: false once the call has ended. */
  onMessage(compressed: boolean, body: Buffer): boolean;
  /** A prefix claims more than the limit. Nothing more is read. */
  onOversize(length: number): void;
  /** May the reader hold `bytes` more (or fewer, if negative)? Once refused, nothing more is read. */
  onHold(bytes: number): boolean;
}

export class MessageReader {
  readonly #bytesMax: number;
  /** Prefix and body so far of the message in progress: `#gathered` bytes of it. */
  #buffer: Buffer | null = null;
  #gathered = 0;
  #stopped = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether a message has begun and not ended. */
  get isPartial(): boolean {
    return this.#gathered > 0;
  }

  read(bytes: Buffer, from: number, end: number, sink: MessageSink): void {
    let at = from;
    while (at < end && !this.#stopped) {
      if (this.#gathered > 0) {
        at = this.#gather(bytes, at, end, sink);
        continue;
      }
      if (end - at < PREFIX_BYTES) {
        at = this.#gather(bytes, at, end, sink);
        continue;
      }
      const length = readUint32(bytes, at + 1);
      const bodyEnd = at + PREFIX_BYTES + length;
      if (length > this.#bytesMax) this.#refuse(length, sink);
      else if (bodyEnd <= end) {
        if (!sink.onMessage(bytes[at] !== 0, bytes.subarray(at + PREFIX_BYTES, bodyEnd)))
          this.#stopped = true;
        at = bodyEnd;
      } else at = this.#gather(bytes, at, end, sink);
    }
  }

  /** Gives back what it held. The stream is over. */
  release(sink: MessageSink): void {
    this.#stopped = true;
    if (this.#buffer !== null) {
      sink.onHold(-this.#buffer.length);
      giveSpare(this.#buffer);
    }
    this.#buffer = null;
    this.#gathered = 0;
  }

  #refuse(length: number, sink: MessageSink): void {
    this.#stopped = true;
    sink.onOversize(length);
  }

  /** Takes what the message in progress still needs; answers where it stopped. */
  #gather(bytes: Buffer, from: number, end: number, sink: MessageSink): number {
    let at = from;
    if (this.#gathered < PREFIX_BYTES) {
      at = this.#take(bytes, at, end, PREFIX_BYTES, sink);
      if (this.#gathered < PREFIX_BYTES || this.#buffer === null) return at;
    }
    const length = readUint32(this.#buffer as Buffer, 1);
    if (length > this.#bytesMax) {
      this.#refuse(length, sink);
      return end;
    }
    const total = PREFIX_BYTES + length;
    at = this.#take(bytes, at, end, total, sink);
    const whole = this.#buffer;
    if (this.#gathered < total || whole === null) return at;
    this.#buffer = null;
    this.#gathered = 0;
    sink.onHold(-whole.length);
    if (!sink.onMessage(whole[0] !== 0, whole.subarray(PREFIX_BYTES, total))) this.#stopped = true;
    giveSpare(whole);
    return at;
  }

  #take(bytes: Buffer, at: number, end: number, until: number, sink: MessageSink): number {
    const stop = Math.min(end, at + until - this.#gathered);
    const needed = this.#gathered + stop - at;
    if (!this.#ensure(needed, until, sink)) return end;
    bytes.copy(this.#buffer as Buffer, this.#gathered, at, stop);
    this.#gathered = needed;
    return stop;
  }

  /** Room for `needed` bytes of a message of `total`: doubled as it arrives, so that a claim costs nothing; or a spare. */
  #ensure(needed: number, total: number, sink: MessageSink): boolean {
    const held = this.#buffer?.length ?? 0;
    if (needed <= held) return true;
    const spare = total > GATHER_BYTES_MIN ? takeSpare(total) : null;
    const size = spare === null ? sizeFor(needed, total, held) : spare.length;
    if (!sink.onHold(size - held)) {
      this.#stopped = true;
      return false;
    }
    const grown = spare ?? allocate(size);
    if (this.#buffer !== null) {
      this.#buffer.copy(grown, 0, 0, this.#gathered);
      giveSpare(this.#buffer);
    }
    this.#buffer = grown;
    return true;
  }
}

/** The next power of two, or all of the message where that is small or large. */
function sizeFor(needed: number, total: number, held: number): number {
  const least = Math.max(needed, Math.min(total, Math.max(held * 2, GATHER_BYTES_MIN)));
  if (total <= GATHER_BYTES_MIN || least > SPARE_BYTES_MAX) return least;
  return 2 ** (32 - Math.clz32(least - 1));
}

function allocate(size: number): Buffer {
  return size <= GATHER_BYTES_MIN ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
}
