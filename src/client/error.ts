/** What a call of the client fails with: one class, whatever failed. */
import { API_ERRORS, GRPC_STATUS, type ApiErrorName } from "../api/catalogue.ts";
import type { ErrorCode } from "../base/errors.ts";

export type { ApiErrorName, ErrorCode };

/** The numbers of gRPC, back to our names. Codes that are ours alone share a number, and do not come over the wire. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.entries(GRPC_STATUS) as [ErrorCode, number][])
    .filter(([code]) => code !== "corruption" && code !== "storage" && code !== "configuration")
    .map(([code, status]) => [status, code]),
);

/** gRPC's number as a code; what nobody defined is "unknown". */
export function codeOfStatus(status: number): ErrorCode {
  return CODES.get(status) ?? "unknown";
}

export interface ClientErrorDetails {
  readonly cause?: unknown;
  /** A write may have been applied, or may be yet. */
  readonly outcomeUnknown?: boolean;
  /** Who answered, or did not. */
  readonly endpoint?: string | null;
}

/** A call that failed. `code` is gRPC's; `message` is the server's text where a server spoke, and etcd's for what etcd knows. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  readonly code: ErrorCode;
  /** True where a write may or may not have been applied: read before writing again. Never true for a read. */
  readonly outcomeUnknown: boolean;
  /** The member that was asked last, as it is written in the endpoints; null where none was. */
  readonly endpoint: string | null;

  constructor(code: ErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.outcomeUnknown = details.outcomeUnknown ?? false;
    this.endpoint = details.endpoint ?? null;
  }

  /** Whether it is this one of etcd's errors: `error.is("leaseNotFound")`. */
  is(name: ApiErrorName): boolean {
    return this.message === API_ERRORS[name].text;
  }
}

/** The revisions that were asked for are gone. A watch that meets it begins again with a read. */
export class CompactedError extends ClientError {
  override readonly name: string = "CompactedError";
  /** The oldest revision that can still be read; 0 where the server did not say. */
  readonly compactRevision: number;

  constructor(compactRevision: number, details: ClientErrorDetails = {}) {
    super("outOfRange", API_ERRORS.compacted.text, details);
    this.compactRevision = compactRevision;
  }
}

/** The caller's signal was aborted, or the client closed. `cause` is the signal's reason. */
export function abortedError(signal: AbortSignal, details: ClientErrorDetails = {}): ClientError {
  if (signal.reason instanceof ClientError) return signal.reason;
  return new ClientError("cancelled", "the call was aborted", {
    ...details,
    cause: signal.reason,
  });
}

/** Any thrown value as a ClientError: itself, or an "unknown" with the value as cause. */
export function toClientError(thrown: unknown): ClientError {
  if (thrown instanceof ClientError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ClientError("unknown", message, { cause: thrown });
}

/** What Go prints of a status, and etcd gives as the reason of a canceled watch; null where it is no such text. */
export function statusTextError(text: string, endpoint: string | null): ClientError | null {
  const [, name, description] = /^rpc error: code = (\w+) desc = (.*)$/s.exec(text) ?? [];
  if (name === undefined || description === undefined) return null;
  const code = `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
  const known = code === "canceled" ? "cancelled" : code;
  return new ClientError(isErrorCode(known) ? known : "unknown", description, { endpoint });
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(GRPC_STATUS, text);
}
