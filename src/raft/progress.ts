/**
 * A follower as its leader sees it.
 *
 *            rejected, unreachable
 *          +------------------------+
 *          v                        |
 *      +-------+   accepted    +-----------+
 *      | probe | ------------> | replicate |
 *      +-------+               +-----------+
 *        |   ^                    |     ^
 *        |   | snapshot sent,     |     | accepted at or
 *        |   | or failed          |     | beyond our first
 *        v   |                    v     |
 *      +------------------------------------+
 *      |              snapshot              |
 *      +------------------------------------+
 *
 * probe: one append a round trip, until it is known where the logs agree. replicate: appends are pipelined within the window.
 * snapshot: nothing is sent; the follower needs entries that the log no longer holds.
 */
import { assert } from "../base/assert.ts";
import { Inflights } from "./inflights.ts";
import { NO_INDEX, plus } from "./types.ts";
import type { Index, MemberId } from "./types.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  readonly id: MemberId;
  /** What is in flight; empty unless replicating. */
  readonly inflights: Inflights;
  isLearner: boolean;
  state: ProgressState = "probe";
  /** Last index known to agree and to be durable there. Invariant: match < next. */
  match: Index = NO_INDEX;
  /** First index to send next. Probing: the guess under test is next - 1. Invariant: next <= our last + 1. */
  next: Index;
  /** Highest commit the follower was told of, or could use. Lowered when what told it may be lost. */
  sentCommit: Index = NO_INDEX;
  /** Index of the state on its way. Only in state snapshot, 0 otherwise. */
  pendingSnapshot: Index = NO_INDEX;
  /** Nothing more is sent until an answer comes: a probe is out, or the window is full. */
  waiting = false;
  /** An append is due even if it carries nothing: a probe, or a nudge through a full window. */
  nudge = false;
  /** Heard from since the leader last looked (check-quorum). */
  recentlyActive: boolean;
  /** Highest read context echoed in this term. */
  readAck = 0;

  constructor(id: MemberId, next: Index, options: ProgressOptions) {
    this.id = id;
    this.next = next;
    this.isLearner = options.isLearner;
    this.recentlyActive = options.recentlyActive;
    this.inflights = new Inflights(options.inflightMessagesMax, options.inflightBytesMax);
  }

  /** No entries may be sent now. */
  get paused(): boolean {
    return this.state === "snapshot" || this.waiting;
  }

  becomeProbe(): void {
    // A state that arrived makes its end the best guess; one that failed has cleared pendingSnapshot.
    const guess =
      this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#enter("probe");
    this.next = plus(guess as Index, 1);
    this.#forgetCommit();
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = plus(this.match, 1);
  }

  becomeSnapshot(index: Index): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = plus(index, 1);
    this.sentCommit = index;
  }

  /** An append of `count` entries left. */
  sent(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "nothing is appended while a state is on its way");
    if (this.state === "probe") {
      this.waiting = true;
      return;
    }
    if (count > 0) {
      this.next = plus(this.next, count);
      this.inflights.add(plus(this.next, -1), bytes);
    }
    this.waiting = this.inflights.full;
  }

  /** The follower holds everything up to `index`. Returns whether that is news. */
  maybeMatch(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = plus(index, 1);
    this.waiting = false;
    return true;
  }

  /**
   * The follower refused an append after `rejected` and believes that the logs may agree at `hint`. Returns whether that is
   * news: replicating, an index at or below match was overtaken by its acceptance; probing, only the guess under test counts.
   */
  maybeBackOff(rejected: Index, hint: Index): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = plus(this.match, 1);
      this.#forgetCommit();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1) as Index;
    this.#forgetCommit();
    this.waiting = false;
    return true;
  }

  /** Telling `commit` now could move the follower's commit, and it was not told. */
  wantsCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.waiting = false;
    this.pendingSnapshot = NO_INDEX;
    this.inflights.clear();
  }

  #forgetCommit(): void {
    this.sentCommit = Math.min(this.sentCommit, this.next - 1) as Index;
  }
}

export interface ProgressOptions {
  readonly isLearner: boolean;
  readonly recentlyActive: boolean;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
}
