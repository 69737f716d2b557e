/**
 * What a transfer says when it ends: one line of JSON in its container's termination message, which the operator reads from the
 * pod. It is all that is known of a transfer that is over.
 */
import { StoreError, type StoreErrorKind } from "../store.ts";

/** Why a transfer failed, for programs: reasons of conditions and Events. */
export type FailureReason =
  | "StoreUnreachable"
  | "StoreCredentials"
  | "StoreDenied"
  | "NotFound"
  | "StoreConflict"
  | "StoreFull"
  | "StoreFailed"
  /** No quorum, or no member that could be read from. */
  | "ClusterUnavailable"
  /** Bytes that are not what they claim to be. */
  | "SnapshotDamaged"
  /** The volume to restore to has no room, or holds data that are not to be replaced. */
  | "VolumeFull"
  | "VolumeInUse"
  | "DeadlineExceeded"
  | "Interrupted"
  | "Misconfigured"
  | "Failed";

export interface BackupResult {
  readonly kind: "backup";
  readonly uri: string;
  readonly member: string;
  readonly revision: number;
  readonly clusterId: string;
  readonly serverVersion: string;
  readonly authEnabled: boolean;
  readonly sizeBytes: number;
  readonly storedBytes: number;
  /** SHA-256 of the stored file. */
  readonly sha256: string;
  readonly verified: boolean;
  /** How long this attempt took. */
  readonly seconds: number;
}

export interface RestoreResult {
  readonly kind: "restore";
  /** Of the restored cluster: hexadecimal. */
  readonly clusterId: string;
  readonly memberId: string;
  /** That the restored cluster begins with. */
  readonly revision: number;
  readonly sizeBytes: number;
  readonly seconds: number;
}

export interface VerifyResult {
  readonly kind: "verify";
  readonly uri: string;
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly sha256: string;
  readonly seconds: number;
}

export interface DeleteResult {
  readonly kind: "delete";
  /** Objects that were there. */
  readonly deleted: number;
}

export interface TransferFailure {
  readonly kind: "failure";
  readonly reason: FailureReason;
  readonly message: string;
}

export type TransferResult =
  | BackupResult
  | RestoreResult
  | VerifyResult
  | DeleteResult
  | TransferFailure;

/** Kubernetes cuts termination messages after 4096 bytes: a longer one would not parse. */
const MESSAGE_BYTES_MAX = 3_000;

export function encodeResult(result: TransferResult): string {
  if (result.kind !== "failure") return JSON.stringify(result);
  const message = cut(result.message, MESSAGE_BYTES_MAX);
  return JSON.stringify({ ...result, message });
}

function cut(text: string, bytesMax: number): string {
  // A character is six bytes at most as JSON writes it.
  return Buffer.byteLength(text) * 2 <= bytesMax ? text : `${text.slice(0, bytesMax / 6)}…`;
}

/** Null: the text is no result, so the transfer ended without a word (killed, evicted, out of memory). */
export function decodeResult(text: string): TransferResult | null {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("kind" in parsed)) return null;
    return KINDS.has(String(parsed.kind)) ? (parsed as TransferResult) : null;
  } catch {
    return null;
  }
}

const KINDS: ReadonlySet<string> = new Set(["backup", "restore", "verify", "delete", "failure"]);

/** Thrown inside of a transfer where nobody else's error says enough. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

const REASONS: Readonly<Record<StoreErrorKind, FailureReason>> = {
  unreachable: "StoreUnreachable",
  credentials: "StoreCredentials",
  denied: "StoreDenied",
  notFound: "NotFound",
  conflict: "StoreConflict",
  full: "StoreFull",
  aborted: "Interrupted",
  failed: "StoreFailed",
};

/** Whatever was thrown, as what to tell. */
export function toFailure(thrown: unknown): TransferFailure {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof TransferError) return { kind: "failure", reason: thrown.reason, message };
  if (thrown instanceof StoreError)
    return { kind: "failure", reason: REASONS[thrown.kind], message };
  return { kind: "failure", reason: "Failed", message };
}

/** What trying again does not mend. */
const LASTING: ReadonlySet<FailureReason> = new Set([
  "Misconfigured",
  "StoreConflict",
  "VolumeInUse",
]);
/** Of those that read what was stored long ago, and have fetched it twice. A cluster may wait for them, or stand still. */
const LASTING_OF_READERS: ReadonlySet<FailureReason> = new Set(["NotFound", "SnapshotDamaged"]);
const READERS: ReadonlySet<string> = new Set(["restore", "verify"]);

const EXIT_FAILURE = 1;
/** Jobs do not try again after it: the builder of Jobs names it in their failure policy. */
export const EXIT_LASTING = 2;

/** Of the process; `command` is what came after "transfer". */
export function exitCodeOf(result: TransferResult, command: string): number {
  if (result.kind !== "failure") return 0;
  const isLasting =
    LASTING.has(result.reason) || (READERS.has(command) && LASTING_OF_READERS.has(result.reason));
  return isLasting ? EXIT_LASTING : EXIT_FAILURE;
}
