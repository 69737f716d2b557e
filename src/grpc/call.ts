/** One gRPC call: what a service sees as `ServerCall`, on one stream. */
import type { PeerCertificate } from "node:tls";
import { inflateGzip } from "./compression.ts";
import type { DeadlineEntry } from "./deadlines.ts";
import type { Deferred, Engine } from "./engine.ts";
import { ErrorCode, FRAME_HEADER_BYTES, readUint32 } from "./frame.ts";
import { MessageReader, type MessageSink } from "./message-reader.ts";
import { TRAILERS_OK_FRAME, statusBlock } from "./reply-blocks.ts";
import { Encoding, type RequestHead } from "./request-head.ts";
import { Status, type Method, type ServerCall, type StreamReceiver } from "./service.ts";
import type { Stream, StreamConsumer } from "./stream.ts";
import { parseTimeout } from "./timeout.ts";

/** What a call asks of its connection. */
export interface CallHost {
  readonly engine: Engine;
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | null;
  /** May `bytes` more be held for this stream (fewer, if negative)? */
  hold(stream: Stream, bytes: number): boolean;
  /** Handlers of calls that the client has abandoned: one more, or one less. */
  onAbandoned(delta: 1 | -1): void;
}

const PREFIX_BYTES = 5;
const TRAILERS_OK: Uint8Array = TRAILERS_OK_FRAME.subarray(FRAME_HEADER_BYTES);

export class Call implements ServerCall, StreamConsumer, MessageSink, DeadlineEntry, Deferred {
  context: unknown = null;
  trace: unknown = null;
  ended = false;
  deadlineSlot = -1;
  deadlineNext: DeadlineEntry | null = null;
  deadlinePrevious: DeadlineEntry | null = null;
  readonly #host: CallHost;
  readonly #stream: Stream;
  readonly #head: RequestHead;
  readonly #method: Method;
  readonly #timeout: string | undefined;
  readonly #startMs: number;
  #reader: MessageReader | null = null;
  #receiver: StreamReceiver | null = null;
  /** Unary: the request, complete, while the client has not yet closed its half. */
  #request: Buffer | null = null;
  #handled = false;
  /** Ended from outside while the handler had not answered; the connection counts it until it does. */
  #abandoned = false;
  #drainedAt = 0;
  #onDrained: (() => void) | null = null;
  /** What waits in the backlog. */
  #onRoom: (() => void) | null = null;

  constructor(
    host: CallHost,
    stream: Stream,
    head: RequestHead,
    method: Method,
    timeout: string | undefined,
  ) {
    this.#host = host;
    this.#stream = stream;
    this.#head = head;
    this.#method = method;
    this.#timeout = timeout;
    this.#startMs = host.engine.clock.now();
  }

  get path(): string {
    return this.#head.path;
  }

  get remoteAddress(): string {
    return this.#host.remoteAddress;
  }

  get certificate(): PeerCertificate | null {
    return this.#host.certificate;
  }

  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  get connectionQueuedBytes(): number {
    return this.#stream.backlog.bytes;
  }

  get isCrowded(): boolean {
    return this.#stream.backlog.isCrowded;
  }

  header(name: string): string | undefined {
    if (name === "grpc-timeout") return this.#timeout;
    const at = this.#head.names.indexOf(name);
    return at < 0 ? undefined : this.#head.values[at];
  }

