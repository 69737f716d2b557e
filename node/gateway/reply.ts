/** How the gateway's replies look: statuses, headers and failures as grpc-gateway writes them. */
import { GRPC_STATUS } from "../../src/api/catalogue.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { HttpStream } from "../../src/grpc/service.ts";
import { quoteJson } from "./json-encode.ts";

export interface Failure {
  /** gRPC status. */
  readonly code: number;
  readonly text: string;
}

/** By gRPC status, from OK on. */
const HTTP_STATUS = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

export const JSON_HEADERS = { "content-type": "application/json" } as const;
export const OK_HEADERS = {
  "content-type": "application/json",
  "grpc-metadata-content-type": "application/grpc",
} as const;

export function httpStatus(code: number): number {
  return HTTP_STATUS[code] ?? 500;
}

export function toFailure(thrown: unknown): Failure {
  const { code, message } = QuorateError.from(thrown);
  return { code: GRPC_STATUS[code], text: message };
}

export function failureJson({ code, text }: Failure, escapeHtml: boolean): string {
  return `{"code":${code}${text === "" ? "" : `,"message":${quoteJson(text, escapeHtml)}`}}`;
}

/** Answers with a failure and nothing else. */
export function respondWith(
  stream: HttpStream,
  failure: Failure,
  headers: Readonly<Record<string, string>>,
): void {
  const challenge: Record<string, string> =
    failure.code === 16 ? { "www-authenticate": failure.text.replaceAll(/[^ -~]/g, "?") } : {};
  stream.respond({
    status: httpStatus(failure.code),
    headers: { ...headers, ...JSON_HEADERS, ...challenge },
    body: failureJson(failure, false),
  });
}

/** Waiting bytes of a reply beyond which its message is rendered no further. */
export const QUEUED_BYTES_MAX: number = 256 * 1024;
