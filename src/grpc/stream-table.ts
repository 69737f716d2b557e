/** The streams of one connection: opens them, takes their HEADERS, DATA and RST_STREAM, and knows how each ended. */
import type { PeerCertificate } from "node:tls";
import { Abuse, type AbuseMeter } from "./abuse.ts";
import { Call, type CallHost, refuse } from "./call.ts";
import { ClosedStreams, Closing } from "./closed-streams.ts";
import { writeReset, writeWindowUpdate } from "./control-frames.ts";
import type { Engine } from "./engine.ts";
import { ConnectionError, ErrorCode, Flag, WINDOW_MAX } from "./frame.ts";
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
import type { Outlet } from "./outlet.ts";
import { buildHead, hasFaultyTrailers, repeatsHead, type RequestHead } from "./request-head.ts";
import { Stream, type StreamConsumer } from "./stream.ts";

/** What the streams ask of their connection. */
export interface StreamTableHost {
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | null;
  readonly secure: boolean;
  /** The last stream has ended. */
  onAllClosed(): void;
}

const LAST_STREAM_ID = 0x7fff_ffff;
const HEADERS_TOO_LARGE = encodeFields([[":status", "431"]]);

export class StreamTable implements HeaderBlockSink, CallHost, ExchangeHost {
  readonly engine: Engine;
  readonly bodyBytesMax: number;
  /** HEADERS and CONTINUATION in progress. */
  readonly block: HeaderBlockReader;
  /** SETTINGS_INITIAL_WINDOW_SIZE of the client. */
  initialWindowBytes: number = 65_535;
  /** Streams above this are no longer taken. */
  acceptedMax: number = LAST_STREAM_ID;
  /** Highest stream that the client has opened. */
  lastStreamId = 0;
  readonly #host: StreamTableHost;
  readonly #outlet: Outlet;
  readonly #abuse: AbuseMeter;
  readonly #decoder: HpackDecoder;
  readonly #streams: Map<number, Stream> = new Map();
  readonly #closedStreams: ClosedStreams = new ClosedStreams();
  /** The last request's header list: the next usually repeats it. */
  #head: RequestHead | null = null;
  /** DATA received since our last WINDOW_UPDATE for the connection. Invariant: <= CONNECTION_WINDOW_BYTES. */
  #receivedBytes = 0;
  #heldBytes = 0;
  #abandoned = 0;

  constructor(host: StreamTableHost, engine: Engine, outlet: Outlet, abuse: AbuseMeter) {
    const { limits } = engine;
    this.engine = engine;
    this.bodyBytesMax = limits.messageBytesMax;
    this.block = new HeaderBlockReader(
      this,
      limits.headerListBytesMax,
      limits.continuationFramesMax,
    );
    this.#decoder = new HpackDecoder(limits.headerListBytesMax);
    this.#host = host;
    this.#outlet = outlet;
    this.#abuse = abuse;
  }

  get size(): number {
    return this.#streams.size;
  }

  get remoteAddress(): string {
    return this.#host.remoteAddress;
  }

  get secure(): boolean {
    return this.#host.secure;
  }

  get certificate(): PeerCertificate | null {
    return this.#host.certificate;
  }

  find(streamId: number): Stream | undefined {
    return this.#streams.get(streamId);
  }

  /** The client's initial window has changed: open streams follow (section 6.9.2), below zero too. */
  shiftWindows(change: number): void {
    this.initialWindowBytes += change;
    if (change === 0) return;
    for (const stream of this.#streams.values()) {
      if (stream.sendWindow + change > WINDOW_MAX) {
        throw new ConnectionError(ErrorCode.flowControlError, "a stream window over 2^31-1");
      }
      stream.sendWindow += change;
    }
  }