  /** The headers have arrived: starts the deadline and, for streams, the service. */
  begin(): void {
    const { engine } = this.#host;
    engine.options.observer?.onStart(this.#method, this.#head.path, this);
    if (this.#head.refusal !== null) {
      this.#finish(this.#head.refusal.status, this.#head.refusal.text);
      return;
    }
    if (this.#timeout !== undefined && !this.#startDeadline(this.#timeout)) return;
    if (this.#method.kind === "unary") return;
    try {
      this.#receiver = this.#method.open(this);
    } catch (error) {
      this.#onThrown(error);
    }
    // A service that ended the call while opening it is still owed its onClose.
    if (this.ended && this.#receiver !== null) engine.defer(this);
  }

  reply(message: Uint8Array): void {
    if (this.ended) {
      this.#settle();
      return;
    }
    this.#close(Status.ok);
    this.#stream.writeUnary(message);
  }

  replyParts(size: number, next: () => Uint8Array | null): void {
    if (this.ended) {
      this.#settle();
      return;
    }
    this.#close(Status.ok);
    this.#stream.writeParts(size, next);
  }

  send(message: Uint8Array): void {
    if (!this.ended) this.#stream.writeMessage(message);
  }

  onDrained(below: number, callback: () => void): void {
    if (this.ended) return;
    this.#drainedAt = below / 2;
    if (this.queuedBytes <= this.#drainedAt) callback();
    else this.#onDrained = callback;
  }

  onRoom(callback: () => void): void {
    if (this.ended) return;
    this.#leaveLine();
    this.#onRoom = () => {
      this.#onRoom = null;
      this.#callBack(callback);
    };
    this.#stream.backlog.onRoom(this.#onRoom);
  }

  #leaveLine(): void {
    if (this.#onRoom !== null) this.#stream.backlog.forget(this.#onRoom);
    this.#onRoom = null;
  }

  end(status: Status, text: string): void {
    if (this.ended) this.#settle();
    else this.#finish(status, text);
  }

  onData(bytes: Buffer, from: number, end: number): void {
    if (this.ended) return;
    // A whole request in the last frame, uncompressed: nothing to gather and nothing to copy.
    if (
      this.#stream.remoteEnded &&
      this.#reader === null &&
      end - from >= PREFIX_BYTES &&
      bytes[from] === 0 &&
      readUint32(bytes, from + 1) === end - from - PREFIX_BYTES &&
      end - from - PREFIX_BYTES <= this.#host.engine.limits.messageBytesMax
    ) {
      this.#deliver(bytes.subarray(from + PREFIX_BYTES, end));
      return;
    }
    this.#reader ??= new MessageReader(this.#host.engine.limits.messageBytesMax);
    this.#reader.read(bytes, from, end, this);
  }

  onRemoteEnd(): void {
    if (this.ended) return;
    if (this.#reader !== null && this.#reader.isPartial) {
      this.#finish(Status.internal, "unexpected EOF");
      return;
    }
    if (this.#method.kind === "unary") this.#runPending();
    else {
      try {
        this.#receiver?.onHalfClose();
      } catch (error) {
        this.#onThrown(error);
      }
    }
  }

  onLost(): void {
    this.#reader?.release(this);
    if (!this.ended) this.#abort(Status.cancelled);
  }

  onDeadline(): void {
    if (this.ended) return;
    const block = this.#statusBlock(Status.deadlineExceeded, "context deadline exceeded");
    this.#abort(Status.deadlineExceeded);
    // Behind messages that the client does not take a status would wait for ever.
    if (this.#stream.queuedBytes > 0) this.#stream.reset(ErrorCode.cancel);
    else this.#stream.finish(block);
  }

  onQueueShrunk(): void {
    const callback = this.#onDrained;
    if (callback === null || this.ended || this.queuedBytes > this.#drainedAt) return;
    this.#onDrained = null;
    this.#callBack(callback);
  }

  #callBack(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#onThrown(error);
    }
  }

  onTurnEnd(): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    receiver?.onClose();
  }

  onMessage(compressed: boolean, body: Buffer): boolean {
    if (!compressed) this.#deliver(body);
    else if (this.#head.encoding !== Encoding.gzip) {
      this.#finish(Status.internal, "grpc: compressed flag set with identity or empty encoding");
    } else {
      const max = this.#host.engine.limits.messageBytesMax;
      const inflated = inflateGzip(body, max);
      if (inflated.kind === "message") this.#deliver(inflated.bytes);
      else if (inflated.kind === "tooLarge") {
        this.#finish(
          Status.resourceExhausted,
          `grpc: received message after decompression larger than max ${max}`,
        );
      } else this.#finish(Status.internal, "grpc: failed to decompress the received message");
    }
    return !this.ended;
  }

  onOversize(length: number): void {
    const max = this.#host.engine.limits.messageBytesMax;
    this.#finish(
      Status.resourceExhausted,
      `grpc: received message larger than max (${length} vs. ${max})`,
    );
  }

  onHold(bytes: number): boolean {
    if (this.#host.hold(this.#stream, bytes)) return true;
    this.#finish(Status.resourceExhausted, "grpc: too many unfinished messages");
    return false;
  }

  #deliver(message: Buffer): void {
    if (this.#method.kind !== "unary") {
      try {
        this.#receiver?.onMessage(message);
      } catch (error) {
        this.#onThrown(error);
      }
    } else if (this.#stream.remoteEnded) this.#run(message);
    else if (this.#request === null) {
      if (this.onHold(message.length)) this.#request = Buffer.from(message);
    } else this.#finish(Status.internal, "grpc: more than one message in a unary request");
  }

  #runPending(): void {
    const request = this.#request;
    this.#request = null;
    if (request !== null) this.#run(request);
    else if (!this.#handled) this.#finish(Status.internal, "grpc: no message in a unary request");
  }

  #run(message: Buffer): void {
    // A second message behind the first, in the same last frame, has no meaning.
    if (this.#handled || this.#method.kind !== "unary") return;
    this.#handled = true;
    try {
      this.#method.handle(this, message);
    } catch (error) {
      this.#onThrown(error);
    }
  }

  #onThrown(error: unknown): void {
    this.#host.engine.options.onError(error, this.#head.path);
    this.end(Status.internal, "internal server error");
  }

  /** False if the call is already over: the text means nothing, or the time has passed. */
  #startDeadline(text: string): boolean {
    const afterMs = parseTimeout(text);
    if (afterMs === null) {
      this.#finish(Status.internal, `malformed grpc-timeout: ${JSON.stringify(text)}`);
      return false;
    }
    this.#host.engine.deadlines.enter(this, afterMs);
    return true;
  }

  #statusBlock(status: Status, text: string): Uint8Array {
    const alone = !this.#stream.headersSent;
    return status === Status.ok && text === "" && !alone
      ? TRAILERS_OK
      : statusBlock(status, text, alone);
  }

