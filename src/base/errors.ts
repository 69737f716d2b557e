/**
 * The one error class. The code decides what happens; the text is for people, except etcd's exact texts, which live in
 * `src/api/catalogue.ts` alone.
 */
export type ErrorCode =
  | "cancelled"
  | "unknown"
  | "invalidArgument"
  | "deadlineExceeded"
  | "notFound"
  | "alreadyExists"
  | "permissionDenied"
  | "resourceExhausted"
  | "failedPrecondition"
  | "aborted"
  | "outOfRange"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "dataLoss"
  | "unauthenticated"
  /** Bytes at rest that fail their check: names the file and the offset. */
  | "corruption"
  /** As "corruption", in the log: what this member promised may be gone, so that it must not vote before it has it again. */
  | "logCorruption"
  /** What the disk refused: full, read-only, gone. */
  | "storage"
  /** A flag, a file or an argument that a person must change. */
  | "configuration";

export class QuorateError extends Error {
  override readonly name = "QuorateError";
  readonly code: ErrorCode;

  /** `cause` is kept for the log and never sent to a client. */
  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  /** Any thrown value as a QuorateError: itself, or an opaque "internal" with the value as cause. */
  static from(thrown: unknown): QuorateError {
    if (thrown instanceof QuorateError) return thrown;
    return new QuorateError(
      "internal",
      thrown instanceof Error ? thrown.message : String(thrown),
      thrown,
    );
  }
}