  /** The connection is gone, or as good as gone. */
  loseAll(): void {
    for (const stream of this.#streams.values()) this.#lose(stream);
  }

  hold(stream: Stream, bytes: number): boolean {
    const { counters } = this.engine;
    const fits =
      this.#heldBytes + bytes <= ASSEMBLY_BYTES_MAX &&
      counters.heldBytes + bytes <= SERVER_HELD_BYTES_MAX;
    if (bytes > 0 && !fits) return false;
    // The end of a stream gives everything back at once; what its consumer gives back afterwards is part of that.
    const change = Math.max(bytes, -stream.heldBytes);
    stream.heldBytes += change;
    this.#heldBytes += change;
    counters.heldBytes += change;
    return true;
  }

  onAbandoned(delta: 1 | -1): void {
    this.#abandoned += delta;
  }

  onError(error: unknown, where: string): void {
    this.engine.options.onError(error, where);
  }

  onFinished(stream: Stream, reset: ErrorCode | null): void {
    if (reset !== null) {
      writeReset(this.#outlet.output, stream.id, reset);
      this.#outlet.touch();
    }
    this.#forget(stream, reset !== null);
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
    else if (streamId <= this.lastStreamId) this.#onLateHeaders(streamId);
    else this.#onRequest(streamId, endStream);
  }

  #onTrailers(stream: Stream, endStream: boolean): void {
    const { names, values, count } = this.#decoder;
    if (stream.remoteEnded) this.failStream(stream, ErrorCode.streamClosed);
    else if (!endStream || hasFaultyTrailers(names, values, count)) {
      this.failStream(stream, ErrorCode.protocolError);
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
    this.lastStreamId = streamId;
    if (streamId > this.acceptedMax) return;
    const decoder = this.#decoder;
    const refusal = this.#refusalOf(decoder.listBytes);
    if (refusal !== null) {
      this.rejectStream(streamId, refusal);
      return;
    }
    const stream = new Stream(this.#outlet, streamId, this.initialWindowBytes, endStream);
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
    const faulty = head.malformed !== null || this.block.selfDependent;
    if (faulty || !fits || (endStream && (head.contentLength ?? 0) > 0)) {
      this.hold(stream, -stream.heldBytes);
      this.rejectStream(streamId, fits ? ErrorCode.protocolError : ErrorCode.refusedStream);
      return;
    }
    this.#open(stream);
    const timeout = head.timeoutAt < 0 ? undefined : values[head.timeoutAt];
    this.#serve(stream, head, timeout);
  }

  #serve(stream: Stream, head: RequestHead, timeout: string | undefined): void {
    if (!head.isGrpc) {
      const exchange = new HttpExchange(this, stream, head, this.engine.options);
      stream.consumer = exchange;
      exchange.begin();
    } else if (head.method === null) {
      if (head.refusal !== null) refuse(stream, head.refusal.status, head.refusal.text);
      return;
    } else {
      if (head.method.kind === "unary") stream.backlog = this.#outlet.replies;
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

  onData(flags: number, streamId: number, bytes: Buffer, from: number, end: number): void {
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
    if (stream.remoteEnded) this.failStream(stream, ErrorCode.streamClosed);
    else if (stream.receivedBytes > STREAM_WINDOW_BYTES)
      this.failStream(stream, ErrorCode.flowControlError);
    else if (stream.contentLength !== null && stream.bodyBytes > stream.contentLength) {
      this.failStream(stream, ErrorCode.protocolError);
    } else this.#deliver(stream, { bytes, from: at, end: stop, last });
  }

  #deliver(
    stream: Stream,
    data: { bytes: Buffer; from: number; end: number; last: boolean },
  ): void {
    const { consumer } = stream;
    if (consumer === null) return;
    if (data.last && stream.contentLength !== null && stream.bodyBytes !== stream.contentLength) {
      this.failStream(stream, ErrorCode.protocolError);
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
      this.failStream(stream, ErrorCode.protocolError);
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
    if (streamId === 0 || streamId > this.lastStreamId) {
      if (streamId > this.acceptedMax) return;
      throw new ConnectionError(ErrorCode.protocolError, "DATA on a stream that is not open");
    }
    if (streamId > this.acceptedMax || this.#closedStreams.find(streamId) === Closing.resetByUs)
      return;
    this.rejectStream(streamId, ErrorCode.streamClosed);
  }

  onReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (streamId === 0 || (stream === undefined && streamId > this.lastStreamId)) {
      throw new ConnectionError(ErrorCode.protocolError, "RST_STREAM of an idle stream");
    }
    // A reset before any answer is work for nothing; one after it is how clients end streams.
    if (stream === undefined || !stream.headersSent) {
      this.#abuse.note(stream === undefined ? Abuse.unknown : Abuse.reset, this.engine.clock.now());
    }
    if (stream !== undefined) this.#lose(stream);
  }

  /** A stream error: RST_STREAM, and the consumer hears of it. */
  failStream(stream: Stream, code: ErrorCode): void {
    this.#abuse.note(Abuse.streamError, this.engine.clock.now());
    const { consumer } = stream;
    stream.reset(code);
    consumer?.onLost();
  }

  /** RST_STREAM for a stream that we never opened, or no longer know. */
  rejectStream(streamId: number, code: ErrorCode): void {
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
    if (this.#streams.size === 0) this.#host.onAllClosed();
  }
}
