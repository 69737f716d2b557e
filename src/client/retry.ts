/**
 * When a call may be made again: a pure table. A read may be repeated whenever somebody else might answer it. A write is
 * repeated only where it is certain that it was not and will not be applied, so that no write is applied twice.
 */
import { API_ERRORS } from "../api/catalogue.ts";
import type { ErrorCode } from "../base/errors.ts";

/** A "local" call is a read that one member answers out of itself: it needs no leader. */
export type CallKind = "read" | "local" | "write";

/** How one attempt failed. */
export interface Failure {
  readonly code: ErrorCode;
  readonly text: string;
  /** False: no byte of the request can have reached a member. */
  readonly sent: boolean;
}

/** What follows: another member, a new token and the same again, or the end. */
export type Verdict = "elsewhere" | "authenticate" | "fail";

/** What a verdict depends on besides the failure. */
export interface Circumstances {
  /** There is a name and a password to get another token with. */
  readonly hasCredentials: boolean;
  /** There are further members to ask. */
  readonly hasOthers: boolean;
}

/** The token is worth nothing here: nothing was done. */
const TOKEN_REFUSED: ReadonlySet<string> = new Set([
  API_ERRORS.invalidAuthToken.text,
  API_ERRORS.authOldRevision.text,
  API_ERRORS.userEmpty.text,
]);

/** etcd's texts that leave open whether a proposal will be applied. */
const UNCERTAIN: ReadonlySet<string> = new Set([
  API_ERRORS.stopped.text,
  API_ERRORS.leaderChanged.text,
  API_ERRORS.timeout.text,
  API_ERRORS.timeoutLeaderFail.text,
  API_ERRORS.timeoutConnectionLost.text,
  API_ERRORS.timeoutWaitApplied.text,
  API_ERRORS.timeoutLeaderTransfer.text,
  API_ERRORS.requestCancelled.text,
  API_ERRORS.canceled.text,
]);

/** Codes by which a server says that it refused, whatever the text. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "invalidArgument",
  "notFound",
  "alreadyExists",
  "permissionDenied",
  "failedPrecondition",
  "outOfRange",
  "unimplemented",
  "unauthenticated",
] as const);

/** Codes after which another member may well answer a read. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set([
  "unavailable",
  "deadlineExceeded",
  "cancelled",
] as const);

/** grpc-js fails calls with these before anything leaves, or where the server promised not to have looked (REFUSED_STREAM). */
const UNSENT_TEXTS = [
  "No connection established",
  "Name resolution failed",
  "Channel closed before call started",
  "Stream refused by server",
];

/** Whether a transport's complaint proves that the request did not go out. */
export function provesUnsent(text: string): boolean {
  return UNSENT_TEXTS.some((start) => text.startsWith(start));
}

export function judge(kind: CallKind, failure: Failure, given: Circumstances): Verdict {
  if (!failure.sent) return "elsewhere";
  if (TOKEN_REFUSED.has(failure.text)) {
    // Without a password of ours the identity is a certificate's, whose rights may just have changed.
    const again = given.hasCredentials || failure.text === API_ERRORS.authOldRevision.text;
    return again ? "authenticate" : "fail";
  }
  // Both are said before anything is proposed.
  if (failure.text === API_ERRORS.noLeader.text) return "elsewhere";
  if (failure.text === API_ERRORS.notSupportedForLearner.text)
    return given.hasOthers ? "elsewhere" : "fail";
  if (kind !== "write" && TRANSIENT.has(failure.code)) return "elsewhere";
  return "fail";
}

/** Whether a failed attempt leaves open what became of the request. */
export function isOutcomeUnknown(kind: CallKind, failure: Failure): boolean {
  if (kind !== "write" || !failure.sent || REFUSALS.has(failure.code)) return false;
  if (UNCERTAIN.has(failure.text)) return true;
  return !failure.text.startsWith("etcdserver: ");
}

/** A stream that ended this way is worth opening again. */
export function isStreamRetryable(code: ErrorCode): boolean {
  return TRANSIENT.has(code) || code === "internal";
}

const BACKOFF_FIRST_MS = 25;
const BACKOFF_MAX_MS = 1_000;

/** Milliseconds before the next round over the members, `round` from 0; `random` is uniform in [0, 1). */
export function backoffMs(round: number, random: number): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** round);
  return full * (0.75 + random / 2);
}
