/** Calls and streams over whichever member answers: attempts, deadlines, tokens. What may be repeated is in retry.ts. */
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { API_ERRORS } from "../api/catalogue.ts";
import { Auth } from "../api/gen/methods.ts";
import type { MethodSpec } from "../api/method.ts";
import { assert } from "../base/assert.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Endpoints } from "./endpoints.ts";
import { ClientError, CompactedError, abortedError, codeOfStatus } from "./error.ts";
import {
  type CallKind,
  type Failure,
  isOutcomeUnknown,
  judge,
  provesUnsent,
  type Verdict,
} from "./retry.ts";
import { Budget, type CallOptions } from "./time.ts";
import { Tokens, type UserPassword } from "./token.ts";

/** Counted by servers; the level of the protocol that this client speaks. */
const API_VERSION = "3.6";
/** Of an attempt's time: after it, a member that has not answered is asked whether it lives. */
const PATIENCE = 1 / 3;

/** A call at one member of the caller's choice rather than at any. */
export interface MemberCallOptions extends CallOptions {
  /** As in the client's endpoints, or another address. */
  readonly endpoint?: string | undefined;
}

export interface StreamHandlers<Response> {
  readonly onMessage: (message: Response) => void;
  /** Called once. Null: the server ended the stream in good order. */
  readonly onEnd: (error: ClientError | null) => void;
}

export interface OpenStream<Request> {
  readonly endpoint: Endpoint;
  send(request: Request): void;
  /** No further messages until `resume`. */
  pause(): void;
  resume(): void;
  /** `onEnd` is called with code "cancelled". */
  cancel(): void;
}

interface Attempt {
  readonly endpoint: Endpoint;
  readonly kind: CallKind;
  readonly timeoutMs: number;
  readonly token: string;
  readonly budget: Budget;
}

/** For calls that do not say. */
export interface CallDefaults {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
}

class AttemptError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, cause: unknown) {
    super(failure.text, { cause });
    this.failure = failure;
  }
}

export class Calls {
  readonly endpoints: Endpoints;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
  readonly #defaults: CallDefaults;
  readonly #tokens: Tokens;

  constructor(
    endpoints: Endpoints,
    user: UserPassword | null,
    defaults: CallDefaults,
    closed: AbortSignal,
  ) {
    this.endpoints = endpoints;
    this.#defaults = defaults;
    this.closed = closed;
    this.#tokens = new Tokens(user, (who) => this.#authenticate(who));
  }

  budget(options: CallOptions): Budget {
    const timeoutMs = options.timeoutMs ?? this.#defaults.timeoutMs;
    return new Budget(timeoutMs, [options.signal, this.closed]);
  }

  /** One unary call, attempted as often as is safe. Rejects with a ClientError. */
  async unary<Request, Response>(
    method: MethodSpec<Request, Response>,
    request: Request,
    kind: CallKind,
    options: MemberCallOptions = {},
  ): Promise<Response> {
    const budget = this.budget(options);
    const timeoutMs = options.attemptTimeoutMs ?? this.#defaults.attemptTimeoutMs;
    const bytes = Buffer.from(method.encodeRequest(request));
    const tried = new Set<Endpoint>();
    let last: ClientError | null = null;
    let refusals = 0;
    for (;;) {
      const endpoint = await this.#endpointFor(options.endpoint, tried, budget, last);
      const token = method.path === Auth.authenticate.path ? "" : await this.#tokens.get();
      // A write that is cut off by the end of the time leaves its outcome open for nothing.
      if (kind === "write" && last !== null) budget.check(last, AGAIN_MIN_MS);
      try {
        if (kind === "write") await assertLives(endpoint, timeoutMs);
        const attempt = { endpoint, kind, timeoutMs, token, budget };
        const answer = await callOnce(method, bytes, attempt);
        endpoint.succeeded();
        return answer;
      } catch (thrown) {
        if (!(thrown instanceof AttemptError)) throw thrown;
        last = errorOf(kind, thrown, endpoint);
        const verdict = this.#judge(kind, thrown.failure, options.endpoint === undefined);
        if (verdict === "fail" || refusals > REFUSALS_MAX) throw last;
        if (verdict === "elsewhere") {
          endpoint.failed();
          tried.add(endpoint);
        } else {
          await this.#tokens.refused(token);
          await budget.wait(REFUSAL_PAUSE_MS * refusals++);
        }
      }
    }
  }

