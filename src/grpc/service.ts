/**
 * What the engine and a service ask of each other. The engine knows frames, headers, flow control and status codes; it
 * knows nothing of protobuf, etcd or Quorate.
 */
import type { Duplex } from "node:stream";
import type { PeerCertificate } from "node:tls";

/** gRPC status codes (grpc/grpc doc/statuscodes.md). */
export const Status = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** One call, as its handler sees it. Every method may be called after the call has ended: it then does nothing. */
export interface ServerCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** True from the end, the cancellation, the deadline or the loss of the connection on. */
  readonly ended: boolean;
  /** First value of a header, by lower-case name; undefined if absent. `-bin` values are still base64. */
  header(name: string): string | undefined;
  /** `host:port` of the client. */
  readonly remoteAddress: string;
  /** The client's verified certificate, null without (mutual) TLS. */
  readonly certificate: PeerCertificate | null;
  /** Anything the service wants to keep with the call; the engine never looks. */
  context: unknown;
  /** Where the service notes how the call spends its time, for the observer. */
  trace?: unknown;

  /**
   * Unary: the reply and status OK in one. The bytes are borrowed: written or copied before this returns, so that one
   * shared output buffer serves every call.
   */
  reply(message: Uint8Array): void;
  /**
   * A reply too large to be held twice: the parts of ONE message, whose lengths sum to `size`. Each is owned by the engine
   * from now on and must not change. `next` is asked for the following part whenever there is window for it, null at the end.
   */
  replyParts(size: number, next: () => Uint8Array | null): void;
  /** Streams: one message, borrowed as in `reply`. Never blocks; see `queuedBytes`. */
  send(message: Uint8Array): void;
  /** Streams: bytes accepted by `send` and not yet given to the socket. The service bounds itself by this. */
  readonly queuedBytes: number;
  /** Streams: called once when queuedBytes next falls to half of `below` or less (at once if it is). */
  onDrained(below: number, callback: () => void): void;
  /** Bytes that wait in all calls of its kind (unary replies; messages of streams) on its connection, this one's among them. */
  readonly connectionQueuedBytes: number;
  /** So many of them that what can be made later should be: a client that does not take them would have them pile up here. */
  readonly isCrowded: boolean;
  /** Called once when half of them have left, in the order in which it was asked; never after the call has ended. */
  onRoom(callback: () => void): void;
  /** Ends the call with a status; `text` becomes grpc-message, percent-encoded. Sends the queued messages first. */
  end(status: Status, text: string): void;
}

/** The receiving half of a stream. All are called on the engine's turn, never after `onClose`. */
export interface StreamReceiver {
  /** A whole message, decompressed, borrowed until it returns. */
  onMessage(message: Uint8Array): void;
  /** The client will send no more. */
  onHalfClose(): void;
  /** Exactly once, whatever ended the call: status sent, reset, deadline, connection lost. */
  onClose(): void;
}

export type Method =
  | {
      readonly kind: "unary";
      /** The whole request, borrowed until it returns. What it throws ends the call as INTERNAL and is reported. */
      readonly handle: (call: ServerCall, message: Uint8Array) => void;
      /** Told when the client went away or the deadline passed before an answer; null if the service does not care. */
      readonly onCancel: ((call: ServerCall) => void) | null;
    }
  | {
      readonly kind: "serverStream" | "bidiStream";
      readonly open: (call: ServerCall) => StreamReceiver;
    };

/** Methods by full path. An unknown path is answered UNIMPLEMENTED. */
export type Router = ReadonlyMap<string, Method>;

/** Told of every call's beginning and end, for metrics. Hot: no allocation asked of either side. */
export interface CallObserver {
  onStart(method: Method, path: string, call?: ServerCall): void;
  /** `elapsedMs` from the headers to the status; aborted calls too, as CANCELLED. */
  onEnd(method: Method, path: string, status: Status, elapsedMs: number, call?: ServerCall): void;
}

/** Bounds of one listener. Defaults in `limits.ts`. */
export interface Limits {
  /** Header list of one request, uncompressed (RFC 9113 section 6.5.2). */
  readonly headerListBytesMax: number;
  readonly continuationFramesMax: number;
  /** One gRPC message after decompression; more is RESOURCE_EXHAUSTED. */
  readonly messageBytesMax: number;
  readonly concurrentStreamsMax: number;
  /** RST_STREAM, SETTINGS, PING, PRIORITY, empty DATA, WINDOW_UPDATE of 0 effect: each kind, a second, a connection. */
  readonly abusiveFramesPerSecondMax: number;
  /** Bytes that may wait for a client that takes none for keepaliveTimeoutMs; eight times as many for one that does. */
  readonly connectionQueueBytesMax: number;
  readonly handshakeTimeoutMs: number;
  readonly connectionsMax: number;
  /** A client's PING more often than this is too_many_pings (gRPC A8). */
  readonly keepaliveMinTimeMs: number;
  /** The server's own PING on an idle connection, and how long it waits for the answer. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Anything that is not gRPC: HTTP/1.1, and HTTP/2 of other content types, once the request is whole. */
export type HttpHandler = (request: HttpRequest, respond: HttpRespond) => void;
/** What a request says before its body. */
export interface HttpHead {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** By lower-case name; `host` is there over HTTP/2 too. */
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | null;
  /** Over TLS, with or without a certificate of the client's. */
  readonly secure: boolean;
}
export interface HttpRequest extends HttpHead {
  /** The whole body, bounded by messageBytesMax. */
  readonly body: Uint8Array;
}
export type HttpRespond = (response: HttpResponse) => void;
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Requests that are answered while they may still be arriving, and connections that become something else. */
export interface HttpStreams {
  /** Takes a request over before its body; null leaves it to the `HttpHandler`. */
  open(head: HttpHead, stream: HttpStream): HttpReceiver | null;
  /**
   * Takes over an HTTP/1.1 connection whose client asks for another protocol. `first` is what it has sent behind its head.
   * False closes it.
   */
  upgrade(head: HttpHead, socket: Duplex, first: Buffer): boolean;
}
/** The reply to such a request. Every method may be called after its end, and then does nothing. */
export interface HttpStream {
  /** A whole reply in one. */
  respond(response: HttpResponse): void;
  /** The beginning of a reply whose length nobody knows yet. */
  writeHead(status: number, headers: Readonly<Record<string, string>>): void;
  /** After `writeHead`; the bytes are owned by the stream. Never blocks; see `queuedBytes`. */
  write(bytes: Uint8Array): void;
  /** Bytes given to `write` and not yet to the socket. */
  readonly queuedBytes: number;
  /** Called once when queuedBytes is next at half of `below` or less (at once if it is). */
  onDrained(below: number, callback: () => void): void;
  /** The reply is complete. */
  end(): void;
}
/** The request's body. Nothing is called after `onClose`. */
export interface HttpReceiver {
  /** Borrowed until it returns. */
  onData(bytes: Buffer): void;
  /** The body is complete. */
  onEnd(): void;
  /** Exactly once: the reply was made, or the client is gone. */
  onClose(): void;
}
