/**
 * The sending half of one HTTP/2 stream, and its windows. What may leave at once is written straight into the connection's
 * output; what may not waits here, in order: header block, DATA, trailers.
 */
import { present } from "../base/assert.ts";
import type { Backlog } from "./backlog.ts";
import {
  ErrorCode,
  FRAME_HEADER_BYTES,
  Flag,
  FrameType,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import type { OutputBuffer } from "./output.ts";
import { HEADERS_FRAME, TRAILERS_OK_FRAME } from "./reply-blocks.ts";
import { PREFIX_BYTES, SendQueue } from "./send-queue.ts";

/** Who lives on a stream: a gRPC call or an HTTP exchange. */
export interface StreamConsumer {
  /** DATA, borrowed. `stream.remoteEnded` is already set if it was the last. */
  onData(bytes: Buffer, from: number, end: number): void;
  /** END_STREAM, after the last DATA. */
  onRemoteEnd(): void;
  /** The stream is over without our having finished it: reset, or the connection was lost. */
  onLost(): void;
  /** The queue has become shorter. */
  onQueueShrunk(): void;
}

/** What a stream asks of its connection. */
export interface StreamHost {
  readonly output: OutputBuffer;
  /** The connection's send window. */
  sendWindow: number;
  /** SETTINGS_MAX_FRAME_SIZE of the client, at most what one of our segments takes. */
  frameBytesMax: number;
  /** The socket holds enough: nothing more may be written now. */
  readonly congested: boolean;
  /** HEADERS or DATA were written. */
  onWrote(): void;
  /** The stream has something that cannot leave now. */
  onBlocked(stream: Stream): void;
  /** Of the messages of streams. */
  readonly messages: Backlog;
  /** `bytes` more wait, fewer if negative; the stream's backlog counts them already. */
  onQueued(bytes: number): void;
  /** Both halves are done, or the stream was reset by us with `reset`. Forgets it. */
  onFinished(stream: Stream, reset: ErrorCode | null): void;
}

/** Bytes from which on an owned part is linked into the output instead of copied. */
const LINK_BYTES_MIN = 4_096;

export class Stream {
  readonly id: number;
  readonly host: StreamHost;
  /** Which of the connection's backlogs counts what waits here. Chosen before anything does. */
  backlog: Backlog;
  /** Set right after construction, before any frame is dispatched to it. */
  consumer: StreamConsumer | null = null;
  /** May be negative after a SETTINGS change; data leave only while it is positive. */
  sendWindow: number;
  /** Bytes received since our last WINDOW_UPDATE for this stream. */
  receivedBytes = 0;
  /** What the request's content-length promised; null if it did not say. */
  contentLength: number | null = null;
  /** Bytes of DATA in all, against content-length. */
  bodyBytes = 0;
  /** What this stream holds of the connection's budget. */
  heldBytes = 0;
  remoteEnded: boolean;
  /** Our END_STREAM was written, or the stream was reset or lost: nothing may be written any more. */
  gone = false;
  headersSent = false;
  /** Null where nothing waits. */
  #queue: SendQueue | null = null;
  #source: (() => Uint8Array | null) | null = null;
  /** Bytes that the source has still to give; at 0 it is not asked again, so that the end never waits for window. */
  #sourceBytes = 0;
  /** What to end with: a block of trailers, or END_STREAM on an empty DATA frame. */
  #ending: Uint8Array | "data" | null = null;

  constructor(host: StreamHost, id: number, sendWindow: number, remoteEnded: boolean) {
    this.host = host;
    this.backlog = host.messages;
    this.id = id;
    this.sendWindow = sendWindow;
    this.remoteEnded = remoteEnded;
  }

  /** Bytes accepted and not yet written. */
  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  /** A unary reply in one: HEADERS, DATA, trailers. `message` is borrowed. */
  writeUnary(message: Uint8Array): void {
    const { length } = message;
    const size = PREFIX_BYTES + length;
    if (!this.#maySend(size) || size > this.host.frameBytesMax || this.headersSent) {
      this.writeMessage(message);
      this.finish(TRAILERS_OK_FRAME.subarray(FRAME_HEADER_BYTES));
      return;
    }
    const { host, id } = this;
    const { output } = host;
    const headers = HEADERS_FRAME.length;
    let at = output.reserve(headers + FRAME_HEADER_BYTES + size);
    const { bytes } = output;
    bytes.set(HEADERS_FRAME, at);
    writeUint32(bytes, at + 5, id);
    at += headers;
    writeFrameHeader(bytes, at, size, FrameType.data, 0, id);
    bytes[at + 9] = 0;
    writeUint32(bytes, at + 10, length);
    bytes.set(message, at + 14);
    this.sendWindow -= size;
    host.sendWindow -= size;
    this.headersSent = true;
    const tail = output.reserve(TRAILERS_OK_FRAME.length);
    output.bytes.set(TRAILERS_OK_FRAME, tail);
    writeUint32(output.bytes, tail + 5, id);
    this.#end();
  }

  /** One gRPC message of a reply; HEADERS first if they have not left. Borrowed. */
  writeMessage(message: Uint8Array): void {
    if (this.gone) return;
    this.#ensureHeaders();
    const { length } = message;
    if (this.#maySend(PREFIX_BYTES + length)) {
      this.#writeMessageNow(message);
      this.host.onWrote();
      return;
    }
    this.#queue ??= new SendQueue();
    this.#queue.pushMessage(message);
    this.#onQueued(PREFIX_BYTES + length);
  }

  /** One message of `size` bytes whose parts are asked for as there is room; then the stream ends with OK. */
  writeParts(size: number, next: () => Uint8Array | null): void {
    if (this.gone) return;
    this.#ensureHeaders();
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
    prefix[0] = 0;
    writeUint32(prefix, 1, size);
    this.#source = size > 0 ? next : null;
    this.#sourceBytes = size;
    this.#ending = TRAILERS_OK_FRAME.subarray(FRAME_HEADER_BYTES);
    this.writeBody(prefix);
  }

  /** A header block (of one frame) that opens the reply. */
  writeHeaders(block: Uint8Array, endStream: boolean): void {
    if (this.gone) return;
    this.headersSent = true;
    this.#writeBlock(block, endStream);
    if (endStream) this.#end();
  }

  /** Raw DATA, owned from now on. */
  writeBody(owned: Uint8Array): void {
    if (this.gone || owned.length === 0) return;
    this.#queue ??= new SendQueue();
    this.#queue.push(owned);
    this.#onQueued(owned.length);
  }

  /** Ends the stream, after what is queued, with this block of trailers ("data": with an empty DATA frame). */
  finish(ending: Uint8Array | "data"): void {
    if (this.gone) return;
    this.#ending = ending;
    if (this.pump(Number.POSITIVE_INFINITY)) return;
    this.host.onBlocked(this);
  }

  /** RST_STREAM from our side. What is queued is dropped. */
  reset(code: ErrorCode): void {
    if (this.gone) return;
    this.drop();
    this.host.onFinished(this, code);
  }

  /** Nothing more will be written: forgets the queue. */
  drop(): void {
    this.gone = true;
    this.#count(-this.queuedBytes);
    this.#queue = null;
    this.#source = null;
    this.#ending = null;
  }

  /** The connection has room again. As `pump`; tells the consumer, whose own call this never is. */
  resume(quantum: number): boolean {
    const before = this.queuedBytes;
    const done = this.pump(quantum);
    if (this.queuedBytes < before) this.consumer?.onQueueShrunk();
    return done;
  }

  /** Writes what windows and socket allow, about `quantum` bytes at most. True once nothing waits. */
  pump(quantum: number): boolean {
    let written = 0;
    while (!this.gone) {
      const piece = this.#nextPiece();
      if (piece === 0) {
        if (this.#source !== null) return false;
        if (this.#ending !== null) this.#writeEnding(this.#ending);
        break;
      }
      if (written >= quantum) return false;
      const count = Math.min(piece, this.sendWindow, this.host.sendWindow, this.host.frameBytesMax);
      if (count <= 0 || this.host.congested) return false;
      this.#writeFrame(count);
      written += count;
    }
    return true;
  }

  #count(bytes: number): void {
    this.backlog.bytes += bytes;
    this.host.onQueued(bytes);
  }

  #onQueued(bytes: number): void {
    this.#count(bytes);
    if (!this.pump(Number.POSITIVE_INFINITY)) this.host.onBlocked(this);
  }

  /** Bytes to go on with; asks the source for more only while there is room for it. 0 if there are none now. */
  #nextPiece(): number {
    let piece = this.#queue?.pieceBytes ?? 0;
    while (piece === 0 && this.#source !== null) {
      if (this.sendWindow <= 0 || this.host.sendWindow <= 0 || this.host.congested) return 0;
      const next = this.#source();
      if (next === null) {
        this.#source = null;
        return 0;
      }
      piece = next.length;
      this.#sourceBytes -= piece;
      if (this.#sourceBytes <= 0) this.#source = null;
      if (piece === 0) continue;
      this.#queue ??= new SendQueue();
      this.#queue.push(next);
      this.#count(piece);
    }
    return piece;
  }

  /** One DATA frame of the next `count` bytes that wait. */
  #writeFrame(count: number): void {
    const { host } = this;
    const { output } = host;
    const queue = present(this.#queue, "something waits");
    const linked = count >= LINK_BYTES_MIN;
    const at = output.reserve(FRAME_HEADER_BYTES + (linked ? 0 : count));
    writeFrameHeader(output.bytes, at, count, FrameType.data, 0, this.id);
    const piece = queue.take(count);
    if (linked) output.append(piece);
    else output.bytes.set(piece, at + FRAME_HEADER_BYTES);
    if (queue.bytes === 0) this.#queue = null;
    this.sendWindow -= count;
    host.sendWindow -= count;
    this.#count(-count);
    host.onWrote();
  }

  #maySend(size: number): boolean {
    return (
      this.#queue === null &&
      this.#source === null &&
      size <= this.sendWindow &&
      size <= this.host.sendWindow &&
      !this.gone &&
      !this.host.congested
    );
  }

  #ensureHeaders(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    const { output } = this.host;
    const at = output.reserve(HEADERS_FRAME.length);
    output.bytes.set(HEADERS_FRAME, at);
    writeUint32(output.bytes, at + 5, this.id);
    this.host.onWrote();
  }

  /** The caller has checked the windows. Frame by frame, copied. */
  #writeMessageNow(message: Uint8Array): void {
    const { host, id } = this;
    const { output } = host;
    const size = PREFIX_BYTES + message.length;
    let done = 0;
    do {
      const count = Math.min(size - done, host.frameBytesMax);
      let at = output.reserve(FRAME_HEADER_BYTES + count);
      const { bytes } = output;
      writeFrameHeader(bytes, at, count, FrameType.data, 0, id);
      at += FRAME_HEADER_BYTES;
      if (done === 0) {
        bytes[at] = 0;
        writeUint32(bytes, at + 1, message.length);
        if (count === size) bytes.set(message, at + PREFIX_BYTES);
        else bytes.set(message.subarray(0, count - PREFIX_BYTES), at + PREFIX_BYTES);
      } else bytes.set(message.subarray(done - PREFIX_BYTES, done - PREFIX_BYTES + count), at);
      done += count;
    } while (done < size);
    this.sendWindow -= size;
    host.sendWindow -= size;
  }

  /** HEADERS, and CONTINUATION where the block is larger than a frame may be. */
  #writeBlock(block: Uint8Array, endStream: boolean): void {
    const { output, frameBytesMax } = this.host;
    let from = 0;
    do {
      const end = Math.min(block.length, from + frameBytesMax);
      const at = output.reserve(FRAME_HEADER_BYTES + end - from);
      const type = from === 0 ? FrameType.headers : FrameType.continuation;
      const last = end === block.length ? Flag.endHeaders : 0;
      const flags = last | (endStream && from === 0 ? Flag.endStream : 0);
      writeFrameHeader(output.bytes, at, end - from, type, flags, this.id);
      output.bytes.set(block.subarray(from, end), at + FRAME_HEADER_BYTES);
      from = end;
    } while (from < block.length);
    this.host.onWrote();
  }

  #writeEnding(ending: Uint8Array | "data"): void {
    this.#ending = null;
    if (ending === "data") {
      const { output } = this.host;
      const at = output.reserve(FRAME_HEADER_BYTES);
      writeFrameHeader(output.bytes, at, 0, FrameType.data, Flag.endStream, this.id);
    } else this.#writeBlock(ending, true);
    this.#end();
  }

  /** Our END_STREAM was written. A client that is still sending is told to stop (RFC 9113 section 8.1). */
  #end(): void {
    this.gone = true;
    this.host.onWrote();
    this.host.onFinished(this, this.remoteEnded ? null : ErrorCode.noError);
  }
}
