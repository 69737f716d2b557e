/** /livez, /readyz and /metrics, over plain HTTP. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

/** The reasons why not; none: it is so. */
export type Check = () => readonly string[];

export interface ProbeOptions {
  /** Null: every address, of whatever family the machine has. */
  readonly host: string | null;
  /** 0: any that is free. */
  readonly port: number;
  readonly live: Check;
  readonly ready: Check;
  readonly registry: Registry;
}

export interface Probes {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_MS_MAX = 10_000;
const TEXT = "text/plain; charset=utf-8";

/** Resolves when it listens; rejects where the port is taken. */
export async function serveProbes(options: ProbeOptions): Promise<Probes> {
  const server = createServer({ requestTimeout: REQUEST_MS_MAX }, (request, response) => {
    answer(options, request).then(
      ({ status, type, body }) => end(request, response, status, type, body),
      (thrown: unknown) => end(request, response, 500, TEXT, `${String(thrown)}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      { port: options.port, ...(options.host === null ? {} : { host: options.host }) },
      resolve,
    );
  });
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) };
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(
  { live, ready, registry }: ProbeOptions,
  request: IncomingMessage,
): Promise<Reply> {
  if (request.method !== "GET" && request.method !== "HEAD")
    return { status: 405, type: TEXT, body: "only GET\n" };
  switch ((request.url ?? "").replace(/\?.*$/, "")) {
    case "/livez":
    case "/healthz":
      return judged(live());
    case "/readyz":
      return judged(ready());
    case "/metrics":
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    default:
      return { status: 404, type: TEXT, body: "not found\n" };
  }
}

function judged(reasons: readonly string[]): Reply {
  if (reasons.length === 0) return { status: 200, type: TEXT, body: "ok\n" };
  return { status: 503, type: TEXT, body: reasons.map((reason) => `${reason}\n`).join("") };
}

function end(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(request.method === "HEAD" ? undefined : body);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
