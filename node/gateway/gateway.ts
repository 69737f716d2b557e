/**
 * The JSON gateway: every RPC as POST of JSON, as grpc-gateway makes it for etcd. It calls our own methods, so it decides
 * nothing that they do not.
 */
import { API_ERRORS, GRPC_STATUS } from "../../src/api/catalogue.ts";
import { METHOD_BY_REST } from "../../src/api/services.ts";
import type { HttpHead, HttpReceiver, HttpStream } from "../../src/grpc/service.ts";
import type { Caller, LocalCalls } from "../rpc/local-call.ts";
import { BodyBudget, type BodyShare } from "./body-budget.ts";
import { parseTimeout } from "./deadline.ts";
import { respondWith, type Failure } from "./reply.ts";
import { StreamRequest } from "./stream-request.ts";
import { UnaryRequest } from "./unary-request.ts";

export interface GatewayOptions {
  readonly local: LocalCalls;
  /** Of one message, encoded. */
  readonly messageBytesMax: number;
}

/** What every request needs of the gateway. */
export interface Exchange {
  readonly options: GatewayOptions;
  readonly caller: Caller;
  readonly stream: HttpStream;
  readonly body: BodyShare;
  /** Of every response: CORS. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds; null for no deadline. */
  readonly timeoutMs: number | null;
}

const NOT_FOUND: Failure = { code: 5, text: "Not Found" };
const TOO_LATE: Failure = {
  code: GRPC_STATUS[API_ERRORS.deadlineExceeded.code],
  text: API_ERRORS.deadlineExceeded.text,
};
const NOT_POST: Failure = { code: 12, text: "Method Not Allowed" };

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #bodies = new BodyBudget();

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** Serves a request whose path is the gateway's; `headers` go with its response. */
  open(
    head: HttpHead,
    stream: HttpStream,
    headers: Readonly<Record<string, string>>,
  ): HttpReceiver {
    const [path = ""] = head.target.split("?", 1);
    const method = METHOD_BY_REST.get(path.replace(/^\/v3beta\//, "/v3/"));
    if (method === undefined) return refuse(stream, NOT_FOUND, headers);
    if (head.method !== "POST") return refuse(stream, NOT_POST, headers);
    const timeout = head.headers.get("grpc-timeout");
    const timeoutMs = timeout === undefined ? null : parseTimeout(timeout);
    if (Number.isNaN(timeoutMs)) {
      const failure = { code: 3, text: `invalid grpc-timeout: ${timeout}` };
      return refuse(stream, failure, headers);
    }
    // No answer comes as soon as that.
    if (timeoutMs !== null && timeoutMs < 1) return refuse(stream, TOO_LATE, headers);
    const exchange = {
      options: this.#options,
      caller: callerOf(head),
      stream,
      body: this.#bodies.open(),
      headers,
      timeoutMs,
    };
    return method.kind === "unary"
      ? new UnaryRequest(exchange, method)
      : new StreamRequest(exchange, method);
  }
}

const IGNORED: HttpReceiver = { onData() {}, onEnd() {}, onClose() {} };

function refuse(
  stream: HttpStream,
  failure: Failure,
  headers: Readonly<Record<string, string>>,
): HttpReceiver {
  respondWith(stream, failure, headers);
  return IGNORED;
}

const METADATA = "grpc-metadata-";

/**
 * Who asks: metadata are the headers named `Grpc-Metadata-…`, and Authorization. A certificate names nobody here: requests
 * through the gateway are known by their token alone.
 */
function callerOf({ headers, remoteAddress }: HttpHead): Caller {
  return {
    header: (name) => {
      const value = headers.get(METADATA + name);
      return name === "authorization" ? (headers.get(name) ?? value) : value;
    },
    remoteAddress,
    certificate: null,
  };
}
