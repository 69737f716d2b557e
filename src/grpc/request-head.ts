/** A request's header list, checked once (RFC 9113 section 8) and shared by all requests of a connection that repeat it. */
import type { Method, Router } from "./service.ts";
import { Status } from "./service.ts";

/** How messages of this call are compressed. */
export const Encoding = { identity: 0, gzip: 1, unknown: 2 } as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];

export interface RequestHead {
  readonly names: readonly string[];
  /** Of this head's first request; the value of grpc-timeout differs from call to call. */
  readonly values: readonly string[];
  readonly timeoutAt: number;
  /** `:method` and `:path`. */
  readonly verb: string;
  readonly path: string;
  readonly isGrpc: boolean;
  readonly encoding: Encoding;
  readonly contentLength: number | null;
  readonly method: Method | null;
  /** Why the list breaks HTTP/2's rules: the stream is reset with PROTOCOL_ERROR. Null if it does not. */
  readonly malformed: string | null;
  /** Why the call cannot be served: it is answered at once. */
  readonly refusal: Refusal | null;
}

export interface Refusal {
  readonly status: Status;
  readonly text: string;
}

const TIMEOUT = "grpc-timeout";
/** Hop-by-hop fields, which HTTP/2 does not have (section 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const PSEUDO_FIELDS: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority"]);
/** Lower-case tokens (section 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** NUL, CR and LF, as a set of characters: a control character in a regular expression reads like a mistake. */
const FORBIDDEN_VALUE = new RegExp(`[${"\0\r\n"}]`);
const DIGITS = /^\d{1,15}$/;

/** Whether the fields are those of `head`, grpc-timeout's value aside. */
export function repeatsHead(
  head: RequestHead,
  names: readonly string[],
  values: readonly string[],
  count: number,
): boolean {
  if (count !== head.names.length) return false;
  for (let at = 0; at < count; at++) {
    if (names[at] !== head.names[at]) return false;
    if (values[at] !== head.values[at] && at !== head.timeoutAt) return false;
  }
  return true;
}

/** Reads and checks the first `count` fields; copies what it keeps. */
export function buildHead(
  router: Router,
  fields: {
    readonly names: readonly string[];
    readonly values: readonly string[];
    readonly count: number;
  },
): RequestHead {
  const names = fields.names.slice(0, fields.count);
  const values = fields.values.slice(0, fields.count);
  const find = (name: string): string | undefined => {
    const at = names.indexOf(name);
    return at < 0 ? undefined : values[at];
  };
  const verb = find(":method") ?? "";
  const path = find(":path") ?? "";
  const contentType = find("content-type") ?? "";
  const isGrpc = isGrpcType(contentType);
  const encoding = toEncoding(find("grpc-encoding"));
  const method = isGrpc ? (router.get(path) ?? null) : null;
  return {
    names,
    values,
    timeoutAt: names.indexOf(TIMEOUT),
    verb,
    path,
    isGrpc,
    encoding,
    contentLength: toLength(find("content-length")),
    method,
    malformed: findFault(names, values),
    refusal: isGrpc
      ? findRefusal(router, method, { verb, path, encoding: find("grpc-encoding") ?? "" })
      : null,
  };
}

/** `application/grpc`, alone or with `+proto`, `;charset` and the like. grpc-web is another protocol. */
function isGrpcType(contentType: string): boolean {
  const type = contentType.toLowerCase();
  if (!type.startsWith("application/grpc")) return false;
  const next = type.charAt("application/grpc".length);
  return next === "" || next === "+" || next === ";";
}

function toEncoding(name: string | undefined): Encoding {
  if (name === undefined || name === "identity" || name === "") return Encoding.identity;
  return name === "gzip" ? Encoding.gzip : Encoding.unknown;
}

function toLength(text: string | undefined): number | null {
  return text !== undefined && DIGITS.test(text) ? Number(text) : null;
}

/** What sections 8.2 and 8.3 forbid, in words; null if nothing. */
function findFault(names: readonly string[], values: readonly string[]): string | null {
  let regular = false;
  const seen = new Set<string>();
  for (const [at, name] of names.entries()) {
    const value = values[at] ?? "";
    if (FORBIDDEN_VALUE.test(value)) return `a control character in ${name}`;
    if (name.startsWith(":")) {
      if (regular) return `${name} after a regular field`;
      if (!PSEUDO_FIELDS.has(name)) return `${name} in a request`;
      if (seen.has(name)) return `${name} twice`;
      seen.add(name);
    } else {
      regular = true;
      const fault = findFieldFault(name, value);
      if (fault !== null) return fault;
    }
  }
  const path = values[names.indexOf(":path")];
  if (!seen.has(":method") || !seen.has(":scheme")) return "a pseudo-header is missing";
  if (path === undefined || path === "") return "no :path";
  return null;
}

function findFieldFault(name: string, value: string): string | null {
  if (!NAME.test(name)) return "a field name with characters outside a lower-case token";
  if (CONNECTION_FIELDS.has(name)) return `${name} belongs to HTTP/1.1`;
  if (name === "te" && value !== "trailers") return "te other than trailers";
  if (name === "content-length" && !DIGITS.test(value)) return "a content-length that is no number";
  return null;
}

/** Trailers may hold no pseudo-header and obey the same rules for names. */
export function hasFaultyTrailers(
  names: readonly string[],
  values: readonly string[],
  count: number,
): boolean {
  for (let at = 0; at < count; at++) {
    const name = names[at] ?? "";
    const value = values[at] ?? "";
    if (FORBIDDEN_VALUE.test(value) || findFieldFault(name, value) !== null) return true;
  }
  return false;
}

/** grpc-go's texts, which clients print. */
function findRefusal(
  router: Router,
  method: Method | null,
  request: { readonly verb: string; readonly path: string; readonly encoding: string },
): Refusal | null {
  if (request.verb !== "POST") {
    return {
      status: Status.internal,
      text: `http2Server.operateHeaders parsed a :method field: ${request.verb} which should be POST`,
    };
  }
  if (method === null)
    return { status: Status.unimplemented, text: unknownMethod(router, request.path) };
  if (toEncoding(request.encoding) === Encoding.unknown) {
    const name = JSON.stringify(request.encoding);
    return {
      status: Status.unimplemented,
      text: `grpc: Decompressor is not installed for grpc-encoding ${name}`,
    };
  }
  return null;
}

function unknownMethod(router: Router, path: string): string {
  const name = path.startsWith("/") ? path.slice(1) : path;
  const slash = name.lastIndexOf("/");
  if (slash < 0) return `malformed method name: ${JSON.stringify(path)}`;
  const service = name.slice(0, slash);
  const prefix = `/${service}/`;
  for (const known of router.keys()) {
    if (known.startsWith(prefix))
      return `unknown method ${name.slice(slash + 1)} for service ${service}`;
  }
  return `unknown service ${service}`;
}
