/** How long work shares the loop: who slices it asks here when to stop, and how to come back. */
export interface Pace {
  /** Monotonic milliseconds, fractions allowed. */
  now(): number;
  /** Resolves in a later turn, after what is already waiting for the loop. */
  turn(): Promise<void>;
  /** Resolves after so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}

/** A slice of a long read ends after this. */
export const SLICE_MS = 4;