  #finish(status: Status, text: string): void {
    const block = this.#statusBlock(status, text);
    this.#close(status);
    this.#stream.finish(block);
  }

  /** Ended by the client, the clock or the network: the service is told. */
  #abort(status: Status): void {
    const waiting = this.#handled;
    const inLine = this.#onRoom !== null;
    this.#close(status);
    if (this.#method.kind !== "unary" || !waiting) return;
    const { onCancel } = this.#method;
    if (onCancel === null) {
      if (inLine) return; // Nothing runs for it: it will not come back.
      this.#abandoned = true;
      this.#host.onAbandoned(1);
      return;
    }
    try {
      onCancel(this);
    } catch (error) {
      this.#host.engine.options.onError(error, this.#head.path);
    }
  }

  /** From here on `ended`. The stream may still have bytes to send. */
  #close(status: Status): void {
    this.ended = true;
    const { engine } = this.#host;
    if (this.deadlineSlot >= 0) engine.deadlines.leave(this);
    this.#onDrained = null;
    this.#leaveLine();
    this.#request = null;
    this.#reader?.release(this);
    if (this.#receiver !== null) engine.defer(this);
    const { observer } = engine.options;
    if (observer === null) return;
    const elapsedMs = engine.clock.now() - this.#startMs;
    observer.onEnd(this.#method, this.#head.path, status, elapsedMs, this);
  }

  /** The handler of an abandoned call has come back. */
  #settle(): void {
    if (!this.#abandoned) return;
    this.#abandoned = false;
    this.#host.onAbandoned(-1);
  }
}

/** Refuses a call that has no method: nobody counts it, no service sees it. */
export function refuse(stream: Stream, status: Status, text: string): void {
  stream.finish(statusBlock(status, text, true));
}