  /** Opens a stream at a member that is up; a stream that cannot be opened ends like one that was. */
  async stream<Request, Response>(
    method: MethodSpec<Request, Response>,
    first: Request | null,
    kind: CallKind,
    handlers: StreamHandlers<Response>,
    options: MemberCallOptions = {},
  ): Promise<OpenStream<Request>> {
    const budget = this.budget(options);
    const endpoint = await this.#endpointFor(options.endpoint, new Set(), budget, null);
    const token = await this.#tokens.get();
    return openStream(method, first, handlers, endpoint, metadataOf(token, kind !== "local"));
  }

  /** A stream was refused for the token it came with. */
  async refuseToken(): Promise<void> {
    await this.#tokens.refused(await this.#tokens.get());
  }

  /** Whether a refused token can be replaced. */
  get hasCredentials(): boolean {
    return this.#tokens.user !== null;
  }

  async #endpointFor(
    name: string | undefined,
    tried: Set<Endpoint>,
    budget: Budget,
    last: ClientError | null,
  ): Promise<Endpoint> {
    if (name === undefined) return await this.endpoints.acquire(tried, budget, last);
    const endpoint = this.endpoints.named(name);
    if (tried.has(endpoint)) await budget.wait(RETRY_SAME_MS);
    return await this.endpoints.await(endpoint, budget, last);
  }

  #judge(kind: CallKind, failure: Failure, isFree: boolean): Verdict {
    const hasOthers = isFree && this.endpoints.count > 1;
    return judge(kind, failure, { hasCredentials: this.hasCredentials, hasOthers });
  }

  async #authenticate(user: UserPassword): Promise<string> {
    try {
      const { token } = await this.unary(Auth.authenticate, { ...user }, "read");
      return token;
    } catch (thrown) {
      if (thrown instanceof ClientError && thrown.is("authNotEnabled")) return "";
      throw thrown;
    }
  }
}

/** A write is not begun again with less time than this. */
const AGAIN_MIN_MS = 50;
/** Between two attempts at one and the same member. */
const RETRY_SAME_MS = 50;
/** Tokens that are refused as soon as they were given: the fault is not theirs. */
const REFUSALS_MAX = 3;
const REFUSAL_PAUSE_MS = 20;

/**
 * A write that is lost with its member may have been applied, so it goes only where somebody was heard of within an
 * attempt's time; else a question goes ahead.
 */
async function assertLives(endpoint: Endpoint, timeoutMs: number): Promise<void> {
  if (endpoint.silentMs <= timeoutMs || (await endpoint.probe())) return;
  throw new AttemptError(
    { code: "unavailable", text: "the member does not answer", sent: false },
    null,
  );
}

async function callOnce<Request, Response>(
  method: MethodSpec<Request, Response>,
  bytes: Buffer,
  { endpoint, kind, timeoutMs, token, budget }: Attempt,
): Promise<Response> {
  const allowedMs = Math.min(timeoutMs, budget.leftMs);
  let undo = (): void => {};
  let patience: NodeJS.Timeout | null = null;
  let refused: ClientError | null = null;
  try {
    return await new Promise<Response>((resolve, reject) => {
      const call = endpoint.client.makeUnaryRequest(
        method.path,
        (encoded: Buffer) => encoded,
        (encoded: Buffer) => method.decodeResponse(encoded),
        bytes,
        metadataOf(token, kind !== "local"),
        { deadline: Date.now() + allowedMs },
        (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(new AttemptError(failureOf(error), error));
          if (error === null || isFromServer(error)) endpoint.heard();
        },
      );
      undo = budget.onAbort((signal) => {
        const outcomeUnknown = kind === "write";
        refused = abortedError(signal, { outcomeUnknown, endpoint: endpoint.name });
        call.cancel();
      });
      if (Number.isFinite(timeoutMs)) {
        patience = setTimeout(() => {
          void endpoint.probe().then((lives) => {
            // A write stays: its answer may be on the way, and nobody else can give it.
            if (!lives && kind !== "write") call.cancel();
          });
        }, allowedMs * PATIENCE);
        patience.unref();
      }
    });
  } catch (thrown) {
    throw refused ?? thrown;
  } finally {
    undo();
    if (patience !== null) clearTimeout(patience);
  }
}

