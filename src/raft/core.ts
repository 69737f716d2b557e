/** What a member of Raft holds in memory: the state that the roles and protocols, each in a file of its own, work on. */
import { assert } from "../base/assert.ts";
import type { Logger, Random } from "../base/ports.ts";
import { Log } from "./log.ts";
import { assertMembership, isMember, isVoter } from "./membership.ts";
import type { Message, ProposeMessage } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { ReadState } from "./ready.ts";
import type { RaftStorage } from "./storage.ts";
import type { Entry, Index, MemberId, Membership, Term } from "./types.ts";
import { NO_MEMBER } from "./types.ts";

export interface RaftConfig {
  readonly id: MemberId;
  readonly storage: RaftStorage;
  readonly random: Random;
  readonly logger: Logger;
  /** A follower that hears nothing campaigns after this many ticks, up to twice as many (exclusive), at random. */
  readonly electionTicks: number;
  /** Invariant: heartbeatTicks < electionTicks. */
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Index up to which the state machine is durable at start. */
  readonly applied: Index;
  /** The state at `applied` says that this member was removed: see `Core.leaving`. Default false. */
  readonly removed?: boolean;
  /** Data bytes of one append message; a larger entry travels alone. */
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Data bytes not yet committed beyond which a leader refuses proposals; one is always taken. */
  readonly uncommittedBytesMax: number;
  /** Entries kept in memory after they are durable, so that followers are served without reading the log. */
  readonly cachedBytesMax: number;
}

/** What became of an input, as far as it is known at once. */
export type StepOutcome =
  | "done"
  /** Nobody to hand it to: not done, and not remembered. */
  | "noLeader"
  /** Too much is not yet committed: try again later. */
  | "overBudget"
  /** A change of membership is, or may be, not yet applied. */
  | "membershipPending"
  /** Leadership is being handed over. */
  | "transferring"
  /** This member, or the target of a transfer, cannot lead. */
  | "notVoter";

export type Proposal = Pick<Entry, "kind" | "data">;

export interface FollowerRole {
  readonly kind: "follower";
  readonly leader: MemberId;
  /** Reads of this turn, not yet asked for. */
  fresh: number[];
  /** Asked and not yet answered, by the number they were asked with. */
  readonly asked: Map<number, AskedReads>;
  /** Proposals of this turn, not yet forwarded. */
  forward: Proposal[];
}

export interface AskedReads {
  readonly requests: readonly number[];
  /** `Core.ticks` when they were asked. */
  readonly since: number;
}

export interface CandidateRole {
  readonly kind: "preCandidate" | "candidate";
  readonly ballots: Map<MemberId, boolean>;
}

/** A read that waits: our own request (`from` is this member), or one that a follower asked for. */
export interface PendingRead {
  readonly from: MemberId;
  readonly request: number;
  /** `Core.ticks` when it came. */
  readonly since: number;
}

export interface ReadBatch {
  readonly context: number;
  /** The commit when the batch was formed: at or above that of the moment each of its reads came. */
  readonly index: Index;
  readonly reads: readonly PendingRead[];
}

export interface LeaderRole {
  readonly kind: "leader";
  /** The empty entry that opened this term. Only entries from here on are counted for commit (section 5.4.2). */
  readonly opened: Index;
  /**
   * Whether this member's vote for itself is known to be durable. Elected by others it is: the requests left only after it
   * was. A lone voter elects itself at once; were it to send entries and crash before its term is on disk, it would later fill
   * the same term with other entries. So nothing leaves until `opened` is durable, which includes the hard state before it.
   */
  voteDurable: boolean;
  /** Everyone but this member. `others` holds the same, in order of membership. */
  readonly progress: Map<MemberId, Progress>;
  others: Progress[];
  /** NO_MEMBER unless leadership is being handed over. */
  transferTarget: MemberId;
  /** The target has the whole log and is due its order to campaign. */
  transferDue: boolean;
  /** Index of the last entry that may change the membership. At most one such entry is not applied. */
  membershipIndex: Index;
  /** Data bytes of own-term entries not yet handed out as committed. */
  uncommittedBytes: number;
  /** Heartbeats leave with the next Ready. */
  heartbeatDue: boolean;
  /** Reads of this turn, or from before the term's first commit. */
  fresh: PendingRead[];
  /** Waiting for a quorum, contexts ascending. */
  batches: ReadBatch[];
  /** The newest context given out. */
  context: number;
}

