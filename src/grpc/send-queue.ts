/** What a stream has accepted and may not send yet: bytes, in order. */
import { writeUint32 } from "./frame.ts";

/** Before a message: compressed or not, and its length. */
export const PREFIX_BYTES = 5;
/** More than malloc keeps in its heap (see `MALLOC` of node/main.ts): what a slow client made wait leaves no holes behind. */
const CHUNK_BYTES_MAX = 65_536;
/** Parts already sent that are kept before the list is cut. */
const SENT_PARTS_MAX = 64;
const NONE: Buffer = Buffer.alloc(0);

/**
 * Messages are copied one behind the other into chunks, twice as large as what waits: a buffer for each would cost several
 * times the bytes of a watch event, and the frames to it. Parts that are owned already are kept as they are.
 */
export class SendQueue {
  /** Bytes that wait. */
  bytes = 0;
  #parts: Uint8Array[] = [];
  #head = 0;
  /** Bytes of the first part that were taken. */
  #offset = 0;
  #chunk: Buffer = NONE;
  /** The part of the chunk that is filled and stands behind all parts. */
  #filledFrom = 0;
  #filledTo = 0;

  /** Raw bytes, owned from now on. */
  push(owned: Uint8Array): void {
    this.#seal();
    this.#parts.push(owned);
    this.bytes += owned.length;
  }

  /** A message, with its prefix. Borrowed. */
  pushMessage(message: Uint8Array): void {
    const size = PREFIX_BYTES + message.length;
    if (this.#filledTo + size > this.#chunk.length) this.#nextChunk(size);
    const at = this.#filledTo;
    const chunk = this.#chunk;
    chunk[at] = 0;
    writeUint32(chunk, at + 1, message.length);
    chunk.set(message, at + PREFIX_BYTES);
    this.#filledTo = at + size;
    this.bytes += size;
  }

  /** Bytes that can be taken in one piece: what is left of the first part. 0 if nothing waits. */
  get pieceBytes(): number {
    if (this.bytes === 0) return 0;
    if (this.#head === this.#parts.length) this.#seal();
    return (this.#parts[this.#head]?.length ?? 0) - this.#offset;
  }

  /** The next `count` bytes, at most `pieceBytes`; the caller's own. */
  take(count: number): Uint8Array {
    const part = this.#parts[this.#head] ?? NONE;
    const from = this.#offset;
    const to = from + count;
    this.bytes -= count;
    if (to < part.length) this.#offset = to;
    else this.#advance();
    return part.subarray(from, to);
  }

  #advance(): void {
    this.#offset = 0;
    this.#head++;
    if (this.#head < SENT_PARTS_MAX && this.#head < this.#parts.length) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#head = 0;
  }

  /** What the chunk is filled with becomes a part; the rest of it stays free for more. */
  #seal(): void {
    if (this.#filledTo === this.#filledFrom) return;
    this.#parts.push(this.#chunk.subarray(this.#filledFrom, this.#filledTo));
    this.#filledFrom = this.#filledTo;
  }

  #nextChunk(size: number): void {
    this.#seal();
    const length = Math.max(size, Math.min(2 * this.bytes, CHUNK_BYTES_MAX));
    this.#chunk = Buffer.allocUnsafe(length);
    this.#filledFrom = 0;
    this.#filledTo = 0;
  }
}
