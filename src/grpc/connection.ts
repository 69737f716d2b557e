/**
 * One HTTP/2 connection: takes its frames, keeps its streams, and ends it with the right GOAWAY when it breaks the rules.
 * The sending side is `outlet.ts`.
 */
import type { Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import { Abuse, AbuseMeter, PingPolicy } from "./abuse.ts";
import { Call, type CallHost, refuse } from "./call.ts";
import { ClosedStreams, Closing } from "./closed-streams.ts";
import {
  writeGoaway,
  writeGreeting,
  writePing,
  writeReset,
  writeSettingsAck,
  writeWindowUpdate,
} from "./control-frames.ts";
import type { Engine } from "./engine.ts";
import {
  CLIENT_PREFACE,
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  WINDOW_MAX,
  readUint32,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { HeaderBlockReader, type HeaderBlockSink } from "./header-block.ts";
import { encodeFields, HpackDecoder } from "./hpack.ts";
import { type ExchangeHost, HttpExchange } from "./http-exchange.ts";
import {
  ASSEMBLY_BYTES_MAX,
  CONNECTION_STREAMS_MAX,
  CONNECTION_WINDOW_BYTES,
  SERVER_HELD_BYTES_MAX,
  SERVER_STREAMS_MAX,
  STREAM_WINDOW_BYTES,
} from "./limits.ts";
import { Outlet, type OutletOwner } from "./outlet.ts";
import { addressOf, certificateOf } from "./peer.ts";
import { PeerSettings } from "./peer-settings.ts";
import { buildHead, hasFaultyTrailers, repeatsHead, type RequestHead } from "./request-head.ts";
import { Stream, type StreamConsumer } from "./stream.ts";

/** How long a client may take to read our GOAWAY. */
const FAREWELL_MS = 1_000;
const LAST_STREAM_ID = 0x7fff_ffff;
const PREFACE = Buffer.from(CLIENT_PREFACE, "latin1");
const KEEPALIVE_PING = Buffer.from("keepaliv", "latin1");
const DRAIN_PING = Buffer.from("goingawa", "latin1");
const HEADERS_TOO_LARGE = encodeFields([[":status", "431"]]);

export class Connection implements FrameSink, HeaderBlockSink, OutletOwner, CallHost, ExchangeHost {
  readonly engine: Engine;
  readonly remoteAddress: string;
  readonly bodyBytesMax: number;
  readonly #socket: Socket;
  readonly #onClosed: (connection: Connection) => void;
  readonly #outlet: Outlet;
  readonly #reader: FrameReader = new FrameReader(this);
  readonly #block: HeaderBlockReader;
  readonly #decoder: HpackDecoder;
  readonly #settings: PeerSettings = new PeerSettings();
  readonly #abuse: AbuseMeter;
  readonly #pings: PingPolicy;
  readonly #streams: Map<number, Stream> = new Map();
  readonly #closedStreams: ClosedStreams = new ClosedStreams();
  /** The last request's header list: the next usually repeats it. */
  #head: RequestHead | null = null;
  #certificate: PeerCertificate | null | undefined = undefined;
  #prefaceBytes = 0;
  #settingsSeen = false;
  /** Highest stream that the client has opened. */
  #lastStreamId = 0;
  /** DATA received since our last WINDOW_UPDATE for the connection. Invariant: <= CONNECTION_WINDOW_BYTES. */
  #receivedBytes = 0;
  #heldBytes = 0;
  #abandoned = 0;
  /** Streams above this are no longer taken. */
  #acceptedMax = LAST_STREAM_ID;
  /** When the drain was announced; null while there is none. */
  #drainedAtMs: number | null = null;
  /** A GOAWAY with an error, or the last of a drain, was written: input is read and dropped. */
  #endedAtMs: number | null = null;
  #lost = false;
  #openedAtMs: number;
  #blockSinceMs = 0;
  #lastReadMs: number;
  #pingSentAtMs: number | null = null;

  constructor(engine: Engine, socket: Socket, onClosed: (connection: Connection) => void) {
    const { limits } = engine;
    this.engine = engine;
    this.bodyBytesMax = limits.messageBytesMax;
    this.#socket = socket;
    this.#onClosed = onClosed;
    this.remoteAddress = addressOf(socket);
    this.#pings = new PingPolicy(limits.keepaliveMinTimeMs);
    this.#abuse = new AbuseMeter(limits.abusiveFramesPerSecondMax);
    this.#outlet = new Outlet(engine, socket, this, this.#pings);
    this.#block = new HeaderBlockReader(
      this,
      limits.headerListBytesMax,
      limits.continuationFramesMax,
    );
    this.#decoder = new HpackDecoder(limits.headerListBytesMax);
    this.#openedAtMs = engine.clock.now();
    this.#lastReadMs = this.#openedAtMs;
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("close", () => this.#onSocketClosed());
    writeGreeting(this.#outlet.output, limits);
    this.#outlet.touch();
  }

  get certificate(): PeerCertificate | null {
    if (this.#certificate === undefined) this.#certificate = certificateOf(this.#socket);
    return this.#certificate;
  }

  hold(stream: Stream, bytes: number): boolean {
    const { counters } = this.engine;
    const fits =
      this.#heldBytes + bytes <= ASSEMBLY_BYTES_MAX &&
      counters.heldBytes + bytes <= SERVER_HELD_BYTES_MAX;
    if (bytes > 0 && !fits) return false;
    stream.heldBytes += bytes;
    this.#heldBytes += bytes;
    counters.heldBytes += bytes;
    return true;
  }

  onAbandoned(delta: 1 | -1): void {
    this.#abandoned += delta;
  }

  onError(error: unknown, where: string): void {
    this.engine.options.onError(error, where);
  }

  onSlowReader(): void {
    this.engine.counters.slowReaders++;
    this.destroy();
  }

  onFinished(stream: Stream, reset: ErrorCode | null): void {
    if (reset !== null) {
      writeReset(this.#outlet.output, stream.id, reset);
      this.#outlet.touch();
    }
    this.#forget(stream, reset !== null);
  }

  destroy(): void {
    this.#socket.destroy();
    this.#onSocketClosed();
  }

  /** Announces the end: open calls go on, new ones are taken until the client has heard of it. */
  drain(): void {
    if (this.#drainedAtMs !== null || this.#endedAtMs !== null) return;
    this.#drainedAtMs = this.engine.clock.now();
    writeGoaway(this.#outlet.output, LAST_STREAM_ID, ErrorCode.noError, "graceful_stop");
    writePing(this.#outlet.output, false, DRAIN_PING, 0);
    this.#outlet.touch();
  }

  /** Called about once a second, and more often where the limits are shorter. */
  sweep(nowMs: number): void {
    const { limits } = this.engine;
    if (this.#endedAtMs !== null) {
      if (nowMs - this.#endedAtMs >= FAREWELL_MS) this.destroy();
      return;
    }
    if (this.#drainedAtMs !== null && nowMs - this.#drainedAtMs >= FAREWELL_MS) this.#closeDoor();
    const blockIsLate =
      this.#block.openStream !== 0 && nowMs - this.#blockSinceMs >= limits.handshakeTimeoutMs;
    if (
      blockIsLate ||
      (!this.#settingsSeen && nowMs - this.#openedAtMs >= limits.handshakeTimeoutMs)
    ) {
      this.destroy();
    } else if (this.#pingSentAtMs !== null) {
      if (this.#lastReadMs >= this.#pingSentAtMs) this.#pingSentAtMs = null;
      else if (nowMs - this.#pingSentAtMs >= limits.keepaliveTimeoutMs) this.destroy();
    } else if (nowMs - this.#lastReadMs >= limits.keepaliveIntervalMs) {
      this.#pingSentAtMs = nowMs;
      writePing(this.#outlet.output, false, KEEPALIVE_PING, 0);
      this.#outlet.touch();
    }
  }

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    if (this.#endedAtMs !== null || this.#lost) return;
    if (this.#block.openStream !== 0 && type !== FrameType.continuation) {
      throw new ConnectionError(ErrorCode.protocolError, "a frame inside a header block");
    }
    if (!this.#settingsSeen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw new ConnectionError(ErrorCode.protocolError, "the preface ends with SETTINGS");
    }
    if (type === FrameType.data) this.#onData(flags, streamId, bytes, from, end);
    else if (type === FrameType.headers) this.#onHeaders(flags, streamId, bytes, from, end);
    else this.#onControl(type, flags, streamId, bytes, from, end);
  }

  onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    this.#decoder.decode(bytes, from, end);
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) this.#onTrailers(stream, endStream);
    else if (streamId <= this.#lastStreamId) this.#onLateHeaders(streamId);
    else this.#onRequest(streamId, endStream);
  }

  /** Bytes of the client, the preface first. */
  receive(chunk: Buffer): void {
    const { engine } = this;
    engine.clock.expire();
    engine.counters.bytesReceived += chunk.length;
    if (this.#endedAtMs !== null || this.#lost) return;
    this.#lastReadMs = engine.clock.now();
    try {
      const rest = this.#prefaceBytes < PREFACE.length ? this.#takePreface(chunk) : chunk;
      if (rest.length > 0) this.#reader.read(rest);
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error.code, error.message);
      else {
        engine.options.onError(error, "connection");
        this.#fail(ErrorCode.internalError, "internal error");
      }
    }
  }

  #takePreface(chunk: Buffer): Buffer {
    const count = Math.min(PREFACE.length - this.#prefaceBytes, chunk.length);
    const expected = PREFACE.subarray(this.#prefaceBytes, this.#prefaceBytes + count);
    if (!expected.equals(chunk.subarray(0, count))) {
      throw new ConnectionError(ErrorCode.protocolError, "not the HTTP/2 preface");
    }
    this.#prefaceBytes += count;
    return chunk.subarray(count);
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
    if ((streamId & 1) === 0)
      throw new ConnectionError(ErrorCode.protocolError, "HEADERS on a server's stream");
    if ((flags & Flag.endHeaders) === 0) this.#blockSinceMs = this.engine.clock.now();
    this.#block.onHeaders(flags, streamId, bytes, from, end);
  }

  #onTrailers(stream: Stream, endStream: boolean): void {
    const { names, values, count } = this.#decoder;
    if (stream.remoteEnded) this.#failStream(stream, ErrorCode.streamClosed);
    else if (!endStream || hasFaultyTrailers(names, values, count)) {
      this.#failStream(stream, ErrorCode.protocolError);
    } else this.#endRemote(stream);
  }

  /** HEADERS for a stream that is over, or that was skipped. */
  #onLateHeaders(streamId: number): void {
    const closing = this.#closedStreams.find(streamId);
    if (closing === Closing.resetByUs) return;
    if (closing === Closing.ended)
      throw new ConnectionError(ErrorCode.streamClosed, "HEADERS after the end");
    throw new ConnectionError(ErrorCode.protocolError, "a stream id that goes back");
  }

  #onRequest(streamId: number, endStream: boolean): void {
    this.#lastStreamId = streamId;
    if (streamId > this.#acceptedMax) return;
    const decoder = this.#decoder;
    const refusal = this.#refusalOf(decoder.listBytes);
    if (refusal !== null) {
      this.#rejectStream(streamId, refusal);
      return;
    }
    const stream = new Stream(this.#outlet, streamId, this.#settings.initialWindowBytes, endStream);
    if (decoder.listBytes > this.engine.limits.headerListBytesMax) {
      this.#open(stream);
      stream.writeHeaders(HEADERS_TOO_LARGE, true);
      return;
    }
    let head = this.#head;
    const { names, values, count } = decoder;
    let fits = true;
    if (head === null || !repeatsHead(head, names, values, count)) {
      head = buildHead(this.engine.options.router, decoder);
      this.#head = head;
      fits = this.hold(stream, decoder.listBytes);
    }
    stream.contentLength = head.contentLength;
    const faulty = head.malformed !== null || this.#block.selfDependent;
    if (faulty || !fits || (endStream && (head.contentLength ?? 0) > 0)) {
      this.hold(stream, -stream.heldBytes);
      this.#rejectStream(streamId, fits ? ErrorCode.protocolError : ErrorCode.refusedStream);
      return;
    }
    this.#open(stream);
    const timeout = head.timeoutAt < 0 ? undefined : values[head.timeoutAt];
    this.#serve(stream, head, timeout);
  }

  #serve(stream: Stream, head: RequestHead, timeout: string | undefined): void {
    if (!head.isGrpc)
      stream.consumer = new HttpExchange(this, stream, head, this.engine.options.http);
    else if (head.method === null) {
      if (head.refusal !== null) refuse(stream, head.refusal.status, head.refusal.text);
      return;
    } else {
      const call = new Call(this, stream, head, head.method, timeout);
      stream.consumer = call;
      call.begin();
    }
    if (stream.remoteEnded && !stream.gone) stream.consumer.onRemoteEnd();
  }

  /** Why no further stream is taken now; null if one is. Checked before anything is allocated for it. */
  #refusalOf(listBytes: number): ErrorCode | null {
    if (this.#abandoned >= this.engine.limits.abusiveFramesPerSecondMax) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many abandoned calls still run");
    }
    const max = Math.min(this.engine.limits.concurrentStreamsMax, CONNECTION_STREAMS_MAX);
    const full = this.#streams.size >= max || this.engine.counters.streams >= SERVER_STREAMS_MAX;
    return full && listBytes >= 0 ? ErrorCode.refusedStream : null;
  }

  #open(stream: Stream): void {
    this.#streams.set(stream.id, stream);
    this.engine.counters.streams++;
    this.engine.counters.streamsOpened++;
  }

  #onData(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
    this.#countReceived(end - from);
    let at = from;
    let stop = end;
    if ((flags & Flag.padded) !== 0) {
      if (at >= stop)
        throw new ConnectionError(ErrorCode.frameSizeError, "a padded frame without its length");
      stop -= bytes[at] as number;
      at++;
      if (at > stop)
        throw new ConnectionError(ErrorCode.protocolError, "padding longer than its frame");
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#onLateData(streamId);
      return;
    }
    const last = (flags & Flag.endStream) !== 0;
    if (at === stop && !last) this.#abuse.note(Abuse.emptyData, this.engine.clock.now());
    stream.receivedBytes += end - from;
    stream.bodyBytes += stop - at;
    if (stream.remoteEnded) this.#failStream(stream, ErrorCode.streamClosed);
    else if (stream.receivedBytes > STREAM_WINDOW_BYTES)
      this.#failStream(stream, ErrorCode.flowControlError);
    else if (stream.contentLength !== null && stream.bodyBytes > stream.contentLength) {
      this.#failStream(stream, ErrorCode.protocolError);
    } else this.#deliver(stream, { bytes, from: at, end: stop, last });
  }

  #deliver(
    stream: Stream,
    data: { bytes: Buffer; from: number; end: number; last: boolean },
  ): void {
    const { consumer } = stream;
    if (consumer === null) return;
    if (data.last && stream.contentLength !== null && stream.bodyBytes !== stream.contentLength) {
      this.#failStream(stream, ErrorCode.protocolError);
      return;
    }
    if (data.last) stream.remoteEnded = true;
    if (data.end > data.from) consumer.onData(data.bytes, data.from, data.end);
    if (stream.gone) return;
    if (data.last) consumer.onRemoteEnd();
    else if (stream.receivedBytes >= STREAM_WINDOW_BYTES / 2) {
      writeWindowUpdate(this.#outlet.output, stream.id, stream.receivedBytes);
      stream.receivedBytes = 0;
      this.#outlet.touch();
    }
  }

  #endRemote(stream: Stream): void {
    if (stream.contentLength !== null && stream.bodyBytes !== stream.contentLength) {
      this.#failStream(stream, ErrorCode.protocolError);
      return;
    }
    stream.remoteEnded = true;
    stream.consumer?.onRemoteEnd();
  }

  /** The connection's window is given back as data arrive: what of it is kept, `hold` bounds. */
  #countReceived(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes > CONNECTION_WINDOW_BYTES) {
      throw new ConnectionError(ErrorCode.flowControlError, "more than the connection's window");
    }
    if (this.#receivedBytes < CONNECTION_WINDOW_BYTES / 4) return;
    writeWindowUpdate(this.#outlet.output, 0, this.#receivedBytes);
    this.#receivedBytes = 0;
    this.#outlet.touch();
  }

  #onLateData(streamId: number): void {
    if (streamId === 0 || streamId > this.#lastStreamId) {
      if (streamId > this.#acceptedMax) return;
      throw new ConnectionError(ErrorCode.protocolError, "DATA on a stream that is not open");
    }
    if (streamId > this.#acceptedMax || this.#closedStreams.find(streamId) === Closing.resetByUs)
      return;
    this.#rejectStream(streamId, ErrorCode.streamClosed);
  }

  #onControl(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    from: number,
    end: number,
  ): void {
    const length = end - from;
    switch (type) {
      case FrameType.windowUpdate:
        this.#onWindowUpdate(streamId, bytes, from, length);
        break;
      case FrameType.ping:
        expectLength(length, 8);
        expectConnection(streamId);
        this.#onPing((flags & Flag.ack) !== 0, bytes, from);
        break;
      case FrameType.rstStream:
        expectLength(length, 4);
        this.#onReset(streamId);
        break;
      case FrameType.settings:
        expectConnection(streamId);
        this.#onSettings((flags & Flag.ack) !== 0, bytes, from, end);
        break;
      case FrameType.priority:
        this.#onPriority(streamId, bytes, from, length);
        break;
      case FrameType.continuation:
        this.#block.onContinuation(flags, streamId, bytes, from, end);
        break;
      case FrameType.goaway:
        expectConnection(streamId);
        if (length < 8) throw new ConnectionError(ErrorCode.frameSizeError, "a short GOAWAY");
        this.#abuse.note(Abuse.unknown, this.engine.clock.now());
        break;
      case FrameType.pushPromise:
        throw new ConnectionError(ErrorCode.protocolError, "a client cannot push");
      default:
        // Unknown types are ignored (section 4.1), but not for ever.
        this.#abuse.note(Abuse.unknown, this.engine.clock.now());
    }
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, from: number, length: number): void {
    expectLength(length, 4);
    const increment = readUint32(bytes, from) & WINDOW_MAX;
    const outlet = this.#outlet;
    if (outlet.updateCredit > 0) outlet.updateCredit--;
    else this.#abuse.note(Abuse.windowUpdate, this.engine.clock.now());
    if (streamId === 0) {
      if (increment === 0)
        throw new ConnectionError(ErrorCode.protocolError, "a WINDOW_UPDATE of 0");
      outlet.widen(increment);
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (streamId > this.#lastStreamId)
        throw new ConnectionError(ErrorCode.protocolError, "WINDOW_UPDATE of an idle stream");
      return;
    }
    if (increment === 0) this.#failStream(stream, ErrorCode.protocolError);
    else if (stream.sendWindow + increment > WINDOW_MAX)
      this.#failStream(stream, ErrorCode.flowControlError);
    else {
      stream.sendWindow += increment;
      outlet.touch();
    }
  }

  #onPing(ack: boolean, bytes: Buffer, from: number): void {
    if (ack) {
      if (this.#drainedAtMs !== null && DRAIN_PING.equals(bytes.subarray(from, from + 8)))
        this.#closeDoor();
      return;
    }
    const nowMs = this.engine.clock.now();
    this.#abuse.note(Abuse.ping, nowMs);
    if (this.#pings.isTooMany(nowMs, this.#streams.size > 0)) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too_many_pings");
    }
    writePing(this.#outlet.output, true, bytes, from);
    this.#outlet.touch();
  }

  #onReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (streamId === 0 || (stream === undefined && streamId > this.#lastStreamId)) {
      throw new ConnectionError(ErrorCode.protocolError, "RST_STREAM of an idle stream");
    }
    // A reset before any answer is work for nothing; one after it is how clients end streams.
    if (stream === undefined || !stream.headersSent) {
      this.#abuse.note(stream === undefined ? Abuse.unknown : Abuse.reset, this.engine.clock.now());
    }
    if (stream !== undefined) this.#lose(stream);
  }

  #onSettings(ack: boolean, bytes: Buffer, from: number, end: number): void {
    if (ack) {
      if (end !== from)
        throw new ConnectionError(
          ErrorCode.frameSizeError,
          "a SETTINGS acknowledgement with a payload",
        );
      return;
    }
    this.#settingsSeen = true;
    this.#abuse.note(Abuse.settings, this.engine.clock.now());
    const change = this.#settings.apply(bytes, from, end);
    this.#outlet.frameBytesMax = this.#settings.frameBytesMax;
    if (change !== 0) {
      for (const stream of this.#streams.values()) {
        if (stream.sendWindow + change > WINDOW_MAX) {
          throw new ConnectionError(ErrorCode.flowControlError, "a stream window over 2^31-1");
        }
        stream.sendWindow += change;
      }
    }
    writeSettingsAck(this.#outlet.output);
    this.#outlet.touch();
  }

  #onPriority(streamId: number, bytes: Buffer, from: number, length: number): void {
    if (streamId === 0)
      throw new ConnectionError(ErrorCode.protocolError, "PRIORITY of the connection");
    this.#abuse.note(Abuse.priority, this.engine.clock.now());
    const selfDependent = length === 5 && (readUint32(bytes, from) & WINDOW_MAX) === streamId;
    if (length === 5 && !selfDependent) return;
    const code = selfDependent ? ErrorCode.protocolError : ErrorCode.frameSizeError;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#rejectStream(streamId, code);
    else this.#failStream(stream, code);
  }

  /** A stream error: RST_STREAM, and the consumer hears of it. */
  #failStream(stream: Stream, code: ErrorCode): void {
    this.#abuse.note(Abuse.streamError, this.engine.clock.now());
    const { consumer } = stream;
    stream.reset(code);
    consumer?.onLost();
  }

  /** RST_STREAM for a stream that we never opened, or no longer know. */
  #rejectStream(streamId: number, code: ErrorCode): void {
    this.#abuse.note(Abuse.streamError, this.engine.clock.now());
    writeReset(this.#outlet.output, streamId, code);
    this.#closedStreams.add(streamId, true);
    this.#outlet.touch();
  }

  /** The client reset it, or the connection is gone. */
  #lose(stream: Stream): void {
    const consumer: StreamConsumer | null = stream.consumer;
    stream.drop();
    this.#forget(stream, false);
    consumer?.onLost();
  }

  #forget(stream: Stream, resetByUs: boolean): void {
    if (!this.#streams.delete(stream.id)) return;
    this.engine.counters.streams--;
    if (stream.heldBytes !== 0) this.hold(stream, -stream.heldBytes);
    this.#closedStreams.add(stream.id, resetByUs);
    if (this.#streams.size === 0 && this.#acceptedMax !== LAST_STREAM_ID) this.#end();
  }

  /** The client has heard of the drain: what it opens from now on is not taken. */
  #closeDoor(): void {
    if (this.#acceptedMax !== LAST_STREAM_ID || this.#endedAtMs !== null) return;
    this.#acceptedMax = this.#lastStreamId;
    writeGoaway(this.#outlet.output, this.#lastStreamId, ErrorCode.noError, "");
    this.#outlet.touch();
    if (this.#streams.size === 0) this.#end();
  }

  #fail(code: ErrorCode, text: string): void {
    if (this.#endedAtMs !== null || this.#lost) return;
    this.engine.counters.connectionErrors++;
    writeGoaway(this.#outlet.output, this.#lastStreamId, code, text);
    this.#end();
    this.#loseAll();
  }

  #end(): void {
    if (this.#endedAtMs !== null) return;
    this.#endedAtMs = this.engine.clock.now();
    this.#outlet.endAfterFlush();
  }

  #loseAll(): void {
    for (const stream of this.#streams.values()) this.#lose(stream);
  }

  #onSocketClosed(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#outlet.close();
    this.#loseAll();
    this.#onClosed(this);
  }
}

function expectLength(length: number, expected: number): void {
  if (length !== expected)
    throw new ConnectionError(ErrorCode.frameSizeError, `a frame of ${length} bytes`);
}

function expectConnection(streamId: number): void {
  if (streamId !== 0)
    throw new ConnectionError(ErrorCode.protocolError, "a connection's frame on a stream");
}
