/** What the SDK throws, as a `StoreError`: by the name of the protocol's error, of the SDK's, or by the code of the socket's. */
import { StoreError, type StoreErrorKind } from "./store.ts";

const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  AccessDenied: "denied",
  AccountProblem: "denied",
  AllAccessDisabled: "denied",
  AuthorizationHeaderMalformed: "failed",
  CredentialsProviderError: "credentials",
  ExpiredToken: "credentials",
  InvalidAccessKeyId: "credentials",
  InvalidToken: "credentials",
  SignatureDoesNotMatch: "credentials",
  TokenProviderError: "credentials",
  TokenRefreshRequired: "credentials",
  XAdminUserNotFound: "credentials",
  NoSuchBucket: "notFound",
  NoSuchKey: "notFound",
  NotFound: "notFound",
  QuotaExceeded: "full",
  XMinioStorageFull: "full",
  CERT_HAS_EXPIRED: "unreachable",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unreachable",
  EAI_AGAIN: "unreachable",
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ENOTFOUND: "unreachable",
  EPIPE: "unreachable",
  ERR_TLS_CERT_ALTNAME_INVALID: "unreachable",
  ETIMEDOUT: "unreachable",
  SELF_SIGNED_CERT_IN_CHAIN: "unreachable",
  TimeoutError: "unreachable",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unreachable",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unreachable",
};
const BY_STATUS: Readonly<Record<number, StoreErrorKind>> = {
  401: "credentials",
  403: "denied",
  404: "notFound",
  507: "full",
};

/** Where the error came from, for its message. */
export interface S3Place {
  readonly bucket: string;
  readonly endpoint: string | null;
}

export function toStoreError(
  thrown: unknown,
  place: S3Place,
  key: string | null = null,
  signal?: AbortSignal,
): StoreError {
  if (thrown instanceof StoreError) return thrown;
  const where = key === null ? `s3://${place.bucket}` : `s3://${place.bucket}/${key}`;
  if (signal?.aborted === true) return new StoreError("aborted", `${where}: aborted`, thrown);
  const kind = kindOf(thrown);
  const at = place.endpoint === null ? "" : ` at ${place.endpoint}`;
  return new StoreError(kind, `${where}${at}: ${describe(thrown)}`, thrown);
}

/** Looks into causes and parts as well: a refused connection to two addresses is an AggregateError. */
function kindOf(thrown: unknown, depth = 0): StoreErrorKind {
  if (!(thrown instanceof Error) || depth > 4) return "failed";
  const { name } = thrown;
  const code = "code" in thrown ? String(thrown.code) : "";
  const kind = KINDS[name] ?? KINDS[code] ?? BY_STATUS[statusOf(thrown)];
  if (kind !== undefined) return kind;
  const parts = [thrown.cause, ...(thrown instanceof AggregateError ? thrown.errors : [])];
  return (
    parts.map((part) => kindOf(part, depth + 1)).find((found) => found !== "failed") ?? "failed"
  );
}

function statusOf(thrown: Error): number {
  if (!("$metadata" in thrown)) return 0;
  const metadata: unknown = thrown.$metadata;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata))
    return 0;
  return Number(metadata.httpStatusCode);
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const parts = thrown instanceof AggregateError ? thrown.errors.map(describe).join(", ") : "";
  const { name } = thrown;
  const text = [thrown.message, parts].filter((part) => part !== "" && part !== name).join(": ");
  const isTelling = name !== "Error" && name !== "AggregateError" && !text.startsWith(name);
  return isTelling ? [name, text].filter((part) => part !== "").join(": ") : text;
}
