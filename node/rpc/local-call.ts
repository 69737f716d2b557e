/**
 * Calls of our own methods from inside the process, on behalf of whoever is being served: they take the same way through the
 * router as calls from outside, so whatever is decided there (learner, leader, user, permission) is decided for them too.
 */
import type { PeerCertificate } from "node:tls";
import { GRPC_STATUS } from "../../src/api/catalogue.ts";
import type { MethodSpec } from "../../src/api/method.ts";
import { keep } from "../../src/base/bytes.ts";
import { QuorateError, type ErrorCode } from "../../src/base/errors.ts";
import {
  Status,
  type CallObserver,
  type Method,
  type Router,
  type ServerCall,
  type StreamReceiver,
} from "../../src/grpc/service.ts";

/** On whose behalf a call is made: any `ServerCall` is one, ended or not. */
export type Caller = Pick<ServerCall, "header" | "remoteAddress" | "certificate">;

/** The client's half of a local call. Nothing is called after `onEnd`. */
export interface LocalListener {
  /** A whole message; the bytes belong to the listener. */
  onMessage(message: Uint8Array): void;
  /** Exactly once, unless the listener canceled. It may be on the stack of `openStream`. */
  onEnd(status: Status, text: string): void;
}

/** What the caller of a stream may do with it. */
export interface LocalStream {
  /** One message to the method, which borrows it. Ignored once the stream has ended. */
  write(message: Uint8Array): void;
  halfClose(): void;
  /** The listener has disposed of so many of the bytes that it was given: the method may say more. */
  taken(bytes: number): void;
  /** Ends the stream; the method is told, the listener is not. */
  cancel(status: Status): void;
}

export interface LocalCallsOptions {
  readonly router: Router;
  /** Told of every call; null where the call is part of one that is counted already. */
  readonly observer: CallObserver | null;
  readonly onError: (error: unknown, where: string) => void;
}

/** Replies beyond this are refused instead of being gathered, bytes. */
const REPLY_BYTES_MAX = 128 * 1024 * 1024;
const UNKNOWN_METHOD = { status: Status.unimplemented, text: "unknown method" } as const;

export class LocalCalls {
  readonly #options: LocalCallsOptions;

  constructor(options: LocalCallsOptions) {
    this.#options = options;
  }

  /** The reply; rejects with the status and text that the method ended with, or with what aborted `signal`. */
  async unary<Request, Response>(
    caller: Caller,
    method: MethodSpec<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    const body = keep(method.encodeRequest(request));
    return method.decodeResponse(await this.unaryBytes(caller, method.path, body, signal));
  }

  /** As `unary`, encoded: the reply belongs to the caller, the request is borrowed until this returns. */
  unaryBytes(
    caller: Caller,
    path: string,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    if (signal.aborted) {
      reject(signal.reason);
      return promise;
    }
    let reply: Uint8Array | null = null;
    const call = this.#begin(caller, path, {
      onMessage: (message) => (reply = message),
      onEnd: (status, text) => {
        signal.removeEventListener("abort", onAbort);
        if (status === Status.ok && reply !== null) resolve(reply);
        else reject(toCallError(status, text));
      },
    });
    const onAbort = (): void => {
      call.cancel(Status.cancelled);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    call.start(request);
    return promise;
  }

  openStream(caller: Caller, path: string, listener: LocalListener): LocalStream {
    const call = this.#begin(caller, path, listener);
    call.start(null);
    return call;
  }

  #begin(caller: Caller, path: string, listener: LocalListener): LocalCall {
    return new LocalCall(this.#options, caller, path, listener);
  }
}

const CODES: readonly ErrorCode[] = Object.keys(GRPC_STATUS) as ErrorCode[];

/** A status other than OK as an error: its code, and its text as message. */
export function toCallError(status: Status, text: string): QuorateError {
  const code = CODES.find((name) => GRPC_STATUS[name] === status);
  return new QuorateError(code ?? "internal", text);
}

