/** What every HTTP request is asked before anything else: whose host it names, and from where a browser was sent. */
import type { HttpHead, HttpResponse } from "../../src/grpc/service.ts";

export interface AccessOptions {
  readonly hostWhitelist: readonly string[];
  readonly corsOrigins: readonly string[];
}

/** What etcd says to a client that believes its certificate would name it. */
const NAMED: HttpResponse = {
  status: 400,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: "CommonName of client sending a request against gateway will be ignored and not used as expected\n",
};

const ALLOWED = {
  "access-control-allow-headers": "accept, content-type, authorization",
  "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
} as const;
const TEXT = { "content-type": "text/plain; charset=utf-8" } as const;

export class Access {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #certificatesName: () => boolean;

  /** `certificatesName`: do certificates name users now? They do not in the gateway, so who has one is told. */
  constructor(options: AccessOptions, certificatesName: () => boolean) {
    this.#certificatesName = certificatesName;
    this.#hosts = new Set(options.hostWhitelist);
    this.#origins = new Set(options.corsOrigins);
  }

  /** The answer to a request that goes no further; null if it does. */
  refusal(head: HttpHead): HttpResponse | null {
    const host = hostOf(head);
    if (!head.secure && !this.#isAllowedHost(host)) {
      return { status: 421, headers: TEXT, body: misdirected(host) };
    }
    const name = head.certificate?.subject.CN ?? "";
    if (name.length > 0 && isGatewayPath(head.target) && this.#certificatesName()) return NAMED;
    if (head.method === "OPTIONS") return { status: 200, headers: this.headers(head), body: "" };
    return null;
  }

  /** CORS headers of the response. */
  headers(head: HttpHead): Readonly<Record<string, string>> {
    if (this.#allowsOrigin("*")) return { ...ALLOWED, "access-control-allow-origin": "*" };
    const origin = head.headers.get("origin") ?? "";
    if (!this.#allowsOrigin(origin)) return {};
    return { ...ALLOWED, "access-control-allow-origin": origin, vary: "Origin" };
  }

  #allowsOrigin(origin: string): boolean {
    return this.#origins.size === 0 || this.#origins.has("*") || this.#origins.has(origin);
  }

  /** Against DNS rebinding: a browser that was lured here names a host of somebody else. */
  #isAllowedHost(host: string): boolean {
    return this.#hosts.size === 0 || this.#hosts.has("*") || this.#hosts.has(host);
  }
}

/** Is this path the gateway's? */
export function isGatewayPath(target: string): boolean {
  return target.startsWith("/v3/") || target.startsWith("/v3beta/");
}

function hostOf({ headers }: HttpHead): string {
  const named = headers.get("host") ?? "";
  return named.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1");
}

function misdirected(host: string): string {
  return `the Host header names ${JSON.stringify(host)}, which is no allowed host: use TLS, or add it to --host-whitelist\n`;
}
