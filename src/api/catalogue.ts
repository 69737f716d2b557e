/**
 * What clients are told when a request fails: etcd's codes and exact texts (etcd v3.6, api/v3rpc/rpctypes/error.go and
 * server/etcdserver/api/v3rpc/util.go). Clients match on the text, so capitals and grammar are part of the protocol.
 */
import { QuorateError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";

/** One failure that clients know. Data, not an exception: refusing a request allocates nothing. */
export interface ApiError {
  readonly code: ErrorCode;
  readonly text: string;
}

function row(code: ErrorCode, text: string): ApiError {
  return { code, text: `etcdserver: ${text}` };
}

function bare(code: ErrorCode, text: string): ApiError {
  return { code, text };
}

const invalid = "invalidArgument";
const refused = "failedPrecondition";

/** The rows of the catalogue. */
export type ApiErrorName =
  | "emptyKey"
  | "keyNotFound"
  | "valueProvided"
  | "leaseProvided"
  | "tooManyOps"
  | "duplicateKey"
  | "invalidClientApiVersion"
  | "invalidSortOption"
  | "compacted"
  | "futureRevision"
  | "noSpace"
  | "requestTooLarge"
  | "tooManyRequests"
  | "leaseNotFound"
  | "leaseExists"
  | "leaseTtlTooLarge"
  | "watchCanceled"
  | "memberExists"
  | "peerUrlExists"
  | "notEnoughStarted"
  | "memberBadUrls"
  | "memberNotFound"
  | "memberNotLearner"
  | "learnerNotReady"
  | "tooManyLearners"
  | "clusterIdMismatch"
  | "rootUserNotExist"
  | "rootRoleNotExist"
  | "userExists"
  | "userEmpty"
  | "userNotFound"
  | "roleExists"
  | "roleNotFound"
  | "roleEmpty"
  | "authFailed"
  | "permissionNotGiven"
  | "permissionDenied"
  | "roleNotGranted"
  | "permissionNotGranted"
  | "authNotEnabled"
  | "invalidAuthToken"
  | "invalidAuthManagement"
  | "authOldRevision"
  | "noPasswordUser"
  | "passwordTooLong"
  | "verifyOnlyKey"
  | "noLeader"
  | "notLeader"
  | "leaderChanged"
  | "notCapable"
  | "stopped"
  | "timeout"
  | "timeoutLeaderFail"
  | "timeoutConnectionLost"
  | "timeoutWaitApplied"
  | "timeoutLeaderTransfer"
  | "unhealthy"
  | "corrupt"
  | "notSupportedForLearner"
  | "badLeaderTransferee"
  | "notPrimaryLessor"
  | "unknownMethod"
  | "wrongDowngradeFormat"
  | "invalidDowngradeTarget"
  | "clusterVersionUnavailable"
  | "downgradeInProcess"
  | "noInflightDowngrade"
  | "canceled"
  | "requestCancelled"
  | "contextCanceled"
  | "deadlineExceeded"
  | "electionNoLeader"
  | "electionNotLeader"
  | "electionLeaderMissing"
  | "lockSessionExpired";

export const API_ERRORS: Readonly<Record<ApiErrorName, ApiError>> = {
  emptyKey: row(invalid, "key is not provided"),
  keyNotFound: row(invalid, "key not found"),
  valueProvided: row(invalid, "value is provided"),
  leaseProvided: row(invalid, "lease is provided"),
  tooManyOps: row(invalid, "too many operations in txn request"),
  duplicateKey: row(invalid, "duplicate key given in txn request"),
  invalidClientApiVersion: row(invalid, "invalid client api version"),
  invalidSortOption: row(invalid, "invalid sort option"),
  compacted: row("outOfRange", "mvcc: required revision has been compacted"),
  futureRevision: row("outOfRange", "mvcc: required revision is a future revision"),
  noSpace: row("resourceExhausted", "mvcc: database space exceeded"),
  requestTooLarge: row(invalid, "request is too large"),
  /** Nominally RESOURCE_EXHAUSTED; every released server sends UNKNOWN, and clients go by the text. */
  tooManyRequests: row("unknown", "too many requests"),

  leaseNotFound: row("notFound", "requested lease not found"),
  leaseExists: row(refused, "lease already exists"),
  leaseTtlTooLarge: row("outOfRange", "too large lease TTL"),
  watchCanceled: row("cancelled", "watch canceled"),

  memberExists: row(refused, "member ID already exist"),
  peerUrlExists: row(refused, "Peer URLs already exists"),
  /** Nominally FAILED_PRECONDITION; every released server sends UNKNOWN. */
  notEnoughStarted: row("unknown", "re-configuration failed due to not enough started members"),
  memberBadUrls: row(invalid, "given member URLs are invalid"),
  memberNotFound: row("notFound", "member not found"),
  memberNotLearner: row(refused, "can only promote a learner member"),
  learnerNotReady: row(refused, "can only promote a learner member which is in sync with leader"),
  tooManyLearners: row(refused, "too many learner members in cluster"),
  clusterIdMismatch: row(refused, "cluster ID mismatch"),

  rootUserNotExist: row(refused, "root user does not exist"),
  rootRoleNotExist: row(refused, "root user does not have root role"),
  userExists: row(refused, "user name already exists"),
  userEmpty: row(invalid, "user name is empty"),
  userNotFound: row(refused, "user name not found"),
  roleExists: row(refused, "role name already exists"),
  roleNotFound: row(refused, "role name not found"),
  roleEmpty: row(invalid, "role name is empty"),
  authFailed: row(invalid, "authentication failed, invalid user ID or password"),
  permissionNotGiven: row(invalid, "permission not given"),
  permissionDenied: row("permissionDenied", "permission denied"),
  roleNotGranted: row(refused, "role is not granted to the user"),
  permissionNotGranted: row(refused, "permission is not granted to the role"),
  authNotEnabled: row(refused, "authentication is not enabled"),
  invalidAuthToken: row("unauthenticated", "invalid auth token"),
  invalidAuthManagement: row(invalid, "invalid auth management"),
  authOldRevision: row(invalid, "revision of auth store is old"),
  noPasswordUser: bare(
    "unknown",
    "auth: authentication failed, password was given for no password user",
  ),
  passwordTooLong: bare("unknown", "bcrypt: password length exceeds 72 bytes"),
  verifyOnlyKey: bare("unknown", "auth: token signing attempted with verify-only key"),

  noLeader: row("unavailable", "no leader"),
  notLeader: row(refused, "not leader"),
  leaderChanged: row("unavailable", "leader changed"),
  notCapable: row(refused, "not capable"),
  stopped: row("unavailable", "server stopped"),
  timeout: row("unavailable", "request timed out"),
  timeoutLeaderFail: row(
    "unavailable",
    "request timed out, possibly due to previous leader failure",
  ),
  timeoutConnectionLost: row("unavailable", "request timed out, possibly due to connection lost"),
  timeoutWaitApplied: row(
    "unavailable",
    "request timed out, waiting for the applied index took too long",
  ),
  timeoutLeaderTransfer: row("unknown", "request timed out, leader transfer took too long"),
  unhealthy: row("unavailable", "unhealthy cluster"),
  corrupt: row("dataLoss", "corrupt cluster"),
  notSupportedForLearner: row(refused, "rpc not supported for learner"),
  badLeaderTransferee: row(refused, "bad leader transferee"),
  notPrimaryLessor: bare("unknown", "not a primary lessor"),
  unknownMethod: row("unknown", "unknown method"),

  wrongDowngradeFormat: row(invalid, "wrong downgrade target version format"),
  invalidDowngradeTarget: row(invalid, "invalid downgrade target version"),
  clusterVersionUnavailable: row(refused, "cluster version not found during downgrade"),
  downgradeInProcess: row(refused, "cluster has a downgrade job in progress"),
  noInflightDowngrade: row(refused, "no inflight downgrade job"),

  /** What etcd's client library names; servers send `contextCanceled`. */
  canceled: row("cancelled", "request canceled"),
  /** The proposal was given up by the server itself. */
  requestCancelled: row("unknown", "request cancelled"),
  contextCanceled: bare("cancelled", "context canceled"),
  deadlineExceeded: bare("deadlineExceeded", "context deadline exceeded"),

  electionNoLeader: bare("unknown", "election: no leader"),
  electionNotLeader: bare("unknown", "election: not leader"),
  electionLeaderMissing: bare("unknown", '"leader" field must be provided'),
  lockSessionExpired: bare("unknown", "mutex: session is expired"),
};

/** gRPC status numbers (grpc/grpc doc/statuscodes.md). */
export const GRPC_STATUS: Readonly<Record<ErrorCode, number>> = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
  corruption: 15,
  logCorruption: 15,
  storage: 14,
  configuration: 9,
};

/** By gRPC status code, as Go and the metrics spell them. */
export const STATUS_NAMES: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** To be thrown where a failure must cross layers that do not know it. */
export function toError(error: ApiError, cause?: unknown): QuorateError {
  return new QuorateError(error.code, error.text, cause);
}

/** As Go prints a status: the cancel reason of a watch that was refused by its user's permissions. */
export function statusText(error: ApiError): string {
  return `rpc error: code = ${STATUS_NAMES[GRPC_STATUS[error.code]] ?? "Unknown"} desc = ${error.text}`;
}

/** What grpc-go answers to a request that does not decode. */
export function undecodable(cause: Error): ApiError {
  return bare("internal", `grpc: error unmarshalling request: ${cause.message}`);
}

/** Cancel reasons of watches: texts in a response, not statuses. */
export const WATCH_REASONS = {
  emptyRange: "mvcc: watcher range is empty",
  duplicateId: "mvcc: duplicate watch ID provided on the WatchStream",
  compacted: "etcdserver: mvcc: required revision has been compacted",
} as const;