export type Role = FollowerRole | CandidateRole | LeaderRole;

export class Core {
  readonly config: RaftConfig;
  readonly id: MemberId;
  readonly log: Log;
  term: Term;
  /** Whom this member voted for in `term`. */
  vote: MemberId;
  role: Role;
  membership: Membership;
  /** Index at which `membership` took effect. */
  membershipAt: Index;
  /**
   * This member applied its own removal. Its log may be needed nevertheless. Of voters 2 and 3, (1) leader 2 proposes its
   * removal at 329 and a write at 330; (2) 3 acknowledges 329, which 2 commits and applies; (3) 330 and the news of the commit
   * are lost. 3 still counts 2 as a voter, and 2 refuses its vote because 330 makes its own log the longer one. So 2 leads on
   * for those who stay, without counting itself, takes no more proposals, and hands over; and where it leads no more, because
   * it crashed at (2), it stands for election by the votes of those who stay, who share a voter with any quorum before or
   * after. The world ends this member once a quorum of those who stay has applied the removal.
   */
  leaving: boolean;
  /** Ticks since start. */
  ticks = 0;
  /** Followers and candidates: since the leader was heard of, or the campaign began. Leaders: since the last quorum check. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** electionTicks <= electionTimeout < 2 * electionTicks. */
  electionTimeout = 0;
  /** The number of the next batch of reads asked of a leader. Starts at random: an answer to a former run must not fit. */
  nextAsk: number;

  send: Message[] = [];
  sendAfterSync: Message[] = [];
  reads: ReadState[] = [];
  readsLost: number[] = [];
  /** The leader whose heartbeat is to be answered with this Ready; NO_MEMBER if none. */
  heartbeatFrom: MemberId = NO_MEMBER;
  heartbeatContext = 0;
  /** The role may have something to say when the Ready is built. */
  dirty = false;

  constructor(config: RaftConfig) {
    assert(config.id !== NO_MEMBER, "a member has an id");
    assert(config.heartbeatTicks > 0, "heartbeats take time");
    assert(config.heartbeatTicks < config.electionTicks, "a leader is heard before it is given up");
    const { hardState, membership } = config.storage.initial();
    assertMembership(membership);
    this.config = config;
    this.id = config.id;
    this.log = new Log(config.storage, hardState, config);
    assert(this.log.lastTerm <= hardState.term, "the log holds no entry of a term to come");
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membership = membership;
    this.membershipAt = config.applied;
    this.leaving = config.removed === true;
    this.nextAsk = config.random.between(1, 2 ** 48);
    this.role = makeFollower(NO_MEMBER);
    this.electionTimeout = this.randomTimeout();
  }

  /** Who leads, as far as is known; NO_MEMBER otherwise. */
  get leader(): MemberId {
    switch (this.role.kind) {
      case "follower":
        return this.role.leader;
      case "leader":
        return this.id;
      default:
        return NO_MEMBER;
    }
  }

  /** May stand for election: a voter, or one removed, that has adopted whatever state it accepted. */
  get promotable(): boolean {
    return (this.leaving || isVoter(this.membership, this.id)) && !this.log.restoring;
  }

  /** Who takes part from `index` on. Ids are never used again: who was a voter and is not a member any more was removed. */
  adoptMembership(index: Index, membership: Membership): void {
    if (isVoter(this.membership, this.id)) this.leaving = !isMember(membership, this.id);
    this.membership = membership;
    this.membershipAt = index;
  }

  randomTimeout(): number {
    const { electionTicks, random } = this.config;
    return random.between(electionTicks, 2 * electionTicks);
  }

  /** Starts the count to the next election anew. */
  resetElapsed(): void {
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.electionTimeout = this.randomTimeout();
  }
}

export function makeFollower(leader: MemberId): FollowerRole {
  return { kind: "follower", leader, fresh: [], asked: new Map(), forward: [] };
}

/** A follower's proposals of one turn, as one message. */
export function makePropose(
  core: Core,
  to: MemberId,
  entries: readonly Proposal[],
): ProposeMessage {
  return { kind: "propose", from: core.id, to, term: core.term, entries };
}
