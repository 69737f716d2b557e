/** What is answered beside gRPC: health, version, metrics, how far the member has come. */
import type { HttpHandler, HttpRequest, HttpResponse, HttpStreams } from "../src/grpc/service.ts";
import type { BootStatus } from "./boot/boot-status.ts";
import { bootResponse } from "./boot/probe-server.ts";
import { clusterVersionOf } from "./cluster-version.ts";
import type { Exposition } from "./exposition.ts";
import { isGatewayPath, type Access } from "./gateway/access.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { textSizeMax } from "./gateway/request-message.ts";
import { acceptWebSocket, refuseUpgrade } from "./gateway/websocket.ts";
import { health, probes, ready } from "./health.ts";
import type { Host } from "./rpc/host.ts";
import { ETCD_VERSION, QUORATE_VERSION } from "./version.ts";

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "content-type": "application/json" };
const NOT_FOUND: HttpResponse = { status: 404, headers: TEXT, body: "404 page not found\n" };
const READ_ONLY: HttpResponse = {
  status: 405,
  headers: { ...TEXT, allow: "GET" },
  body: "Method Not Allowed\n",
};
const PATHS: ReadonlySet<string> = new Set([
  "health",
  "livez",
  "readyz",
  "ready",
  "boot",
  "version",
  "metrics",
]);

export function buildHttp(
  host: Host,
  status: BootStatus,
  access: Access,
  registry: () => Promise<Exposition>,
): HttpHandler {
  return (request, respond) => {
    const refusal = access.refusal(request);
    if (refusal !== null) {
      respond(refusal);
      return;
    }
    const allowed = access.headers(request);
    answer(host, status, registry, request).then(
      (response) => respond({ ...response, headers: { ...response.headers, ...allowed } }),
      (error: unknown) => {
        host.logger.error(
          { target: request.target, reason: String(error) },
          "an HTTP request failed",
        );
        respond({ status: 500, headers: TEXT, body: "internal server error\n" });
      },
    );
  };
}

/** What is answered as it goes: the JSON gateway, over HTTP and WebSockets. */
export function buildHttpStreams(
  access: Access,
  gateway: Gateway,
  messageBytesMax: number,
): HttpStreams {
  return {
    open: (head, stream) => {
      if (!isGatewayPath(head.target) || access.refusal(head) !== null) return null;
      return gateway.open(head, stream, access.headers(head));
    },
    upgrade: (head, socket, first) => {
      if (!isGatewayPath(head.target)) return false;
      const refusal = access.refusal(head);
      if (refusal !== null) {
        refuseUpgrade(socket, refusal);
        return true;
      }
      acceptWebSocket(head, socket, first, {
        messageBytesMax: textSizeMax(messageBytesMax),
        open: (request, stream) => gateway.open(request, stream, {}),
      });
      return true;
    },
  };
}

async function answer(
  host: Host,
  status: BootStatus,
  registry: () => Promise<Exposition>,
  request: HttpRequest,
): Promise<HttpResponse> {
  const url = new URL(request.target, "http://member");
  const [, first = "", second = null] = url.pathname.split("/");
  if (!PATHS.has(first)) return NOT_FOUND;
  if (request.method !== "GET" && request.method !== "HEAD") return READ_ONLY;
  switch (first) {
    case "health":
      return await health(host, url.searchParams);
    case "livez":
    case "readyz":
      return await probes(host, first, second === "" ? null : second, url.searchParams);
    case "ready":
      return await ready(host);
    case "boot":
      return bootResponse(status);
    case "version":
      return version(host);
    default: {
      const metrics = await registry();
      const headers = { "content-type": metrics.contentType };
      return { status: 200, headers, body: await metrics.metrics() };
    }
  }
}

function version(host: Host): HttpResponse {
  const body = JSON.stringify({
    etcdserver: ETCD_VERSION,
    etcdcluster: clusterVersionOf(host.machine),
    storage: clusterVersionOf(host.machine),
    quorate: QUORATE_VERSION,
  });
  return { status: 200, headers: JSON_TYPE, body };
}
