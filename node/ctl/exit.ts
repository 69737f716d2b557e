/** How `quorate ctl` ends: with etcdctl's exit codes, which scripts test, and in its words. */
import { API_ERRORS, statusText } from "../../src/api/catalogue.ts";
import { ClientError } from "../../src/client/client.ts";

export const Exit = {
  success: 0,
  error: 1,
  badConnection: 2,
  /** Standard input that is not understood. */
  invalidInput: 3,
  /** A flag with a value that does not fit the command. */
  badFeature: 4,
  interrupted: 5,
  badArgs: 128,
} as const;

/** Ends the command: `Error: <message>` on standard error, and this code. */
export class CtlError extends Error {
  override readonly name = "CtlError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function badArgs(message: string): CtlError {
  return new CtlError(Exit.badArgs, message);
}

const KNOWN: ReadonlySet<string> = new Set(Object.values(API_ERRORS).map(({ text }) => text));

/** What people are told of a failure: etcd's errors as they are, others with the code that they came with. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const isForeign = thrown instanceof ClientError && thrown.endpoint !== null;
  if (!isForeign || KNOWN.has(thrown.message)) return thrown.message;
  if (thrown.code === "deadlineExceeded" || thrown.code === "cancelled") return thrown.message;
  return statusText({ code: thrown.code, text: thrown.message });
}

const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOSPC: "no space left on device",
};

/** A file's error as Go tells it: `open PATH: no such file or directory`. */
export function fileMessage(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code, syscall, path } = thrown as NodeJS.ErrnoException;
  const text = ERRNO_TEXTS[code ?? ""];
  return text === undefined ? thrown.message : `${syscall ?? ""} ${path ?? ""}: ${text}`;
}
