/** What a member says of itself: for people, metrics and tests. */
import type { Core } from "./core.ts";
import type { Progress, ProgressState } from "./progress.ts";
import { countReads } from "./read-index.ts";
import type { SoftState } from "./ready.ts";
import { NO_MEMBER } from "./types.ts";
import type { Index, MemberId, Membership, Term } from "./types.ts";

export interface PeerStatus {
  readonly id: MemberId;
  readonly match: Index;
  readonly next: Index;
  readonly state: ProgressState;
  readonly paused: boolean;
  readonly recentlyActive: boolean;
  readonly isLearner: boolean;
  /** Index of the state on its way; 0 if none. */
  readonly pendingSnapshot: Index;
  /** Appends not yet acknowledged. */
  readonly inflight: number;
}

export interface RaftStatus {
  readonly id: MemberId;
  readonly role: SoftState["role"];
  readonly term: Term;
  readonly vote: MemberId;
  readonly leader: MemberId;
  readonly commit: Index;
  readonly applied: Index;
  readonly persisted: Index;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly membership: Membership;
  readonly transferTarget: MemberId | null;
  /** The others, voters first, in order of membership. Empty unless leader. */
  readonly progress: readonly PeerStatus[];
  readonly pendingReads: number;
  /** Data bytes proposed and not yet committed. 0 unless leader. */
  readonly uncommittedBytes: number;
  /** Memory that log entries take, by estimate. */
  readonly cachedBytes: number;
}

export function toStatus(core: Core): RaftStatus {
  const { role, log } = core;
  const leads = role.kind === "leader";
  return {
    id: core.id,
    role: role.kind,
    term: core.term,
    vote: core.vote,
    leader: core.leader,
    commit: log.committed,
    applied: log.applied,
    persisted: log.persisted,
    firstIndex: log.first,
    lastIndex: log.last,
    membership: core.membership,
    transferTarget: leads && role.transferTarget !== NO_MEMBER ? role.transferTarget : null,
    progress: leads ? role.others.map(toPeerStatus) : [],
    pendingReads: countReads(core),
    uncommittedBytes: leads ? role.uncommittedBytes : 0,
    cachedBytes: log.cachedBytes,
  };
}

function toPeerStatus(progress: Progress): PeerStatus {
  const { id, match, next, state, paused, recentlyActive, isLearner, pendingSnapshot } = progress;
  const inflight = progress.inflights.count;
  return { id, match, next, state, paused, recentlyActive, isLearner, pendingSnapshot, inflight };
}
