/** HTTP/1.1 on the shared port: sockets that did not speak HTTP/2 go to node:http, and its requests to the handler. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { addressOf, certificateOf, isSecure } from "./peer.ts";
import { FAILED, NOT_FOUND, TOO_LARGE } from "./http-exchange.ts";
import { Http1Stream } from "./http1-stream.ts";
import { createHttpServer } from "./node-http.ts";
import type { HttpHandler, HttpHead, HttpResponse, HttpStreams, Limits } from "./service.ts";

const KEEPALIVE_MS = 15_000;

export interface Http1Options {
  readonly handler: HttpHandler | null;
  readonly streams: HttpStreams | null;
  readonly limits: Limits;
  readonly onError: (error: unknown, where: string) => void;
}

export class Http1 {
  readonly #options: Http1Options;
  readonly #server: Server;

  constructor(options: Http1Options) {
    this.#options = options;
    const { limits } = options;
    this.#server = createHttpServer(
      {
        maxHeaderSize: limits.headerListBytesMax,
        headersTimeout: limits.handshakeTimeoutMs,
        requestTimeout: 0,
        connectionsCheckingInterval: Math.min(limits.handshakeTimeoutMs, 5_000),
        noDelay: true,
        // Who offers HTTP/2 by upgrade is served over HTTP/1.1.
        shouldUpgradeCallback: isWebSocket,
      },
      (request, response) => this.#onRequest(request, response),
    );
    if (options.streams === null) return;
    this.#server.on("upgrade", (request, socket, first: Buffer) => {
      this.#onUpgrade(request, socket, first);
    });
  }

  /** Takes the socket over, with the bytes that were read to tell the protocol. */
  accept(socket: Socket, first: Buffer | null): void {
    // A client that is gone without a word is noticed by its streams.
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.pause();
    if (first !== null && first.length > 0) socket.unshift(first);
    this.#server.emit("connection", socket);
    socket.resume();
  }

  /** Idle connections end now, busy ones after their answer. */
  drain(): void {
    this.#server.close(() => {});
    this.#server.closeIdleConnections();
  }

  close(): void {
    this.#server.close(() => {});
    this.#server.closeAllConnections();
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    socket.on("error", () => {});
    let taken = false;
    try {
      taken = this.#options.streams?.upgrade(toHead(request), socket, first) ?? false;
    } catch (error) {
      this.#options.onError(error, request.url ?? "");
    }
    if (!taken) socket.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    // Whatever a client does to its own connection is no fault of ours.
    response.on("error", () => {});
    request.on("error", () => {});
    const stream = new Http1Stream(request, response, (error) =>
      this.#options.onError(error, request.url ?? ""),
    );
    try {
      const receiver = this.#options.streams?.open(toHead(request), stream) ?? null;
      if (receiver === null) this.#gather(request, response);
      else stream.attach(receiver);
    } catch (error) {
      this.#options.onError(error, request.url ?? "");
      respond(response, FAILED, true);
    }
  }

  /** The whole request, for the handler. */
  #gather(request: IncomingMessage, response: ServerResponse): void {
    const { handler, limits, onError } = this.#options;
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limits.messageBytesMax) chunks.push(chunk);
      else if (!response.headersSent) {
        chunks.length = 0;
        respond(response, TOO_LARGE, true);
      }
    });
    request.on("end", () => {
      if (bytes > limits.messageBytesMax) return;
      if (handler === null) {
        respond(response, NOT_FOUND, false);
        return;
      }
      try {
        handler({ ...toHead(request), body: Buffer.concat(chunks) }, (answer) =>
          respond(response, answer, false),
        );
      } catch (error) {
        onError(error, request.url ?? "");
        if (!response.headersSent) respond(response, FAILED, false);
      }
    });
  }
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

function toHead(request: IncomingMessage): HttpHead {
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    headers: toMap(request),
    remoteAddress: addressOf(request.socket),
    certificate: certificateOf(request.socket),
    secure: isSecure(request.socket),
  };
}

function toMap(request: IncomingMessage): Map<string, string> {
  const out = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) out.set(name, typeof value === "string" ? value : value.join(", "));
  }
  return out;
}

function respond(response: ServerResponse, answer: HttpResponse, last: boolean): void {
  if (response.headersSent || response.destroyed) return;
  const body = typeof answer.body === "string" ? Buffer.from(answer.body, "utf8") : answer.body;
  const headers: Record<string, string> = {
    ...answer.headers,
    "content-length": String(body.length),
  };
  if (last) headers["connection"] = "close";
  response.writeHead(answer.status, headers);
  response.end(body);
}
