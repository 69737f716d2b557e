/**
 * What a connection will send at the end of the turn. Frames are built in place in pooled segments, so that a turn's
 * replies are one write and cost no buffer each; a part too large to copy is linked in between.
 */
import type { Socket } from "node:net";

/** Room for a full frame and then some; a turn's replies to one of many connections usually fit. */
const SEGMENT_BYTES = 32_768;
/** Free segments that are kept: 16 MiB. */
const POOL_SEGMENTS_MAX = 512;

const free: Buffer[] = [];
const NONE: Buffer = Buffer.alloc(0);

function takeSegment(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(SEGMENT_BYTES);
}

/** Leaves the free segments to the collector: for an idle process. */
export function dropFreeSegments(): void {
  free.length = 0;
}

function giveSegment(segment: Buffer): void {
  if (free.length < POOL_SEGMENTS_MAX) free.push(segment);
}

export class OutputBuffer {
  /** The segment being filled; write at the offset that `reserve` answers. */
  bytes: Buffer = NONE;
  #length = 0;
  /** Where the not yet linked part of `bytes` begins. */
  #linkedTo = 0;
  /** Finished pieces, in order, and the segments that they lie in. */
  #pieces: Uint8Array[] = [];
  #used: Buffer[] = [];
  #piecesBytes = 0;
  /** Segments given to the socket, which it may still read. */
  readonly #inFlight: Buffer[] = [];

  /** Bytes not yet given to the socket. */
  get size(): number {
    return this.#piecesBytes + this.#length - this.#linkedTo;
  }

  /** Room for `count` bytes (at most a segment) in `bytes`, at the offset answered; all of them must be written. */
  reserve(count: number): number {
    if (this.#length + count > this.bytes.length) this.#nextSegment();
    const at = this.#length;
    this.#length = at + count;
    return at;
  }

  /** Links bytes in without a copy; they must not change any more. */
  append(owned: Uint8Array): void {
    this.#link();
    this.#pieces.push(owned);
    this.#piecesBytes += owned.length;
  }

  /** Gives everything to the socket in one write. Answers the number of bytes. */
  flushTo(socket: Socket): number {
    const { size } = this;
    if (this.#inFlight.length > 0 && socket.writableLength === 0) this.#release();
    if (size === 0) return 0;
    if (this.#pieces.length === 0) {
      socket.write(this.bytes.subarray(0, this.#length));
      this.#inFlight.push(this.bytes);
    } else {
      this.#link();
      socket.cork();
      for (const piece of this.#pieces) socket.write(piece);
      socket.uncork();
      this.#inFlight.push(...this.#used);
      if (this.bytes.length > 0) this.#inFlight.push(this.bytes);
      this.#pieces = [];
      this.#used = [];
      this.#piecesBytes = 0;
    }
    this.bytes = NONE;
    this.#length = 0;
    this.#linkedTo = 0;
    // A socket that took everything at once no longer reads the segments.
    if (socket.writableLength === 0) this.#release();
    return size;
  }

  /** Forgets everything. Segments that a dying socket may still read are left to the collector. */
  discard(): void {
    this.bytes = NONE;
    this.#length = 0;
    this.#linkedTo = 0;
    this.#pieces = [];
    this.#used = [];
    this.#piecesBytes = 0;
    this.#inFlight.length = 0;
  }

  #release(): void {
    for (const segment of this.#inFlight) giveSegment(segment);
    this.#inFlight.length = 0;
  }

  #link(): void {
    if (this.#length === this.#linkedTo) return;
    const piece = this.bytes.subarray(this.#linkedTo, this.#length);
    this.#pieces.push(piece);
    this.#piecesBytes += piece.length;
    this.#linkedTo = this.#length;
  }

  #nextSegment(): void {
    this.#link();
    if (this.bytes.length > 0) this.#used.push(this.bytes);
    this.bytes = takeSegment();
    this.#length = 0;
    this.#linkedTo = 0;
  }
}
