/** Seeds that once failed, each with what it found. They run first, for good. */
export interface KnownSeed {
  readonly seed: number;
  /** What was wrong, in one sentence. */
  readonly found: string;
}

export const KNOWN_SEEDS: readonly KnownSeed[] = [];
