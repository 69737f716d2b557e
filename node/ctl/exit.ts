/** How `quorate ctl` ends: with etcdctl's exit codes, which scripts test. */

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
