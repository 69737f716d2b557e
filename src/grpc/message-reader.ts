/**
 * gRPC's length-prefixed messages (flag 1, length 4 big-endian, body) out of a stream's DATA. A message that lies whole in
 * one frame is handed on in place; only one split over frames is gathered, into a buffer that grows with what really
 * arrived, never with what the prefix claims.
 */
import { readUint32 } from "./frame.ts";

const PREFIX_BYTES = 5;
const GATHER_BYTES_MIN = 4_096;

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
    if (this.#buffer !== null) sink.onHold(-this.#buffer.length);
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

  /** Room for `needed` bytes of a message of `total`: doubled as it arrives, so that a claim costs nothing. */
  #ensure(needed: number, total: number, sink: MessageSink): boolean {
    const held = this.#buffer?.length ?? 0;
    if (needed <= held) return true;
    const size = Math.max(needed, Math.min(total, Math.max(held * 2, GATHER_BYTES_MIN)));
    if (!sink.onHold(size - held)) {
      this.#stopped = true;
      return false;
    }
    const grown =
      size <= GATHER_BYTES_MIN ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
    if (this.#buffer !== null) this.#buffer.copy(grown, 0, 0, this.#gathered);
    this.#buffer = grown;
    return true;
  }
}
