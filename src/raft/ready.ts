/** What the core wants done. Taken with `Raft.ready()`, which counts it as taken: there is no second hand-out. */
import type { Message } from "./message.ts";
import type { Entry, HardState, Index, MemberId, SnapshotMark, Term } from "./types.ts";

/** What may change at any time and need not survive. */
export interface SoftState {
  readonly role: "follower" | "preCandidate" | "candidate" | "leader";
  /** NO_MEMBER if unknown. */
  readonly leader: MemberId;
  readonly term: Term;
}

/** A batch of linearizable reads confirmed: serve them once `index` is applied. */
export interface ReadState {
  /** The number given to `read`. */
  readonly request: number;
  readonly index: Index;
}

export interface Ready {
  /** To be made durable, in one batch with `hardState`. Replaces what the log holds from append[0].index on. Contiguous. */
  readonly append: readonly Entry[];
  /** Null if unchanged since the last Ready. */
  readonly hardState: HardState | null;
  /** False: only `commit` moved, which may wait for the next batch. */
  readonly mustSync: boolean;
  /** May leave at once. */
  readonly send: readonly Message[];
  /**
   * Vote requests, votes and append acknowledgements: only once `append`, `hardState` and `snapshot` of this Ready and of
   * every Ready before it are durable. A Ready without `append` may still acknowledge what an earlier one is writing.
   */
  readonly sendAfterSync: readonly Message[];
  /** To be applied, in order. Invariant: durable here, contiguous, each handed out once. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
  /** Reads that cannot be confirmed (leader lost or changed): answer with an error, never retry in place. */
  readonly readsLost: readonly number[];
  /** Null if unchanged. */
  readonly softState: SoftState | null;
  /** A state was accepted in place of the log: adopt it, then reset the log to it, before anything else of this Ready. */
  readonly snapshot: SnapshotMark | null;
}

/**
 * What became durable: the last entry of the batch that was written (its term makes a stale report harmless), or the mark
 * where the log was reset to a state. Every batch that holds `append` or `snapshot` is reported once, in order; several Readys
 * written as one batch are one report, of the last entry.
 */
export interface Persisted {
  readonly index: Index;
  readonly term: Term;
}
