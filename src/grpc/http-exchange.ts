/** An HTTP/2 request that is not gRPC, on one stream. */
import type { PeerCertificate } from "node:tls";
import { encodeFields } from "./hpack.ts";
import type { RequestHead } from "./request-head.ts";
import type {
  HttpHandler,
  HttpHead,
  HttpReceiver,
  HttpResponse,
  HttpStream,
  HttpStreams,
} from "./service.ts";
import type { Stream, StreamConsumer } from "./stream.ts";

export interface ExchangeHost {
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | null;
  readonly secure: boolean;
  readonly bodyBytesMax: number;
  hold(stream: Stream, bytes: number): boolean;
  onError(error: unknown, where: string): void;
}

/** What answers when there is no handler. */
export const NOT_FOUND: HttpResponse = {
  status: 404,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "404 page not found\n",
};
export const TOO_LARGE: HttpResponse = {
  status: 413,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "request body too large\n",
};
export const FAILED: HttpResponse = {
  status: 500,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "internal server error\n",
};

/** Fields of HTTP/1.1 alone, which a shared handler may have set. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export class HttpExchange implements StreamConsumer, HttpStream {
  readonly #host: ExchangeHost;
  readonly #stream: Stream;
  readonly #head: RequestHead;
  readonly #handler: HttpHandler | null;
  readonly #streams: HttpStreams | null;
  #receiver: HttpReceiver | null = null;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  #headSent = false;
  /** The reply is complete, or nobody is there to take it. */
  #answered = false;
  #drainedAt = 0;
  #onDrained: (() => void) | null = null;

  constructor(
    host: ExchangeHost,
    stream: Stream,
    head: RequestHead,
    service: { readonly http: HttpHandler | null; readonly streams?: HttpStreams | null },
  ) {
    this.#host = host;
    this.#stream = stream;
    this.#head = head;
    this.#handler = service.http;
    this.#streams = service.streams ?? null;
  }

  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  /** The headers have arrived. */
  begin(): void {
    const streams = this.#streams;
    if (streams === null) return;
    this.#guard(() => {
      this.#receiver = streams.open(this.#headOf(), this);
    });
    if (this.#answered) this.#closeReceiver();
  }

  onData(bytes: Buffer, from: number, end: number): void {
    if (this.#answered) return;
    if (this.#receiver !== null) {
      this.#guard(() => this.#receiver?.onData(bytes.subarray(from, end)));
      return;
    }
    this.#bodyBytes += end - from;
    if (this.#bodyBytes > this.#host.bodyBytesMax || !this.#host.hold(this.#stream, end - from)) {
      this.#body = [];
      this.respond(TOO_LARGE);
      return;
    }
    this.#body.push(Buffer.from(bytes.subarray(from, end)));
  }

  onRemoteEnd(): void {
    if (this.#answered) return;
    const handler = this.#handler;
    if (this.#receiver !== null) this.#guard(() => this.#receiver?.onEnd());
    else if (handler === null) this.respond(NOT_FOUND);
    else {
      const body = this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body);
      this.#body = [];
      this.#guard(() => handler({ ...this.#headOf(), body }, (response) => this.respond(response)));
    }
  }

  onLost(): void {
    this.#finish();
  }

  onQueueShrunk(): void {
    const callback = this.#onDrained;
    if (callback === null || this.#answered || this.queuedBytes > this.#drainedAt) return;
    this.#onDrained = null;
    this.#guard(callback);
  }

  respond(response: HttpResponse): void {
    if (this.#answered || this.#headSent) return;
    const body =
      typeof response.body === "string" ? Buffer.from(response.body, "utf8") : response.body;
    const bodiless = body.length === 0 || this.#head.verb === "HEAD";
    this.#writeHead(response.status, response.headers, body.length, bodiless);
    if (!bodiless) {
      this.#stream.writeBody(body);
      this.#stream.finish("data");
    }
    this.#finish();
  }

  writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.#answered && !this.#headSent) this.#writeHead(status, headers, null, false);
  }

  write(bytes: Uint8Array): void {
    if (!this.#answered && this.#headSent && bytes.length > 0) this.#stream.writeBody(bytes);
  }

  onDrained(below: number, callback: () => void): void {
    if (this.#answered) return;
    this.#drainedAt = below / 2;
    if (this.queuedBytes <= this.#drainedAt) callback();
    else this.#onDrained = callback;
  }

  end(): void {
    if (this.#answered || !this.#headSent) return;
    this.#stream.finish("data");
    this.#finish();
  }

  #headOf(): HttpHead {
    const { names, values } = this.#head;
    const headers = new Map<string, string>();
    for (const [at, name] of names.entries()) {
      const value = values[at] ?? "";
      const before = headers.get(name);
      headers.set(
        name,
        before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`,
      );
    }
    const authority = headers.get(":authority");
    if (authority !== undefined && !headers.has("host")) headers.set("host", authority);
    const { remoteAddress, certificate, secure } = this.#host;
    const { verb: method, path: target } = this.#head;
    return { method, target, headers, remoteAddress, certificate, secure };
  }

  #writeHead(
    status: number,
    headers: Readonly<Record<string, string>>,
    length: number | null,
    endStream: boolean,
  ): void {
    this.#headSent = true;
    const fields: (readonly [string, string])[] = [[":status", String(status)]];
    for (const [name, value] of Object.entries(headers)) {
      const lower = name.toLowerCase();
      if (!HOP_BY_HOP.has(lower) && lower !== "content-length") fields.push([lower, value]);
    }
    if (length !== null) fields.push(["content-length", String(length)]);
    this.#stream.writeHeaders(encodeFields(fields), endStream);
  }

  #finish(): void {
    this.#answered = true;
    this.#body = [];
    this.#onDrained = null;
    this.#closeReceiver();
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
      this.#host.onError(error, this.#head.path);
      if (this.#headSent) this.end();
      else this.respond(FAILED);
    }
  }
}