/** `wantsLeader`: a member that knows no leader says so at once, and another may know better. */
function metadataOf(token: string, wantsLeader: boolean): Metadata {
  const metadata = new Metadata();
  metadata.set("client-api-version", API_VERSION);
  if (wantsLeader) metadata.set("hasleader", "true");
  if (token !== "") metadata.set("token", token);
  return metadata;
}

function failureOf(error: ServiceError | null): Failure {
  if (error === null) return { code: "internal", text: "an answer without a message", sent: true };
  const sent = error.code !== status.UNAVAILABLE || !provesUnsent(error.details);
  const code = codeOfStatus(error.code);
  // grpc-js tells of its own inside; whoever ran out of time, it is said alike.
  const text = code === "deadlineExceeded" ? API_ERRORS.deadlineExceeded.text : error.details;
  return { code, text, sent };
}

/** Whether a live member made this error, as far as that can be told. */
function isFromServer(error: ServiceError): boolean {
  switch (error.code) {
    case status.UNAVAILABLE:
      return error.details.startsWith("etcdserver: ");
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return false;
    default:
      return true;
  }
}

function errorOf(kind: CallKind, thrown: AttemptError, endpoint: Endpoint): ClientError {
  const { failure } = thrown;
  const details = {
    cause: thrown.cause,
    outcomeUnknown: isOutcomeUnknown(kind, failure),
    endpoint: endpoint.name,
  };
  if (failure.text === API_ERRORS.compacted.text) return new CompactedError(0, details);
  return new ClientError(failure.code, failure.text, details);
}

type AnyStream = ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>;

function openStream<Request, Response>(
  method: MethodSpec<Request, Response>,
  first: Request | null,
  handlers: StreamHandlers<Response>,
  endpoint: Endpoint,
  metadata: Metadata,
): OpenStream<Request> {
  const encode = (request: Request): Buffer => Buffer.from(method.encodeRequest(request));
  const decode = (encoded: Buffer): Response => method.decodeResponse(encoded);
  const bidi = method.kind === "bidiStream";
  let duplex: ClientDuplexStream<Request, Response> | null = null;
  let stream: AnyStream;
  if (bidi) {
    duplex = endpoint.client.makeBidiStreamRequest(method.path, encode, decode, metadata);
    stream = duplex;
    if (first !== null) duplex.write(first);
  } else {
    assert(first !== null, "a stream of one direction begins with a request");
    stream = endpoint.client.makeServerStreamRequest(method.path, encode, decode, first, metadata);
  }
  const leave = endpoint.watchOver(stream);
  let ended = false;
  const end = (error: ClientError | null): void => {
    if (ended) return;
    ended = true;
    leave();
    handlers.onEnd(error);
  };
  stream.on("data", (message: Response) => {
    endpoint.heard();
    if (!ended) handlers.onMessage(message);
  });
  stream.on("error", (error: ServiceError) => {
    if (isFromServer(error)) endpoint.heard();
    end(errorOf("read", new AttemptError(failureOf(error), error), endpoint));
  });
  stream.on("end", () => end(null));
  return {
    endpoint,
    send: (request) => void duplex?.write(request),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    cancel: () => stream.cancel(),
  };
}
