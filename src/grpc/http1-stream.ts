/** An HTTP/1.1 request and its reply, in pieces: node:http's pair as the port that HTTP/2 answers as well. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpReceiver, HttpResponse, HttpStream } from "./service.ts";

export class Http1Stream implements HttpStream {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #onError: (error: unknown) => void;
  #receiver: HttpReceiver | null = null;
  #queued = 0;
  #drainedAt = 0;
  #onDrained: (() => void) | null = null;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    onError: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#response = response;
    this.#onError = onError;
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  /** Hands the body to the receiver from now on. */
  attach(receiver: HttpReceiver): void {
    this.#receiver = receiver;
    this.#request.on("data", (chunk: Buffer) => this.#guard(() => this.#receiver?.onData(chunk)));
    this.#request.on("end", () => this.#guard(() => this.#receiver?.onEnd()));
    // After the reply, or when the connection is lost: also in the middle of a body.
    this.#response.on("close", () => {
      this.#receiver = null;
      this.#onDrained = null;
      receiver.onClose();
    });
  }

  respond(answer: HttpResponse): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    const body = typeof answer.body === "string" ? Buffer.from(answer.body, "utf8") : answer.body;
    this.writeHead(answer.status, { ...answer.headers, "content-length": String(body.length) });
    this.#response.end(body);
  }

  writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    // What is left of a body that nobody reads would be taken for the next request.
    const last: Record<string, string> = this.#request.complete ? {} : { connection: "close" };
    this.#response.writeHead(status, { ...headers, ...last });
    this.#response.flushHeaders();
  }

  write(bytes: Uint8Array): void {
    if (this.#response.writableEnded || this.#response.destroyed || bytes.length === 0) return;
    this.#queued += bytes.length;
    this.#response.write(bytes, () => this.#wrote(bytes.length));
  }

  onDrained(below: number, callback: () => void): void {
    if (this.#response.destroyed) return;
    this.#drainedAt = below / 2;
    if (this.#queued <= this.#drainedAt) callback();
    else this.#onDrained = callback;
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }

  #wrote(count: number): void {
    this.#queued -= count;
    const callback = this.#onDrained;
    if (callback === null || this.#response.destroyed || this.#queued > this.#drainedAt) return;
    this.#onDrained = null;
    this.#guard(callback);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onError(error);
      this.#response.destroy();
    }
  }
}
