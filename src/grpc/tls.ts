/** The TLS side of a listener: handshakes with a deadline, ALPN, and a judge of whoever passed them. */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TlsOptions, type TLSSocket } from "node:tls";
import { addressOf } from "./peer.ts";

/** On what terms a listener speaks TLS. */
export interface TlsTerms {
  /** Certificate, key, authorities, versions, ciphers, and whether clients must show a certificate. */
  readonly options: TlsOptions;
  /** Asked once after each handshake: null takes the client, a text says why not. It never rejects. */
  readonly judge: ((socket: TLSSocket) => string | null | Promise<string | null>) | null;
  /** Told of handshakes that failed and of clients that were refused. */
  readonly onRefused: ((remoteAddress: string, reason: string) => void) | null;
  /** Serves plaintext on the same port as well, for the time in which clients change over. */
  readonly plaintextToo: boolean;
  /** Told of each connection that comes without TLS, at its first byte; what it answers is called when that connection ends. */
  readonly onPlaintext: ((remoteAddress: string) => () => void) | null;
}

/**
 * No renegotiation (TLS 1.2 has it; nobody needs it), and no resumption: a resumed session would keep the verdict over a
 * certificate that was since revoked, or whose authority is gone.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET;

/** A handshake takes a millisecond or two of the only thread: so many may begin in one turn of the event loop. */
const HANDSHAKES_PER_TURN = 4;

/** Sockets whose handshake is to begin. A thousand clients that come back at once do not hold up everybody else's calls. */
export class HandshakeQueue {
  readonly #listener: Server;
  #waiting: Socket[] = [];
  #scheduled = false;

  constructor(listener: Server) {
    this.#listener = listener;
  }

  /** `socket` is paused, and what was read of it put back. */
  push(socket: Socket): void {
    this.#waiting.push(socket);
    if (!this.#scheduled) this.#begin();
  }

  #begin(): void {
    for (const socket of this.#waiting.splice(0, HANDSHAKES_PER_TURN)) {
      if (!socket.destroyed) this.#listener.emit("connection", socket);
    }
    // Whoever comes in this turn waits for the next.
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#waiting.length > 0) this.#begin();
    });
  }
}

/**
 * A server that hands on sockets whose handshake is done, within `deadlineMs`. It does not listen itself: a HandshakeQueue
 * gives it sockets.
 */
export function createTlsListener(
  terms: TlsTerms,
  deadlineMs: number,
  onSocket: (socket: TLSSocket) => void,
): Server {
  const { judge, onRefused } = terms;
  const listener = createServer({
    ...terms.options,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: deadlineMs,
    secureOptions: SECURE_OPTIONS,
    noDelay: true,
  });
  const addresses = new WeakMap<object, string>();
  listener.on("connection", (socket: Socket) => addresses.set(socket, addressOf(socket)));
  const refuse = (socket: TLSSocket, reason: string): void => {
    // A socket that was destroyed knows no address any more; what lies below it was asked in time.
    const below: unknown = Reflect.get(socket, "_parent");
    const known = typeof below === "object" && below !== null ? addresses.get(below) : undefined;
    onRefused?.(known ?? addressOf(socket), reason);
    socket.destroy();
  };
  listener.on("secureConnection", (socket) => {
    socket.on("error", ignore);
    const verdict = judge === null ? null : judge(socket);
    if (verdict === null) onSocket(socket);
    else if (typeof verdict === "string") refuse(socket, verdict);
    else waitFor(verdict, deadlineMs, socket, onSocket, refuse);
  });
  listener.on("tlsClientError", (error, socket) => refuse(socket, reasonOf(error, socket)));
  return listener;
}

function waitFor(
  verdict: Promise<string | null>,
  deadlineMs: number,
  socket: TLSSocket,
  onSocket: (socket: TLSSocket) => void,
  refuse: (socket: TLSSocket, reason: string) => void,
): void {
  const timer = setTimeout(() => refuse(socket, "it was not judged in time"), deadlineMs);
  void verdict.then((reason) => {
    clearTimeout(timer);
    if (socket.destroyed) return;
    if (reason === null) onSocket(socket);
    else refuse(socket, reason);
  });
}

function reasonOf(error: Error, socket: TLSSocket): string {
  // Where the client's certificate was at fault, what OpenSSL thought of it says more than the broken connection.
  const verdict: unknown = socket.authorizationError;
  if (typeof verdict === "string") return verdict;
  return "reason" in error ? String(error.reason) : error.message;
}

/** A socket's fault is followed by its close, which is what counts. */
function ignore(): void {}
