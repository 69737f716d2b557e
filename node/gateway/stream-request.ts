/**
 * A request of the gateway with a stream of replies, each a line `{"result":…}`, a failure behind them `{"error":…}`. Its body
 * is any number of messages, or one for a method that takes one.
 */
import { API_ERRORS, GRPC_STATUS } from "../../src/api/catalogue.ts";
import { MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMethod } from "../../src/api/method.ts";
import { present } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { Status, type HttpReceiver } from "../../src/grpc/service.ts";
import type { LocalStream } from "../rpc/local-call.ts";
import { startDeadline } from "./deadline.ts";
import type { Exchange } from "./gateway.ts";
import { JsonSplitter } from "./json-splitter.ts";
import { failureJson, OK_HEADERS, QUEUED_BYTES_MAX, respondWith, toFailure } from "./reply.ts";
import type { Failure } from "./reply.ts";
import { Rendering } from "./rendering.ts";
import { encodeRequest, textSizeMax } from "./request-message.ts";

export class StreamRequest implements HttpReceiver {
  readonly #exchange: Exchange;
  readonly #method: AnyMethod;
  readonly #body: JsonSplitter;
  readonly #timer: NodeJS.Timeout | null;
  #call: LocalStream | null = null;
  /** What the method has said and the client has no room for yet, from `#next` on. */
  #waiting: Uint8Array[] = [];
  #next = 0;
  #writing = false;
  #ending: Failure | null = null;
  #headSent = false;
  /** Nothing more is heard of the body. */
  #deaf = false;
  #closed = false;

  constructor(exchange: Exchange, method: AnyMethod) {
    this.#exchange = exchange;
    this.#method = method;
    this.#body = new JsonSplitter(textSizeMax(exchange.options.messageBytesMax));
    this.#timer = startDeadline(exchange.timeoutMs, () => {
      const { code, text } = API_ERRORS.deadlineExceeded;
      this.#fail({ code: GRPC_STATUS[code], text });
    });
    if (method.kind === "bidiStream") this.#openCall();
  }

  onData(bytes: Buffer): void {
    if (this.#deaf) return;
    this.#body.push(bytes);
    if (this.#call !== null) this.#passOn(this.#call, false);
    else this.#openOnce(false);
  }

  onEnd(): void {
    if (this.#deaf) return;
    this.#body.finish();
    if (this.#call !== null) this.#passOn(this.#call, true);
    else this.#openOnce(true);
    this.#deaf = true;
  }

  onClose(): void {
    this.#exchange.body.hold(0);
    this.#closed = true;
    this.#deaf = true;
    this.#waiting = [];
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#call?.cancel(Status.cancelled);
  }

  #openCall(): LocalStream {
    const { options, caller } = this.#exchange;
    this.#call = options.local.openStream(caller, this.#method.path, {
      onMessage: (message) => {
        this.#waiting.push(message);
        this.#pump();
      },
      onEnd: (status, text) => {
        this.#ending ??= { code: status, text };
        this.#pump();
      },
    });
    return this.#call;
  }

  /** The messages that have arrived. What is malformed ends the client's half, silently, as grpc-gateway has it. */
  #passOn(call: LocalStream, last: boolean): void {
    const { messageBytesMax } = this.#exchange.options;
    try {
      for (;;) {
        const text = this.#body.next(last);
        if (text === null) break;
        call.write(encodeRequest(this.#method, text, messageBytesMax));
      }
      this.#exchange.body.hold(this.#body.size);
      if (last) call.halfClose();
    } catch (error) {
      this.#deaf = true;
      const failure = QuorateError.from(error);
      if (failure.code === "invalidArgument") call.halfClose();
      else this.#fail(toFailure(failure));
    }
  }

  /** The one message of a server's stream, as soon as it is complete. */
  #openOnce(last: boolean): void {
    try {
      const text = this.#body.next(last);
      this.#exchange.body.hold(text === null ? this.#body.size : 0);
      if (text === null && !last) return;
      this.#deaf = true;
      const { messageBytesMax } = this.#exchange.options;
      const request = encodeRequest(this.#method, text, messageBytesMax);
      const call = this.#openCall();
      call.write(request);
      call.halfClose();
    } catch (error) {
      this.#fail(toFailure(error));
    }
  }

  /** Ends the stream from our side, with what has been said already before it. */
  #fail(failure: Failure): void {
    this.#deaf = true;
    this.#call?.cancel(Status.cancelled);
    this.#ending ??= failure;
    this.#pump();
  }

  #pump(): void {
    if (this.#writing) return;
    this.#writing = true;
    while (!this.#closed) {
      const message = this.#waiting[this.#next];
      if (message === undefined) {
        this.#waiting = [];
        this.#next = 0;
        if (this.#ending !== null) this.#finish(this.#ending);
        break;
      }
      this.#next++;
      if (!this.#write(message)) return;
    }
    this.#writing = false;
  }

  /** False if the client has to make room first; it then goes on by itself. */
  #write(message: Uint8Array): boolean {
    const { stream } = this.#exchange;
    const type = present(MESSAGES[this.#method.responseType], "a message");
    const onRoom = (): void => {
      this.#call?.taken(message.length);
      this.#writing = false;
      this.#pump();
    };
    const rendering = new Rendering(stream, { type, bytes: message, line: true }, () =>
      stream.onDrained(QUEUED_BYTES_MAX, onRoom),
    );
    const { text, complete } = rendering.first();
    this.#sendHead(OK_HEADERS);
    stream.write(Buffer.from(text));
    if (!complete) {
      rendering.rest();
      return false;
    }
    if (stream.queuedBytes > QUEUED_BYTES_MAX) {
      stream.onDrained(QUEUED_BYTES_MAX, onRoom);
      return false;
    }
    this.#call?.taken(message.length);
    return true;
  }

  #sendHead(headers: Readonly<Record<string, string>>): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#exchange.stream.writeHead(200, { ...this.#exchange.headers, ...headers });
  }

  #finish(failure: Failure): void {
    const { stream, headers } = this.#exchange;
    this.#closed = true;
    if (failure.code !== Status.ok && !this.#headSent) {
      respondWith(stream, failure, headers);
      return;
    }
    this.#sendHead({});
    if (failure.code !== Status.ok) {
      stream.write(Buffer.from(`{"error":${failureJson(failure, true)}}\n`));
    }
    stream.end();
  }
}