class LocalCall implements ServerCall, LocalStream {
  context: unknown = null;
  ended = false;
  readonly path: string;
  readonly #options: LocalCallsOptions;
  readonly #caller: Caller;
  readonly #method: Method | null;
  readonly #listener: LocalListener;
  readonly #startMs: number = performance.now();
  #receiver: StreamReceiver | null = null;
  #queued = 0;
  #drainedAt = 0;
  #onDrained: (() => void) | null = null;

  constructor(options: LocalCallsOptions, caller: Caller, path: string, listener: LocalListener) {
    this.#options = options;
    this.#caller = caller;
    this.path = path;
    this.#listener = listener;
    this.#method = options.router.get(path) ?? null;
  }

  get remoteAddress(): string {
    return this.#caller.remoteAddress;
  }

  get certificate(): PeerCertificate | null {
    return this.#caller.certificate;
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  /** What is made here is read by the gateway, which bounds what it keeps for its own client. */
  get connectionQueuedBytes(): number {
    return this.#queued;
  }

  get isCrowded(): boolean {
    return false;
  }

  onRoom(callback: () => void): void {
    callback();
  }

  header(name: string): string | undefined {
    return this.#caller.header(name);
  }

  /** The request of a unary call; null opens a stream. */
  start(request: Uint8Array | null): void {
    const method = this.#method;
    if (method === null) {
      this.end(UNKNOWN_METHOD.status, UNKNOWN_METHOD.text);
      return;
    }
    this.#options.observer?.onStart(method, this.path);
    this.#guard(() => {
      if (method.kind === "unary") {
        if (request !== null) method.handle(this, request);
        return;
      }
      this.#receiver = method.open(this);
      // A service that ended the call while opening it is still owed its onClose.
      if (this.ended) this.#closeReceiver();
    });
  }

  reply(message: Uint8Array): void {
    if (!this.ended) this.#replyOwned(keep(message));
  }

  replyParts(size: number, next: () => Uint8Array | null): void {
    if (this.ended) return;
    const whole = size <= REPLY_BYTES_MAX ? new Uint8Array(size) : null;
    let at = 0;
    // Asked to the end even where the reply is refused: the service frees what it holds when it has given its last part.
    for (let part = next(); part !== null; part = next()) {
      whole?.set(part, at);
      at += part.length;
    }
    if (whole === null)
      this.end(Status.resourceExhausted, `the reply of ${size} bytes is too large`);
    else this.#replyOwned(whole);
  }

  send(message: Uint8Array): void {
    if (this.ended) return;
    this.#queued += message.length;
    this.#listener.onMessage(keep(message));
  }

  onDrained(below: number, callback: () => void): void {
    if (this.ended) return;
    this.#drainedAt = below / 2;
    if (this.#queued <= this.#drainedAt) callback();
    else this.#onDrained = callback;
  }

  end(status: Status, text: string): void {
    if (this.ended) return;
    this.#close(status);
    this.#listener.onEnd(status, text);
  }

  write(message: Uint8Array): void {
    if (!this.ended) this.#guard(() => this.#receiver?.onMessage(message));
  }

  halfClose(): void {
    if (!this.ended) this.#guard(() => this.#receiver?.onHalfClose());
  }

  taken(bytes: number): void {
    this.#queued -= bytes;
    const callback = this.#onDrained;
    if (callback === null || this.ended || this.#queued > this.#drainedAt) return;
    this.#onDrained = null;
    this.#guard(callback);
  }

  cancel(status: Status): void {
    if (this.ended) return;
    this.#close(status);
    const method = this.#method;
    if (method?.kind === "unary") this.#guard(() => method.onCancel?.(this));
  }

  #replyOwned(message: Uint8Array): void {
    this.#listener.onMessage(message);
    this.#close(Status.ok);
    this.#listener.onEnd(Status.ok, "");
  }

  #close(status: Status): void {
    this.ended = true;
    this.#onDrained = null;
    this.#closeReceiver();
    if (this.#method === null) return;
    const elapsedMs = performance.now() - this.#startMs;
    this.#options.observer?.onEnd(this.#method, this.path, status, elapsedMs, this);
  }

  /** Once the service is off the stack. */
  #closeReceiver(): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    if (receiver !== null) queueMicrotask(() => receiver.onClose());
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.onError(error, this.path);
      this.end(Status.internal, "internal server error");
    }
  }
}
