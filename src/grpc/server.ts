/** The listener: takes sockets, finds out what they speak, and hands them to HTTP/2 or HTTP/1.1. */
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import type { SecureContextOptions, Server as TlsServer } from "node:tls";
import { Connection } from "./connection.ts";
import { type Counters, Engine, type EngineOptions } from "./engine.ts";
import { CLIENT_PREFACE } from "./frame.ts";
import { Http1 } from "./http1.ts";
import { readInPlace } from "./in-place.ts";
import { HTTP_METHODS } from "./node-http.ts";
import { addressOf } from "./peer.ts";
import { createTlsListener, HandshakeQueue, type TlsTerms } from "./tls.ts";

const PREFACE = Buffer.from(CLIENT_PREFACE, "latin1");
/** The content type of a TLS record that carries a ClientHello; no method of HTTP begins so. */
const TLS_HANDSHAKE = 0x16;
const SWEEP_MS_MAX = 1_000;
const SWEEP_MS_MIN = 10;

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export class GrpcServer {
  readonly counters: Counters;
  readonly #engine: Engine;
  readonly #http1: Http1;
  readonly #connections: Set<Connection> = new Set();
  /** Every socket that is alive, whatever it speaks, with what is to be called at its end. */
  readonly #sockets: Map<Socket, (() => void) | null> = new Map();
  readonly #listeners: (TcpServer | TlsServer)[] = [];
  readonly #tlsListeners: TlsServer[] = [];
  #sweeper: NodeJS.Timeout | null = null;
  #draining = false;
  #onIdle: (() => void) | null = null;

  constructor(options: EngineOptions) {
    this.#engine = new Engine(options);
    this.counters = this.#engine.counters;
    this.#http1 = new Http1({
      handler: options.http,
      streams: options.streams ?? null,
      limits: options.limits,
      onError: options.onError,
    });
  }

  /**
   * Listens, over TLS unless `tls` is null; may be called for several addresses. Port 0 takes a free one; a unix socket has
   * none, and answers 0. Rejects if refused.
   */
  async listen(at: ListenAddress, tls: TlsTerms | null): Promise<{ port: number }> {
    const listener = tls === null ? this.#listenPlain() : this.#listenTls(tls);
    this.#listeners.push(listener);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once("error", reject);
    listener.listen({ ...at, backlog: 1024 }, resolve);
    await promise;
    listener.off("error", reject);
    listener.on("error", (error) => this.#engine.options.onError(error, "listener"));
    this.#startSweeper();
    const address = listener.address();
    return { port: address !== null && typeof address === "object" ? address.port : 0 };
  }

  /** Sends what this turn has said, one write a connection. Without it the same happens at the end of the event loop's turn. */
  flush(): void {
    this.#engine.flush();
  }

  /** New certificates, for handshakes from now on. */
  setSecureContext(context: SecureContextOptions): void {
    for (const listener of this.#tlsListeners) listener.setSecureContext(context);
  }

  /** Stops listening, tells every client to go elsewhere, and waits for their calls, `graceMs` at most; then closes. */
  async drain(graceMs: number): Promise<void> {
    if (!this.#draining) {
      this.#draining = true;
      for (const listener of this.#listeners) listener.close();
      this.#http1.drain();
      for (const connection of this.#connections) connection.drain();
      this.flush();
    }
    if (this.#sockets.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      this.#onIdle = resolve;
      await promise;
      clearTimeout(timer);
      this.#onIdle = null;
    }
    await this.close();
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#draining = true;
    for (const listener of this.#listeners) listener.close();
    this.flush();
    this.#http1.close();
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets.keys()) socket.destroy();
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
    this.#engine.deadlines.close();
    if (this.#sockets.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      await promise;
      this.#onIdle = null;
    }
    // The last onClose callbacks are due at the end of this turn.
    this.flush();
  }

  #listenPlain(): TcpServer {
    const listener = createTcpServer({ noDelay: true }, (socket) => {
      if (this.#admit(socket)) this.#sniff(socket, this.#deadline(socket));
    });
    return listener;
  }

  #listenTls(terms: TlsTerms): TcpServer {
    const secure = createTlsListener(terms, this.#engine.limits.handshakeTimeoutMs, (socket) => {
      if (socket.alpnProtocol === "h2") this.#serve(socket, null);
      else if (socket.alpnProtocol === "http/1.1") this.#http1.accept(socket, null);
      else this.#sniff(socket, this.#deadline(socket));
    });
    this.#tlsListeners.push(secure);
    const queue = new HandshakeQueue(secure);
    return createTcpServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
      if (!this.#admit(socket)) return;
      if (terms.plaintextToo) this.#tell(socket, queue, terms);
      else queue.push(socket);
    });
  }

  /** TLS or plaintext, by the first byte. */
  #tell(socket: Socket, queue: HandshakeQueue, { onPlaintext }: TlsTerms): void {
    const inTime = this.#deadline(socket);
    socket.once("data", (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      if (chunk[0] === TLS_HANDSHAKE) {
        inTime(); // the handshake has a deadline of its own
        queue.push(socket);
        return;
      }
      this.#sockets.set(socket, onPlaintext?.(addressOf(socket)) ?? null);
      this.#sniff(socket, inTime);
    });
    socket.resume();
  }

  /** Ends `socket` after the time of a handshake, unless what it answers is called before. */
  #deadline(socket: Socket): () => void {
    const timer = setTimeout(() => socket.destroy(), this.#engine.limits.handshakeTimeoutMs);
    const inTime = (): void => {
      clearTimeout(timer);
      socket.off("close", inTime);
    };
    socket.once("close", inTime);
    return inTime;
  }

  /** Counts a new socket; false (and the end of it) beyond the cap. */
  #admit(socket: Socket): boolean {
    const { counters, limits } = this.#engine;
    if (this.#sockets.size >= limits.connectionsMax || this.#draining) {
      counters.connectionsRefused++;
      socket.on("error", ignore);
      socket.destroy();
      return false;
    }
    counters.connections++;
    counters.connectionsAccepted++;
    this.#track(socket, null);
    return true;
  }

  #track(socket: Socket, onEnd: (() => void) | null): void {
    this.#sockets.set(socket, onEnd);
    socket.on("error", ignore);
    socket.once("close", () => {
      this.#sockets.get(socket)?.();
      this.#sockets.delete(socket);
      this.#engine.counters.connections--;
      if (this.#sockets.size === 0) this.#onIdle?.();
    });
  }

  /** Reads until the bytes differ from the HTTP/2 preface or are all of it. */
  #sniff(socket: Socket, inTime: () => void): void {
    let seen: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const count = Math.min(seen.length, PREFACE.length);
      const isHttp2 = PREFACE.subarray(0, count).equals(seen.subarray(0, count));
      const isHttp1 = isHttp2 ? false : startsLikeHttp1(seen);
      if ((isHttp2 && count < PREFACE.length) || isHttp1 === null) return;
      inTime();
      socket.off("data", onData);
      if (isHttp2) this.#serveInPlace(socket, seen);
      else if (isHttp1) this.#http1.accept(socket, seen);
      else socket.destroy();
    };
    socket.on("data", onData);
    socket.resume();
  }

  /** HTTP/2 without TLS: what arrives is read where it lies. */
  #serveInPlace(socket: Socket, first: Buffer): void {
    let connection: Connection | null = null;
    const own = readInPlace(socket, (chunk) => connection?.receive(chunk));
    if (own !== null) {
      const onEnd = this.#sockets.get(socket) ?? null;
      this.#sockets.delete(socket);
      this.#track(own, onEnd);
    }
    connection = this.#serve(own ?? socket, first);
  }

  #serve(socket: Socket, first: Buffer | null): Connection {
    const connection = new Connection(this.#engine, socket, (closed) =>
      this.#connections.delete(closed),
    );
    this.#connections.add(connection);
    if (first !== null) connection.receive(first);
    if (this.#draining) connection.drain();
    return connection;
  }

  #startSweeper(): void {
    const { handshakeTimeoutMs, keepaliveIntervalMs, keepaliveTimeoutMs } = this.#engine.limits;
    const shortest = Math.min(handshakeTimeoutMs, keepaliveIntervalMs, keepaliveTimeoutMs) / 4;
    const everyMs = Math.max(SWEEP_MS_MIN, Math.min(SWEEP_MS_MAX, shortest));
    this.#sweeper ??= setInterval(() => {
      this.#engine.clock.expire();
      const nowMs = this.#engine.clock.now();
      for (const connection of this.#connections) connection.sweep(nowMs);
    }, everyMs).unref();
  }
}

const METHODS_HTTP1: ReadonlySet<string> = new Set(HTTP_METHODS);
const METHOD_BYTES_MAX = Math.max(...HTTP_METHODS.map((method) => method.length));

/** Whether the bytes begin with a method of HTTP/1.1 and a space; null if they are too few to say. */
function startsLikeHttp1(seen: Buffer): boolean | null {
  const space = seen.indexOf(0x20);
  if (space >= 0) return METHODS_HTTP1.has(seen.toString("latin1", 0, space));
  return seen.length <= METHOD_BYTES_MAX ? null : false;
}

/** A socket's fault is followed by its close, which is what counts. */
function ignore(): void {}
