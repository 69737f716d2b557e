/** The words of Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014). */
import type { Brand } from "../base/brand.ts";

/** A leader's reign; counts up from 1, 0 before the first. */
export type Term = Brand<number, "Term">;
/** A position in the log; the first entry has index 1, 0 means none. */
export type Index = Brand<number, "Index">;
/** The position `by` places further (or back, if negative). */
export function plus(index: Index, by: number): Index {
  return (index + by) as Index;
}

/** A member's identity: opaque, 64 bits, never reused. 0n means none. */
export type MemberId = Brand<bigint, "MemberId">;

export const NO_TERM = 0 as Term;
export const NO_INDEX = 0 as Index;
export const NO_MEMBER = 0n as MemberId;

/** What an entry's data means to Raft. Wire and disk values: never renumber. */
export const EntryKind = { normal: 0, membership: 1 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** One slot of the replicated log. Born in `makeEntry` alone: one shape. `data` is never changed after birth. */
export interface Entry {
  readonly term: Term;
  readonly index: Index;
  readonly kind: EntryKind;
  /** Opaque to Raft. Empty in the entry by which a leader opens its term. */
  readonly data: Uint8Array;
}

export function makeEntry(term: Term, index: Index, kind: EntryKind, data: Uint8Array): Entry {
  return { term, index, kind, data };
}

/** What must be on disk before a vote or an acknowledgement leaves. Invariant: commit <= last index of the log. */
export interface HardState {
  readonly term: Term;
  /** Whom this member voted for in `term`; NO_MEMBER if nobody. */
  readonly vote: MemberId;
  readonly commit: Index;
}

/** Who takes part. Invariant: a member is a voter or a learner, never both; voters is empty only before bootstrap. */
export interface Membership {
  readonly voters: readonly MemberId[];
  /** Receive the log, count for nothing. */
  readonly learners: readonly MemberId[];
}

/** One change of membership: one at a time (Ongaro's thesis, section 4.1). Validated when it is applied. */
export type MembershipChange =
  | { readonly kind: "addVoter"; readonly id: MemberId }
  /** Also what promotes: a learner that is added as a voter becomes one. */
  | { readonly kind: "addLearner"; readonly id: MemberId }
  | { readonly kind: "remove"; readonly id: MemberId };

/** A point in the log from which a state was or can be taken: everything up to `index` applied. */
export interface SnapshotMark {
  readonly index: Index;
  readonly term: Term;
  /** Who takes part at `index`. */
  readonly membership: Membership;
}
