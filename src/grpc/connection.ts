/**
 * One HTTP/2 connection: takes its frames and ends it with the right GOAWAY when it breaks the rules.
 * Its streams are in `stream-table.ts`, its sending side in `outlet.ts`.
 */
import type { Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import { Abuse, AbuseMeter, PingPolicy } from "./abuse.ts";
import { writeGoaway, writeGreeting, writePing, writeSettingsAck } from "./control-frames.ts";
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
import { Outlet, type OutletOwner } from "./outlet.ts";
import { addressOf, certificateOf, isSecure } from "./peer.ts";
import { PeerSettings } from "./peer-settings.ts";
import type { Stream } from "./stream.ts";
import { StreamTable, type StreamTableHost } from "./stream-table.ts";

/** How long a client may take to read our GOAWAY. */
const FAREWELL_MS = 1_000;
const LAST_STREAM_ID = 0x7fff_ffff;
const PREFACE = Buffer.from(CLIENT_PREFACE, "latin1");
const KEEPALIVE_PING = Buffer.from("keepaliv", "latin1");
const DRAIN_PING = Buffer.from("goingawa", "latin1");

export class Connection implements FrameSink, OutletOwner, StreamTableHost {
  readonly engine: Engine;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #onClosed: (connection: Connection) => void;
  readonly #outlet: Outlet;
  readonly #reader: FrameReader = new FrameReader(this);
  readonly #streams: StreamTable;
  readonly #settings: PeerSettings = new PeerSettings();
  readonly #abuse: AbuseMeter;
  readonly #pings: PingPolicy;
  #certificate: PeerCertificate | null | undefined = undefined;
  #prefaceBytes = 0;
  #settingsSeen = false;
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
    this.#socket = socket;
    this.#onClosed = onClosed;
    this.remoteAddress = addressOf(socket);
    this.#pings = new PingPolicy(limits.keepaliveMinTimeMs);
    this.#abuse = new AbuseMeter(limits.abusiveFramesPerSecondMax);
    this.#outlet = new Outlet(engine, socket, this, this.#pings);
    this.#streams = new StreamTable(this, engine, this.#outlet, this.#abuse);
    this.#openedAtMs = engine.clock.now();
    this.#lastReadMs = this.#openedAtMs;
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("close", () => this.#onSocketClosed());
    writeGreeting(this.#outlet.output, limits);
    this.#outlet.touch();
  }

  get secure(): boolean {
    return isSecure(this.#socket);
  }

  get certificate(): PeerCertificate | null {
    if (this.#certificate === undefined) this.#certificate = certificateOf(this.#socket);
    return this.#certificate;
  }

  onSlowReader(): void {
    this.engine.counters.slowReaders++;
    this.destroy();
  }

  onFinished(stream: Stream, reset: ErrorCode | null): void {
    this.#streams.onFinished(stream, reset);
  }

  onAllClosed(): void {
    if (this.#streams.acceptedMax !== LAST_STREAM_ID) this.#end();
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
      this.#streams.block.openStream !== 0 &&
      nowMs - this.#blockSinceMs >= limits.handshakeTimeoutMs;
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
    if (!this.#lost) this.#outlet.sweep(nowMs);
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
    if (this.#streams.block.openStream !== 0 && type !== FrameType.continuation) {
      throw new ConnectionError(ErrorCode.protocolError, "a frame inside a header block");
    }
    if (!this.#settingsSeen && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw new ConnectionError(ErrorCode.protocolError, "the preface ends with SETTINGS");
    }
    if (type === FrameType.data) this.#streams.onData(flags, streamId, bytes, from, end);
    else if (type === FrameType.headers) this.#onHeaders(flags, streamId, bytes, from, end);
    else this.#onControl(type, flags, streamId, bytes, from, end);
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
      if (this.#outlet.owesPong) this.#outlet.settlePong(this.#streams.size > 0);
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
    this.#streams.block.onHeaders(flags, streamId, bytes, from, end);
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
        this.#streams.onReset(streamId);
        break;
      case FrameType.settings:
        expectConnection(streamId);
        this.#onSettings((flags & Flag.ack) !== 0, bytes, from, end);
        break;
      case FrameType.priority:
        this.#onPriority(streamId, bytes, from, length);
        break;
      case FrameType.continuation:
        this.#streams.block.onContinuation(flags, streamId, bytes, from, end);
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
    const stream = this.#streams.find(streamId);
    if (stream === undefined) {
      if (streamId > this.#streams.lastStreamId)
        throw new ConnectionError(ErrorCode.protocolError, "WINDOW_UPDATE of an idle stream");
      return;
    }
    if (increment === 0) this.#streams.failStream(stream, ErrorCode.protocolError);
    else if (stream.sendWindow + increment > WINDOW_MAX)
      this.#streams.failStream(stream, ErrorCode.flowControlError);
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
    this.#outlet.answerPing(bytes, from);
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
    this.#streams.shiftWindows(change);
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
    const stream = this.#streams.find(streamId);
    if (stream === undefined) this.#streams.rejectStream(streamId, code);
    else this.#streams.failStream(stream, code);
  }

  /** The client has heard of the drain: what it opens from now on is not taken. */
  #closeDoor(): void {
    if (this.#streams.acceptedMax !== LAST_STREAM_ID || this.#endedAtMs !== null) return;
    this.#streams.acceptedMax = this.#streams.lastStreamId;
    writeGoaway(this.#outlet.output, this.#streams.lastStreamId, ErrorCode.noError, "");
    this.#outlet.touch();
    if (this.#streams.size === 0) this.#end();
  }

  #fail(code: ErrorCode, text: string): void {
    if (this.#endedAtMs !== null || this.#lost) return;
    this.engine.counters.connectionErrors++;
    writeGoaway(this.#outlet.output, this.#streams.lastStreamId, code, text);
    this.#end();
    this.#streams.loseAll();
  }

  #end(): void {
    if (this.#endedAtMs !== null) return;
    this.#endedAtMs = this.engine.clock.now();
    this.#outlet.endAfterFlush();
  }

  #onSocketClosed(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#outlet.close();
    this.#streams.loseAll();
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
