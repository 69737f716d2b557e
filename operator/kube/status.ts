/** What the API server answers instead of an object, as a `KubeError`. */
import { KubeError, type KubeErrorCode } from "./api.ts";

/** `meta/v1 Status`, as far as it is read. */
export interface Status {
  readonly kind: "Status";
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly name?: string; readonly retryAfterSeconds?: number };
}

/** A rejected object may be told of field by field; what is longer helps nobody. */
const TEXT_CHARS_MAX = 3000;

const CODES: Readonly<Record<number, KubeErrorCode>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
  405: "invalid",
  406: "invalid",
  408: "timeout",
  409: "conflict",
  410: "expired",
  413: "invalid",
  415: "invalid",
  422: "invalid",
  429: "tooManyRequests",
  502: "unavailable",
  503: "unavailable",
  504: "timeout",
};

export function isStatus(value: unknown): value is Status {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "Status";
}

/** `body` is parsed JSON, or text where it was none; `retryAfter` is the header's, in seconds. */
export function errorOf(status: number, body: unknown, retryAfter: number | null): KubeError {
  const parsed = isStatus(body) ? body : null;
  const message = parsed?.message ?? (typeof body === "string" ? body.trim() : "");
  return new KubeError(
    codeOf(status, parsed?.reason),
    message === "" ? `HTTP status ${status}` : message.slice(0, TEXT_CHARS_MAX),
    {
      status,
      retryAfter: retryAfter ?? parsed?.details?.retryAfterSeconds ?? null,
      object: parsed?.details?.name ?? null,
    },
  );
}

function codeOf(status: number, reason: string | undefined): KubeErrorCode {
  if (reason === "AlreadyExists") return "alreadyExists";
  if (reason === "Timeout" || reason === "ServerTimeout") return "timeout";
  if (reason === "Expired" || reason === "Gone") return "expired";
  const code = CODES[status];
  if (code !== undefined) return code;
  return status >= 400 && status < 500 ? "invalid" : "internal";
}
