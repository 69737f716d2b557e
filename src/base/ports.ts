/** What the silent core asks of the noisy world. `node` answers with the real thing, `test/sim` with a seeded one. */

/** Monotonic time. */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back; fractions allowed. */
  now(): number;
}

/** A source of randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [from, end). */
  between(from: number, end: number): number;
}

/** Structured logging. Fields must be plain data, never a key's value nor a password. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
