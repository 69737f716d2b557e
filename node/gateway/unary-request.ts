/** A request of the gateway that has one reply. */
import { present } from "../../src/base/assert.ts";
import { MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMethod } from "../../src/api/method.ts";
import { API_ERRORS, toError } from "../../src/api/catalogue.ts";
import type { HttpReceiver } from "../../src/grpc/service.ts";
import { startDeadline } from "./deadline.ts";
import type { Exchange } from "./gateway.ts";
import { JsonSplitter } from "./json-splitter.ts";
import { encodeRequest, textSizeMax } from "./request-message.ts";
import { Rendering } from "./rendering.ts";
import { OK_HEADERS, respondWith, toFailure } from "./reply.ts";

export class UnaryRequest implements HttpReceiver {
  readonly #exchange: Exchange;
  readonly #method: AnyMethod;
  readonly #body: JsonSplitter;
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout | null;
  /** Nothing more is heard of the body. */
  #begun = false;
  #answered = false;

  constructor(exchange: Exchange, method: AnyMethod) {
    this.#exchange = exchange;
    this.#method = method;
    this.#body = new JsonSplitter(textSizeMax(exchange.options.messageBytesMax));
    this.#timer = startDeadline(exchange.timeoutMs, () => {
      this.#fail(toError(API_ERRORS.deadlineExceeded));
      this.#abort.abort();
    });
  }

  /** Served as soon as the value is complete: over a WebSocket a body has no other end. What follows is not looked at. */
  onData(bytes: Buffer): void {
    if (this.#begun) return;
    this.#body.push(bytes);
    this.#take(false);
  }

  onEnd(): void {
    if (this.#begun) return;
    this.#body.finish();
    this.#take(true);
  }

  onClose(): void {
    this.#exchange.body.hold(0);
    this.#begun = true;
    this.#answered = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#abort.abort();
  }

  #take(last: boolean): void {
    const { options, caller } = this.#exchange;
    try {
      const text = this.#body.next(last);
      this.#exchange.body.hold(text === null ? this.#body.size : 0);
      if (text === null && !last) return;
      this.#begun = true;
      const request = encodeRequest(this.#method, text, options.messageBytesMax);
      options.local.unaryBytes(caller, this.#method.path, request, this.#abort.signal).then(
        (reply) => this.#reply(reply),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #reply(bytes: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    const { stream, headers } = this.#exchange;
    const type = present(MESSAGES[this.#method.responseType], "a message");
    const rendering = new Rendering(stream, { type, bytes, line: false }, () => stream.end());
    const { text, complete } = rendering.first();
    const all = { ...headers, ...OK_HEADERS };
    if (complete) {
      stream.respond({ status: 200, headers: all, body: text });
      return;
    }
    stream.writeHead(200, all);
    stream.write(Buffer.from(text));
    rendering.rest();
  }

  #fail(error: unknown): void {
    this.#begun = true;
    if (this.#answered) return;
    this.#answered = true;
    respondWith(this.#exchange.stream, toFailure(error), this.#exchange.headers);
  }
}
