/** Seeds that once failed, each with what it found. They run first, for good. */
export interface KnownSeed {
  readonly seed: number;
  /** What was wrong, in one sentence. */
  readonly found: string;
}

export const KNOWN_SEEDS: readonly KnownSeed[] = [
  {
    seed: 5157,
    found:
      "a leader that removed itself stopped before the last other voter heard of the commit, and that one could never lead: " +
      "a removed member must go on voting until a quorum of those who stay applied its removal",
  },
  {
    seed: 201,
    found:
      "a sole voter leads before its own vote is durable, so a crash lets it lead the term again: it must keep quiet until then",
  },
];
