/**
 * The listeners of --listen-metrics-urls, from the first moment of the process to its last. What they answer is exchanged under
 * them: at first and at the end how far the member has come, in between what the member says itself.
 */
import type { HttpHandler, HttpRequest, HttpResponse, Limits } from "../../src/grpc/service.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import type { Config } from "../config.ts";
import { Access } from "../gateway/access.ts";
import { listenAll } from "../listen.ts";
import type { Credentials } from "../tls/credentials.ts";
import type { BootStatus } from "./boot-status.ts";

const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
const JSON_TYPE = { "content-type": "application/json" };

export class ProbeServer {
  readonly #server: GrpcServer;
  readonly #boot: HttpHandler;
  #handler: HttpHandler;

  constructor(
    config: Config,
    status: BootStatus,
    limits: Limits,
    onError: (error: unknown, where: string) => void,
  ) {
    this.#boot = bootHandler(config, status);
    this.#handler = this.#boot;
    this.#server = new GrpcServer({
      router: new Map(),
      http: (request, respond) => this.#handler(request, respond),
      limits,
      observer: null,
      onError,
    });
  }

  /** Rejects with "configuration" where an address is taken. */
  async listen(config: Config, credentials: Credentials): Promise<void> {
    await listenAll(this.#server, "listen-metrics-urls", config.listenMetricsUrls, credentials);
  }

  /** The member answers from now on; null: there is none any more. */
  use(handler: HttpHandler | null): void {
    this.#handler = handler ?? this.#boot;
  }

  async close(): Promise<void> {
    await this.#server.close();
  }
}

/** GET /boot. */
export function bootResponse(status: BootStatus): HttpResponse {
  return { status: 200, headers: JSON_TYPE, body: `${JSON.stringify(status.report())}\n` };
}

function bootHandler(config: Config, status: BootStatus): HttpHandler {
  const access = new Access(config, () => false);
  return (request, respond) => {
    const refusal = access.refusal(request);
    if (refusal !== null) respond(refusal);
    else {
      const response = answer(status, request);
      respond({ ...response, headers: { ...response.headers, ...access.headers(request) } });
    }
  };
}

/** While there is no member: the process lives, and nothing is ready. */
function answer(status: BootStatus, { method, target }: HttpRequest): HttpResponse {
  const [, first = ""] = new URL(target, "http://member").pathname.split("/");
  if (!["boot", "livez", "readyz", "ready", "health", "version", "metrics"].includes(first)) {
    return { status: 404, headers: TEXT, body: "404 page not found\n" };
  }
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: { ...TEXT, allow: "GET" }, body: "Method Not Allowed\n" };
  }
  const reason = `${status.phase}: ${status.reason}`;
  switch (first) {
    case "boot":
      return bootResponse(status);
    case "livez":
      return { status: 200, headers: TEXT, body: "ok\n" };
    case "health":
      return { status: 503, headers: JSON_TYPE, body: JSON.stringify({ health: "false", reason }) };
    default:
      return { status: 503, headers: TEXT, body: `${reason}\n` };
  }
}
