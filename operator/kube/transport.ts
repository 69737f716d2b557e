/** One request to the API server: deadline, one retry with new credentials, errors as `KubeError`. */
import type { Readable } from "node:stream";
import { type Dispatcher, errors, request } from "undici";
import type { Time } from "../time.ts";
import { KubeError } from "./api.ts";
import type { Access, Credentials } from "./credentials.ts";
import { type Query, queryText } from "./paths.ts";
import { errorOf } from "./status.ts";

/** A list page of the largest objects stays below; what is longer is not from an API server. */
const BODY_BYTES_MAX = 256 * 1024 * 1024;

export interface Outgoing {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  readonly body?: object;
  readonly contentType?: string;
  /** For the whole call in milliseconds; the transport's own unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** What metrics call it. */
  readonly verb: string;
  readonly resource: string;
}

/** One answer of the API server, for metrics. `status` is 0 where none came. */
export interface CallReport {
  readonly verb: string;
  readonly resource: string;
  readonly status: number;
  readonly seconds: number;
}

export interface TransportOptions {
  readonly credentials: Credentials;
  readonly time: Time;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly onCall: (report: CallReport) => void;
}

/** A body that comes as it is made; destroying it ends the request. */
export interface Incoming {
  readonly body: Readable;
}

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The parsed body of a 2xx; text where it is no JSON. */
  async call(outgoing: Outgoing): Promise<unknown> {
    const deadline = new Deadline(outgoing, outgoing.timeoutMs ?? this.#options.timeoutMs);
    try {
      const response = await this.#send(outgoing, deadline);
      return parsed(response, await textOf(response.body));
    } catch (thrown) {
      throw deadline.explain(thrown);
    } finally {
      deadline.cancel();
    }
  }

  /** Resolves with the head of a 2xx. The deadline is for the head alone; `signal` ends the body too. */
  async open(outgoing: Outgoing): Promise<Incoming> {
    const deadline = new Deadline(outgoing, outgoing.timeoutMs ?? this.#options.timeoutMs);
    try {
      const { body } = await this.#send(outgoing, deadline);
      return { body };
    } catch (thrown) {
      throw deadline.explain(thrown);
    } finally {
      deadline.cancel();
    }
  }

  async #send(outgoing: Outgoing, deadline: Deadline): Promise<Dispatcher.ResponseData> {
    const { credentials } = this.#options;
    const access = await credentials.access();
    const first = await this.#attempt(outgoing, access, deadline);
    if (first.statusCode !== 401) return await accepted(first);
    await discard(first.body);
    credentials.refused(access);
    return accepted(await this.#attempt(outgoing, await credentials.access(), deadline));
  }

  /** A read whose kept connection the server had closed meanwhile is sent once more. */
  async #attempt(
    outgoing: Outgoing,
    access: Access,
    deadline: Deadline,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#once(outgoing, access, deadline);
    } catch (thrown) {
      if (outgoing.method !== "GET" || !isClosed(thrown) || deadline.signal.aborted) throw thrown;
      return await this.#once(outgoing, access, deadline);
    }
  }

  async #once(
    outgoing: Outgoing,
    access: Access,
    deadline: Deadline,
  ): Promise<Dispatcher.ResponseData> {
    const { time, userAgent, onCall } = this.#options;
    const { verb, resource, method, path, query = {}, body } = outgoing;
    const began = time.now();
    let status = 0;
    try {
      const response = await request(`${access.server}${path}${queryText(query)}`, {
        method,
        dispatcher: access.dispatcher,
        headers: {
          ...access.headers,
          accept: "application/json",
          "user-agent": userAgent,
          ...(body === undefined
            ? {}
            : { "content-type": outgoing.contentType ?? "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: deadline.signal,
      });
      status = response.statusCode;
      return response;
    } finally {
      onCall({ verb, resource, status, seconds: (time.now() - began) / 1000 });
    }
  }
}

/** The end of a call: its own time, or the caller's signal. */
class Deadline {
  readonly signal: AbortSignal;
  readonly #timeout = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outgoing: Outgoing;
  readonly #milliseconds: number;

  constructor(outgoing: Outgoing, milliseconds: number) {
    this.#outgoing = outgoing;
    this.#milliseconds = milliseconds;
    this.#timer = setTimeout(() => this.#timeout.abort(), milliseconds);
    const { signal } = this.#timeout;
    this.signal =
      outgoing.signal === undefined ? signal : AbortSignal.any([signal, outgoing.signal]);
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  explain(thrown: unknown): KubeError {
    if (thrown instanceof KubeError) return thrown;
    const { verb, resource } = this.#outgoing;
    if (this.#timeout.signal.aborted) {
      const text = `${verb} ${resource}: no answer within ${this.#milliseconds} ms`;
      return new KubeError("timeout", text, { cause: thrown });
    }
    return unreachableError(thrown);
  }
}

function isClosed(thrown: unknown): boolean {
  if (thrown instanceof errors.SocketError) return true;
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
  return code === "ECONNRESET" || code === "EPIPE";
}

/** A connection that failed. */
export function unreachableError(thrown: unknown): KubeError {
  if (thrown instanceof KubeError) return thrown;
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new KubeError("unavailable", `the API server is not reached: ${reason}`, {
    cause: thrown,
  });
}

async function accepted(response: Dispatcher.ResponseData): Promise<Dispatcher.ResponseData> {
  const { statusCode, headers, body } = response;
  if (statusCode >= 200 && statusCode < 300) return response;
  const text = await textOf(body);
  throw errorOf(statusCode, maybeJson(text), secondsOf(headers["retry-after"]));
}

function parsed({ headers, statusCode }: Dispatcher.ResponseData, text: string): unknown {
  const type = String(headers["content-type"] ?? "");
  if (!type.startsWith("application/json")) return text;
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const message = `the API server's answer (${statusCode}) is no JSON`;
    throw new KubeError("internal", message, { status: statusCode, cause: thrown });
  }
}

function maybeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function secondsOf(header: string | string[] | undefined): number | null {
  const seconds = Number(typeof header === "string" ? header : Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

async function textOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) {
      body.destroy();
      throw new KubeError("internal", `an answer is longer than ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** So that the connection can be used again. */
async function discard(body: Readable): Promise<void> {
  try {
    await textOf(body);
  } catch {
    // The connection went with it.
  }
}
