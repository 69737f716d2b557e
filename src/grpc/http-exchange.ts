/** An HTTP/2 request that is not gRPC, on one stream. */
import type { PeerCertificate } from "node:tls";
import { encodeFields } from "./hpack.ts";
import type { RequestHead } from "./request-head.ts";
import type { HttpHandler, HttpResponse } from "./service.ts";
import type { Stream, StreamConsumer } from "./stream.ts";

export interface ExchangeHost {
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | null;
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

export class HttpExchange implements StreamConsumer {
  readonly #host: ExchangeHost;
  readonly #stream: Stream;
  readonly #head: RequestHead;
  readonly #handler: HttpHandler | null;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  #answered = false;

  constructor(host: ExchangeHost, stream: Stream, head: RequestHead, handler: HttpHandler | null) {
    this.#host = host;
    this.#stream = stream;
    this.#head = head;
    this.#handler = handler;
  }

  onData(bytes: Buffer, from: number, end: number): void {
    if (this.#answered) return;
    this.#bodyBytes += end - from;
    if (this.#bodyBytes > this.#host.bodyBytesMax || !this.#host.hold(this.#stream, end - from)) {
      this.#body = [];
      this.#respond(TOO_LARGE);
      return;
    }
    this.#body.push(Buffer.from(bytes.subarray(from, end)));
  }

  onRemoteEnd(): void {
    if (this.#answered) return;
    if (this.#handler === null) {
      this.#respond(NOT_FOUND);
      return;
    }
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
    try {
      this.#handler(
        {
          method: this.#head.verb,
          target: this.#head.path,
          headers,
          body: this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body),
          remoteAddress: this.#host.remoteAddress,
          certificate: this.#host.certificate,
          raw: null,
        },
        (response) => this.#respond(response),
      );
    } catch (error) {
      this.#host.onError(error, this.#head.path);
      this.#respond(FAILED);
    }
    this.#body = [];
  }

  onLost(): void {
    this.#answered = true;
    this.#body = [];
  }

  onQueueShrunk(): void {
    // The body was handed over whole.
  }

  #respond(response: HttpResponse): void {
    if (this.#answered) return;
    this.#answered = true;
    const body =
      typeof response.body === "string" ? Buffer.from(response.body, "utf8") : response.body;
    const fields: (readonly [string, string])[] = [[":status", String(response.status)]];
    for (const [name, value] of Object.entries(response.headers)) {
      const lower = name.toLowerCase();
      if (!HOP_BY_HOP.has(lower) && lower !== "content-length") fields.push([lower, value]);
    }
    fields.push(["content-length", String(body.length)]);
    const bodiless = body.length === 0 || this.#head.verb === "HEAD";
    this.#stream.writeHeaders(encodeFields(fields), bodiless);
    if (bodiless) return;
    this.#stream.writeBody(body);
    this.#stream.finish("data");
  }
}
