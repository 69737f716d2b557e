import {
  ConnectionError,
  ErrorCode,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  readUint32,
} from "./frame.ts";

/** Who is told of each frame. The payload is `bytes[from, end)`, borrowed until the call returns. */
export interface FrameSink {
  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    end: number,
  ): void;
}

/**
 * Cuts a byte stream into frames, in place over the received chunk. Only a frame that is split between two chunks is
 * copied, so what it holds back is at most one frame.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  /** The first bytes of a split frame; holds `#carried` of them. Allocated when first needed. */
  #carry: Buffer | null = null;
  #carried = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Bytes of an unfinished frame that wait for the rest. */
  get carried(): number {
    return this.#carried;
  }

  /** Throws a ConnectionError for a frame longer than we allow, and whatever the sink throws. */
  read(chunk: Buffer): void {
    let at = this.#carried > 0 ? this.#finishCarried(chunk) : 0;
    const available = chunk.length;
    while (available - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + payloadLength(chunk, at);
      if (end > available) break;
      this.#emit(chunk, at, end);
      at = end;
    }
    if (at < available) this.#keepRest(chunk, at);
  }

  #emit(bytes: Buffer, at: number, end: number): void {
    const streamId = readUint32(bytes, at + 5) & 0x7fff_ffff;
    this.#sink.onFrame(
      bytes[at + 3] as number,
      bytes[at + 4] as number,
      streamId,
      bytes,
      at + FRAME_HEADER_BYTES,
      end,
    );
  }

  /** Completes the split frame from the head of `chunk`; answers how much of the chunk it took. */
  #finishCarried(chunk: Buffer): number {
    const carry = this.#room();
    let at = 0;
    if (this.#carried < FRAME_HEADER_BYTES) {
      at = this.#take(chunk, 0, FRAME_HEADER_BYTES);
      if (this.#carried < FRAME_HEADER_BYTES) return at;
    }
    const total = FRAME_HEADER_BYTES + payloadLength(carry, 0);
    at = this.#take(chunk, at, total);
    if (this.#carried < total) return at;
    this.#carried = 0;
    // The sink may keep nothing, so the carry buffer serves the next split frame too.
    this.#emit(carry, 0, total);
    return at;
  }

  #take(chunk: Buffer, at: number, until: number): number {
    const end = Math.min(chunk.length, at + until - this.#carried);
    chunk.copy(this.#room(), this.#carried, at, end);
    this.#carried += end - at;
    return end;
  }

  #keepRest(chunk: Buffer, at: number): void {
    chunk.copy(this.#room(), this.#carried, at);
    this.#carried += chunk.length - at;
  }

  #room(): Buffer {
    this.#carry ??= Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX);
    return this.#carry;
  }
}

function payloadLength(bytes: Uint8Array, at: number): number {
  const length =
    ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > FRAME_PAYLOAD_BYTES_MAX) {
    throw new ConnectionError(ErrorCode.frameSizeError, `a frame of ${length} bytes`);
  }
  return length;
}
