/** Strict reconfiguration: a change that would cost the cluster its quorum is refused before it is proposed. */
import { API_ERRORS, type ApiError } from "../src/api/catalogue.ts";
import type { Member } from "../src/machine/members.ts";
import type { RaftStatus } from "../src/raft/status.ts";
import type { MemberId } from "../src/raft/types.ts";

export interface ReconfigurationFacts {
  readonly members: readonly Member[];
  /** Members heard from lately, this one included. Only the leader knows it of all; a follower counts all as heard. */
  readonly active: ReadonlySet<MemberId>;
}

/** Who was heard from lately, as `self` sees it: a leader knows, anyone else takes all for active. */
export function activeMembers(
  self: MemberId,
  members: readonly Member[],
  status: RaftStatus,
): ReadonlySet<MemberId> {
  if (status.role !== "leader") return new Set(members.map(({ id }) => id as MemberId));
  const heard = status.progress.filter((peer) => peer.recentlyActive).map(({ id }) => id);
  return new Set([self, ...heard]);
}

/** Why membership must not change so; null if it may. */
export function reconfigurationRefusal(
  change: "addVoter" | "remove",
  id: MemberId,
  facts: ReconfigurationFacts,
): ApiError | null {
  return change === "addVoter" ? addRefusal(facts) : removeRefusal(id, facts);
}

/** One more voter raises the quorum before it has started itself. One started voter may always take a second. */
function addRefusal({ members, active }: ReconfigurationFacts): ApiError | null {
  const voters = members.filter((member) => !member.isLearner);
  const started = voters.filter(isStarted);
  const quorum = quorumOf(voters.length + 1);
  if (voters.length === 1 && started.length === 1) return null;
  if (started.length < quorum) return API_ERRORS.notEnoughStarted;
  const heard = voters.filter((member) => active.has(member.id as MemberId));
  return heard.length < quorum ? API_ERRORS.unhealthy : null;
}

/** Those who remain must be a quorum that has started and is heard; who is not may always go. */
function removeRefusal(id: MemberId, { members, active }: ReconfigurationFacts): ApiError | null {
  const target = members.find((member) => member.id === id);
  if (target === undefined || target.isLearner) return null;
  const rest = members.filter((member) => !member.isLearner && member.id !== id);
  const quorum = quorumOf(rest.length);
  if (isStarted(target) && rest.filter(isStarted).length < quorum)
    return API_ERRORS.notEnoughStarted;
  if (!active.has(id)) return null;
  const heard = rest.filter((member) => active.has(member.id as MemberId));
  return heard.length < quorum ? API_ERRORS.unhealthy : null;
}

/** A member tells its name when it starts. */
function isStarted(member: Member): boolean {
  return member.name !== "";
}

function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}
