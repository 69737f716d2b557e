/** What is answered beside gRPC: health, version, metrics. */
import type { HttpHandler, HttpRequest, HttpResponse } from "../src/grpc/service.ts";
import type { Exposition } from "./exposition.ts";
import { health, probes } from "./health.ts";
import type { Host } from "./rpc/host.ts";
import { CLUSTER_VERSION, ETCD_VERSION, QUORATE_VERSION } from "./version.ts";

const TEXT = { "content-type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "content-type": "application/json" };
const NOT_FOUND: HttpResponse = { status: 404, headers: TEXT, body: "404 page not found\n" };
const READ_ONLY: HttpResponse = {
  status: 405,
  headers: { ...TEXT, allow: "GET" },
  body: "Method Not Allowed\n",
};
const MISDIRECTED: HttpResponse = {
  status: 421,
  headers: TEXT,
  body: "the Host header names no allowed host: see --host-whitelist\n",
};

export function buildHttp(host: Host, registry: () => Promise<Exposition>): HttpHandler {
  const allowed = new Set(host.config.hostWhitelist);
  return (request, respond) => {
    if (!isAllowedHost(request, allowed)) {
      respond(MISDIRECTED);
      return;
    }
    answer(host, registry, request).then(respond, (error: unknown) => {
      host.logger.error(
        { target: request.target, reason: String(error) },
        "an HTTP request failed",
      );
      respond({ status: 500, headers: TEXT, body: "internal server error\n" });
    });
  };
}

async function answer(
  host: Host,
  registry: () => Promise<Exposition>,
  request: HttpRequest,
): Promise<HttpResponse> {
  const url = new URL(request.target, "http://member");
  const [, first = "", second = null] = url.pathname.split("/");
  const known = ["health", "livez", "readyz", "version", "metrics"].includes(first);
  if (!known) return NOT_FOUND;
  if (request.method !== "GET" && request.method !== "HEAD") return READ_ONLY;
  switch (first) {
    case "health":
      return await health(host, url.searchParams);
    case "livez":
    case "readyz":
      return await probes(host, first, second === "" ? null : second, url.searchParams);
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
    etcdcluster: host.machine.clusterVersion ?? CLUSTER_VERSION,
    storage: CLUSTER_VERSION,
    quorate: QUORATE_VERSION,
  });
  return { status: 200, headers: JSON_TYPE, body };
}

/** Against DNS rebinding: a browser that was lured here names a host of somebody else. */
function isAllowedHost(request: HttpRequest, allowed: ReadonlySet<string>): boolean {
  if (allowed.size === 0 || allowed.has("*")) return true;
  const named = request.headers.get("host") ?? "";
  return allowed.has(named.replace(/:\d+$/, ""));
}
