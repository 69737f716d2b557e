/** What the core may read: the durable log and the state it grew from. Synchronous; answers never change under the core. */
import type { Entry, HardState, Index, Membership, SnapshotMark, Term } from "./types.ts";

export interface RaftStorage {
  /** What the last run left: read once, when the core is made. */
  initial(): { readonly hardState: HardState; readonly membership: Membership };
  /** Index of the first entry still held. Invariant: firstIndex() - 1 has a term, that of the compacted prefix. */
  firstIndex(): Index;
  /** Index of the last durable entry; firstIndex() - 1 if none. */
  lastIndex(): Index;
  /** Term of the entry, for firstIndex() - 1 <= index <= lastIndex(); null below (compacted) . */
  term(index: Index): Term | null;
  /**
   * Entries of [from, end), at least one, then as many as fit in `bytesMax` of data; null if `from` is compacted.
   * May read the log's files.
   */
  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null;
  /** The newest state that can be sent to a follower that needs entries below firstIndex(); null if none can be had now. */
  snapshot(): SnapshotMark | null;
}
