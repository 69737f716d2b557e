/**
 * The client's half, as far as members need it among each other: one connection, which carries one bidirectional call for as
 * long as either lives. What is sent leaves with `flush`, in one write.
 */
import type { Socket } from "node:net";
import { Backlog } from "./backlog.ts";
import {
  writeGoaway,
  writeGreeting,
  writePing,
  writeReset,
  writeSettingsAck,
  writeWindowUpdate,
} from "./control-frames.ts";
import {
  CLIENT_PREFACE,
  ConnectionError,
  ErrorCode,
  FRAME_PAYLOAD_BYTES_MAX,
  Flag,
  FrameType,
  WINDOW_MAX,
  readUint32,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { HeaderBlockReader, type HeaderBlockSink } from "./header-block.ts";
import { encodeFields, HpackDecoder } from "./hpack.ts";
import {
  CONNECTION_WINDOW_BYTES,
  defaultLimits,
  EARLY_FLUSH_BYTES,
  SOCKET_QUEUE_BYTES,
  STREAM_WINDOW_BYTES,
} from "./limits.ts";
import { readInPlace } from "./in-place.ts";
import { MessageReader, type MessageSink } from "./message-reader.ts";
import { OutputBuffer } from "./output.ts";
import { PeerSettings } from "./peer-settings.ts";
import { Stream, type StreamConsumer, type StreamHost } from "./stream.ts";

/** Where a call goes. */
export interface ClientTarget {
  readonly scheme: "http" | "https";
  readonly authority: string;
  /** `/package.Service/Method`. */
  readonly path: string;
}

/** Who is told. Both are called on the stack of what arrived, or of `fail`. */
export interface ClientStreamEvents {
  /** A whole message, borrowed until it returns. */
  onMessage(message: Uint8Array): void;
  /** Once, unless `close` came first; nothing is called after it. */
  onEnd(reason: string): void;
}

/** Ours is the only call of its connection. */
const STREAM_ID = 1;
const DEFAULT_WINDOW_BYTES = 65_535;
const PREFACE = Buffer.from(CLIENT_PREFACE, "latin1");

export class ClientStream
  implements FrameSink, HeaderBlockSink, StreamHost, StreamConsumer, MessageSink
{
  readonly output: OutputBuffer = new OutputBuffer();
  readonly messages: Backlog = new Backlog();
  sendWindow: number = DEFAULT_WINDOW_BYTES;
  frameBytesMax: number = FRAME_PAYLOAD_BYTES_MAX;
  congested = false;
  readonly #events: ClientStreamEvents;
  readonly #stream: Stream;
  readonly #frames: FrameReader = new FrameReader(this);
  readonly #messages: MessageReader = new MessageReader(defaultLimits.messageBytesMax);
  readonly #settings: PeerSettings = new PeerSettings();
  readonly #decoder: HpackDecoder = new HpackDecoder(defaultLimits.headerListBytesMax);
  readonly #block: HeaderBlockReader = new HeaderBlockReader(
    this,
    defaultLimits.headerListBytesMax,
    defaultLimits.continuationFramesMax,
  );
  /** Null until the connection stands. */
  #socket: Socket | null = null;
  /** DATA received since our last WINDOW_UPDATE for the connection. */
  #receivedBytes = 0;
  #heardAtMs: number = performance.now();
  #ended = false;

  constructor(target: ClientTarget, events: ClientStreamEvents) {
    this.#events = events;
    this.#stream = new Stream(this, STREAM_ID, DEFAULT_WINDOW_BYTES, false);
    this.#stream.consumer = this;
    const at = this.output.reserve(PREFACE.length);
    this.output.bytes.set(PREFACE, at);
    writeGreeting(this.output, defaultLimits);
    const head = encodeFields([
      [":method", "POST"],
      [":scheme", target.scheme],
      [":path", target.path],
      [":authority", target.authority],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
    ]);
    this.#stream.writeHeaders(head, false);
  }

  /** The connection stands: what was sent meanwhile leaves. The socket is ours from now on. */
  attach(given: Socket): void {
    if (this.#ended) {
      given.destroy();
      return;
    }
    const early = given.read() as Buffer | null;
    const inPlace = readInPlace(given, (chunk) => this.#receive(chunk));
    const socket = inPlace ?? given;
    this.#socket = socket;
    this.#heardAtMs = performance.now();
    if (inPlace === null) socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => {
      this.congested = false;
      this.#resume();
      this.flush();
    });
    socket.on("error", (error) => this.fail(error.message));
    socket.on("close", () => this.fail("the connection was closed"));
    this.flush();
    if (early !== null) this.#receive(early);
  }

  /** The connection stands. */
  get isAttached(): boolean {
    return this.#socket !== null;
  }

  /** When the other side was last heard, or the connection made: `performance.now()`. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Bytes accepted that the socket has not taken. */
  get queuedBytes(): number {
    return this.#stream.queuedBytes + this.output.size + (this.#socket?.writableLength ?? 0);
  }

  /** Queues a message, which is borrowed. Never blocks; see `queuedBytes`. */
  send(message: Uint8Array): void {
    this.#stream.writeMessage(message);
  }

  /** Writes what was queued, as far as windows allow. */
  flush(): void {
    const socket = this.#socket;
    if (socket === null || this.#ended) return;
    this.output.flushTo(socket);
    this.congested = socket.writableLength > SOCKET_QUEUE_BYTES;
  }

  /** Cancels the call and closes the connection, after what it was given. Nobody is told. */
  close(): void {
    if (this.#ended) return;
    this.#stream.reset(ErrorCode.cancel);
    this.flush();
    this.#end();
  }

  /** Ends it for a reason of the caller's, such as a connection that could not be made. */
  fail(reason: string): void {
    if (this.#ended) return;
    this.#end();
    this.#events.onEnd(reason);
  }

  #end(): void {
    this.#ended = true;
    this.#stream.drop();
    this.#messages.release(this);
    this.output.discard();
    this.#socket?.destroySoon();
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#heardAtMs = performance.now();
    try {
      this.#frames.read(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      if (!this.#ended) writeGoaway(this.output, 0, error.code, error.message);
      this.flush();
      this.fail(`the peer broke HTTP/2: ${error.message}`);
    }
    this.flush();
  }

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    if (this.#ended) return;
    if (this.#block.openStream !== 0 && type !== FrameType.continuation) {
      throw new ConnectionError(ErrorCode.protocolError, "a frame inside a header block");
    }
    if (type === FrameType.data) this.#onData(flags, streamId, bytes, from, end);
    else if (type === FrameType.headers) {
      this.#block.onHeaders(flags, expectOurs(streamId), bytes, from, end);
    } else if (type === FrameType.continuation) {
      this.#block.onContinuation(flags, streamId, bytes, from, end);
    } else this.#onControl(type, flags, streamId, bytes, from, end);
  }

  #onControl(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    const ack = (flags & Flag.ack) !== 0;
    switch (type) {
      case FrameType.windowUpdate:
        expectLength(end - from, 4);
        this.#widen(streamId, readUint32(bytes, from) & WINDOW_MAX);
        break;
      case FrameType.settings:
        if (!ack) this.#onSettings(bytes, from, end);
        break;
      case FrameType.ping:
        expectLength(end - from, 8);
        if (!ack) writePing(this.output, true, bytes, from);
        break;
      case FrameType.rstStream:
        expectLength(end - from, 4);
        expectOurs(streamId);
        this.fail(`the peer reset the stream (${readUint32(bytes, from)})`);
        break;
      case FrameType.goaway: {
        if (end - from < 8) throw new ConnectionError(ErrorCode.frameSizeError, "a short GOAWAY");
        // A peer that goes in peace lets its streams end by themselves.
        const code = readUint32(bytes, from + 4);
        const text = bytes.toString("latin1", from + 8, end);
        if (code !== ErrorCode.noError) this.fail(`the peer sent us away (${code}): ${text}`);
        break;
      }
      case FrameType.pushPromise:
        throw new ConnectionError(ErrorCode.protocolError, "nothing is to be pushed");
      default: // Unknown types are ignored (section 4.1).
    }
  }

  #onSettings(bytes: Buffer, from: number, end: number): void {
    const change = this.#settings.apply(bytes, from, end);
    this.frameBytesMax = this.#settings.frameBytesMax;
    if (this.#stream.sendWindow + change > WINDOW_MAX) throw tooWide();
    this.#stream.sendWindow += change;
    writeSettingsAck(this.output);
    this.#resume();
  }

  #widen(streamId: number, increment: number): void {
    if (increment === 0) throw new ConnectionError(ErrorCode.protocolError, "a WINDOW_UPDATE of 0");
    const at = streamId === 0 ? this : this.#stream;
    if (at.sendWindow + increment > WINDOW_MAX) throw tooWide();
    at.sendWindow += increment;
    this.#resume();
  }

  #resume(): void {
    if (!this.#stream.gone) this.#stream.pump(Number.POSITIVE_INFINITY);
  }

  #onData(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
    expectOurs(streamId);
    let at = from;
    let stop = end;
    if ((flags & Flag.padded) !== 0) {
      stop -= at < stop ? (bytes[at] as number) : 0;
      at++;
      if (at > stop)
        throw new ConnectionError(ErrorCode.protocolError, "padding longer than its frame");
    }
    this.#countReceived(end - from);
    this.onData(bytes, at, stop);
    if ((flags & Flag.endStream) !== 0) this.onRemoteEnd();
  }

  /** Gives the windows back before they are used up. */
  #countReceived(bytes: number): void {
    const stream = this.#stream;
    this.#receivedBytes += bytes;
    stream.receivedBytes += bytes;
    if (
      stream.receivedBytes > STREAM_WINDOW_BYTES ||
      this.#receivedBytes > CONNECTION_WINDOW_BYTES
    ) {
      throw new ConnectionError(ErrorCode.flowControlError, "more than the window");
    }
    if (stream.receivedBytes >= STREAM_WINDOW_BYTES / 2) {
      writeWindowUpdate(this.output, STREAM_ID, stream.receivedBytes);
      stream.receivedBytes = 0;
    }
    if (this.#receivedBytes >= CONNECTION_WINDOW_BYTES / 2) {
      writeWindowUpdate(this.output, 0, this.#receivedBytes);
      this.#receivedBytes = 0;
    }
  }

  onHeaderBlock(
    _streamId: number,
    endStream: boolean,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    const decoder = this.#decoder;
    decoder.decode(bytes, from, end);
    const status = this.#field(":status");
    if (endStream) {
      const code = this.#field("grpc-status") ?? `HTTP ${status}`;
      const text = this.#field("grpc-message") ?? "";
      this.fail(`the peer ended the stream: ${code} ${text}`.trimEnd());
    } else if (status !== "200") {
      this.fail(`the peer answered with HTTP ${status}`);
    }
  }

  #field(name: string): string | undefined {
    const { names, values, count } = this.#decoder;
    const at = names.indexOf(name);
    return at >= 0 && at < count ? values[at] : undefined;
  }

  onData(bytes: Buffer, from: number, end: number): void {
    this.#messages.read(bytes, from, end, this);
  }

  onRemoteEnd(): void {
    this.fail("the peer ended the stream");
  }

  onLost(): void {}

  onQueueShrunk(): void {}

  onMessage(compressed: boolean, body: Buffer): boolean {
    if (this.#ended) return false;
    if (compressed) this.fail("the peer compresses, and was not asked to");
    else this.#events.onMessage(body);
    return !this.#ended;
  }

  onOversize(length: number): void {
    this.fail(`the peer sends a message of ${length} bytes`);
  }

  onHold(): boolean {
    return true;
  }

  onWrote(): void {
    if (this.output.size > EARLY_FLUSH_BYTES) this.flush();
  }

  /** What waits goes on as soon as a window or the socket has room. */
  onBlocked(): void {}

  onQueued(): void {}

  onFinished(_stream: Stream, reset: ErrorCode | null): void {
    if (reset !== null) writeReset(this.output, STREAM_ID, reset);
  }
}

function expectOurs(streamId: number): number {
  if (streamId !== STREAM_ID)
    throw new ConnectionError(ErrorCode.protocolError, "a frame of a stream that is not open");
  return streamId;
}

function expectLength(length: number, expected: number): void {
  if (length !== expected)
    throw new ConnectionError(ErrorCode.frameSizeError, `a frame of ${length} bytes`);
}

function tooWide(): ConnectionError {
  return new ConnectionError(ErrorCode.flowControlError, "a window over 2^31-1");
}
