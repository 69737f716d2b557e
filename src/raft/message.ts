/** What members say to each other. `term` is the sender's, except in pre-vote traffic, which names the term it asks about. */
import type { Entry, Index, MemberId, SnapshotMark, Term } from "./types.ts";

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

/** A leader's entries: those that follow (`previousIndex`, `previousTerm`). Empty: a probe, or news of `commit`. */
export interface AppendMessage extends Envelope {
  readonly kind: "append";
  readonly previousIndex: Index;
  readonly previousTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: Index;
  /** The leader knows what an acknowledgement would say: only a refusal is answered. Never with entries. */
  readonly quiet: boolean;
}

/** Answer to append. */
export interface AppendReply extends Envelope {
  readonly kind: "appendReply";
  /** Accepted: the last index known to match and durable. Rejected: the `previousIndex` that did not match. */
  readonly index: Index;
  readonly rejected: boolean;
  /** Rejected: where the follower's log may agree, by term conflict (section 5.3, whole terms a round trip). */
  readonly hintIndex: Index;
  readonly hintTerm: Term;
}

/** Keeps followers quiet and confirms reads: `context` is echoed, 0 for none. */
export interface HeartbeatMessage extends Envelope {
  readonly kind: "heartbeat";
  /** min(match of the receiver, commit). */
  readonly commit: Index;
  /** The newest read batch that waits for a quorum; a follower echoes it. Counts up within a term; 0 is none. */
  readonly context: number;
}
export interface HeartbeatReply extends Envelope {
  readonly kind: "heartbeatReply";
  readonly context: number;
}

export interface VoteMessage extends Envelope {
  readonly kind: "vote" | "preVote";
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  /** The election was ordered by the leader itself: answer even though a leader is alive. */
  readonly transfer: boolean;
}
export interface VoteReply extends Envelope {
  readonly kind: "voteReply" | "preVoteReply";
  readonly rejected: boolean;
}

/**
 * Offers a state instead of entries. The core names only the mark; whoever carries messages streams the state itself, and
 * steps this message at the receiver once the whole state is durable there.
 */
export interface SnapshotMessage extends Envelope {
  readonly kind: "snapshot";
  readonly mark: SnapshotMark;
}

/** A follower asks the leader for a read index (thesis, section 6.4); `request` is the follower's own number. */
export interface ReadIndexMessage extends Envelope {
  readonly kind: "readIndex";
  readonly request: number;
}
export interface ReadIndexReply extends Envelope {
  readonly kind: "readIndexReply";
  readonly request: number;
  readonly index: Index;
}

/** A follower's proposals, forwarded to the leader once; dropped silently where there is none. */
export interface ProposeMessage extends Envelope {
  readonly kind: "propose";
  readonly entries: readonly Pick<Entry, "kind" | "data">[];
}

/** The leader orders the receiver to campaign at once (thesis, section 3.10). */
export interface TimeoutNowMessage extends Envelope {
  readonly kind: "timeoutNow";
}

/** A follower asks the leader to hand over to `target`. */
export interface TransferMessage extends Envelope {
  readonly kind: "transfer";
  readonly target: MemberId;
}

export type Message =
  | AppendMessage
  | AppendReply
  | HeartbeatMessage
  | HeartbeatReply
  | VoteMessage
  | VoteReply
  | SnapshotMessage
  | ReadIndexMessage
  | ReadIndexReply
  | ProposeMessage
  | TimeoutNowMessage
  | TransferMessage;
