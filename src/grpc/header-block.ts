import { ConnectionError, ErrorCode, Flag, readUint32 } from "./frame.ts";

/** Who is told of a whole header block, borrowed. */
export interface HeaderBlockSink {
  onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    from: number,
    end: number,
  ): void;
}

/** A compressed block may be this much larger than the list it is allowed to be, and is refused beyond. */
const COMPRESSED_RATIO_MAX = 2;

/** Puts HEADERS and CONTINUATION together. While a block is open, nothing else may arrive on the connection. */
export class HeaderBlockReader {
  readonly #sink: HeaderBlockSink;
  readonly #bytesMax: number;
  readonly #continuationsMax: number;
  #streamId = 0;
  #endStream = false;
  #continuations = 0;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** A HEADERS frame made its stream depend on itself; true until the next block. */
  selfDependent = false;

  constructor(sink: HeaderBlockSink, listBytesMax: number, continuationsMax: number) {
    this.#sink = sink;
    this.#bytesMax = listBytesMax * COMPRESSED_RATIO_MAX;
    this.#continuationsMax = continuationsMax;
  }

  /** The stream whose block is unfinished, 0 if none. */
  get openStream(): number {
    return this.#streamId;
  }

  onHeaders(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
    let at = from;
    let stop = end;
    if ((flags & Flag.padded) !== 0) {
      if (at >= stop)
        throw new ConnectionError(ErrorCode.frameSizeError, "a padded frame without its length");
      stop -= bytes[at] as number;
      at++;
    }
    this.selfDependent = false;
    if ((flags & Flag.priority) !== 0) {
      if (stop - at >= 5) this.selfDependent = (readUint32(bytes, at) & 0x7fff_ffff) === streamId;
      at += 5;
    }
    if (at > stop)
      throw new ConnectionError(ErrorCode.protocolError, "padding longer than its frame");
    const endStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) {
      this.#sink.onHeaderBlock(streamId, endStream, bytes, at, stop);
      return;
    }
    this.#streamId = streamId;
    this.#endStream = endStream;
    this.#continuations = 0;
    this.#keep(bytes, at, stop);
  }

  onContinuation(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
    if (this.#streamId === 0 || streamId !== this.#streamId) {
      throw new ConnectionError(ErrorCode.protocolError, "CONTINUATION of nothing");
    }
    if (++this.#continuations > this.#continuationsMax) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many CONTINUATION frames");
    }
    this.#keep(bytes, from, end);
    if ((flags & Flag.endHeaders) === 0) return;
    const block = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    this.#streamId = 0;
    this.#sink.onHeaderBlock(streamId, this.#endStream, block, 0, block.length);
  }

  #keep(bytes: Buffer, from: number, end: number): void {
    this.#bytes += end - from;
    if (this.#bytes > this.#bytesMax) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "a header block that is too large");
    }
    this.#parts.push(Buffer.from(bytes.subarray(from, end)));
  }
}
