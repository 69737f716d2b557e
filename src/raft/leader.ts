/** What a leader does. Nothing is sent from here: what is due is noted, and sent once a turn when the Ready is built. */
import { assert, present } from "../base/assert.ts";
import type { Core, LeaderRole, Proposal, StepOutcome } from "./core.ts";
import { becomeFollower, trackMembers } from "./election.ts";
import { isVoter } from "./membership.ts";
import type { AppendReply, HeartbeatReply } from "./message.ts";
import { majority } from "./quorum.ts";
import { batchReads, confirmReads, onReadAck } from "./read-index.ts";
import { maybeCommit, sendAppends, sendHeartbeats } from "./replication.ts";
import { abortTransfer, checkTransfer, handOver, sendTimeoutNow } from "./transfer.ts";
import { EntryKind, makeEntry, NO_INDEX, NO_MEMBER, NO_TERM, plus } from "./types.ts";
import type { Entry, MemberId } from "./types.ts";

export function tickLeader(core: Core, leader: LeaderRole): void {
  const { config } = core;
  core.electionElapsed++;
  core.heartbeatElapsed++;
  if (core.electionElapsed >= config.electionTicks) {
    core.electionElapsed = 0;
    if (config.checkQuorum && !hasQuorum(core, leader)) {
      config.logger.warn({ term: core.term }, "lost touch with the quorum");
      becomeFollower(core, core.term, NO_MEMBER);
      return;
    }
    abortTransfer(core, leader);
    if (core.leaving) handOver(core, leader);
  }
  if (core.heartbeatElapsed < config.heartbeatTicks) return;
  core.heartbeatElapsed = 0;
  leader.heartbeatDue = true;
  core.dirty = true;
  // The target may have been told before it applied the removal, when it must not campaign: it is told again.
  if (core.leaving) checkTransfer(core, leader);
}

/** Whether a majority was heard from since the last time this was asked. */
function hasQuorum(core: Core, leader: LeaderRole): boolean {
  let active = isVoter(core.membership, core.id) ? 1 : 0;
  for (const progress of leader.others) {
    if (progress.recentlyActive && !progress.isLearner) active++;
    progress.recentlyActive = false;
  }
  return active >= majority(core.membership.voters.length);
}

export function propose(core: Core, leader: LeaderRole, entries: readonly Proposal[]): StepOutcome {
  if (core.leaving || leader.transferTarget !== NO_MEMBER) return "transferring";
  const { log, config } = core;
  let bytes = 0;
  let changes = 0;
  for (const entry of entries) {
    bytes += entry.data.length;
    if (entry.kind === EntryKind.membership) changes++;
  }
  if (changes > 0) {
    if (changes > 1 || hasMembershipPending(core, leader)) return "membershipPending";
  }
  // One is always taken, or a proposal larger than the budget never would be.
  if (leader.uncommittedBytes > 0 && leader.uncommittedBytes + bytes > config.uncommittedBytesMax) {
    return "overBudget";
  }
  leader.uncommittedBytes += bytes;
  for (const { kind, data } of entries) {
    const index = plus(log.last, 1);
    if (kind === EntryKind.membership) leader.membershipIndex = index;
    log.push(makeEntry(core.term, index, kind, data));
  }
  core.dirty = true;
  return "done";
}

/** An entry that changes the membership, or may, is not applied yet. */
function hasMembershipPending(core: Core, leader: LeaderRole): boolean {
  return leader.membershipIndex > core.log.applied && leader.membershipIndex > core.membershipAt;
}

export function onAppendReply(core: Core, leader: LeaderRole, message: AppendReply): void {
  const progress = leader.progress.get(message.from);
  if (progress === undefined) return;
  const { log } = core;
  progress.recentlyActive = true;
  core.dirty = true;
  if (message.rejected) {
    // The follower named the greatest index at which its term is not above that of our probe. Where our term there is above
    // its own, no index down to the next lower term of ours can agree: at most one probe a term, from either side.
    const { hintIndex, hintTerm } = message;
    const guess = hintTerm === NO_TERM ? hintIndex : log.findConflict(hintIndex, hintTerm).index;
    if (!progress.maybeBackOff(message.index, guess)) return;
    if (progress.state === "replicate") progress.becomeProbe();
    progress.nudge = true;
    return;
  }
  assert(message.index <= log.last, "a follower acknowledges only what its leader has");
  // A probing follower that is up to date answers with nothing new, and is found by it.
  const found = progress.state === "probe" && message.index === progress.match;
  if (!progress.maybeMatch(message.index) && !found) return;
  if (progress.state === "probe") progress.becomeReplicate();
  else if (progress.state === "replicate") progress.inflights.release(message.index);
  // Whatever state it adopted: once our log reaches down to where its own ends, entries can follow.
  else if (progress.match + 1 >= log.first) progress.becomeReplicate();
  if (!progress.isLearner) maybeCommit(core, leader);
  if (message.from === leader.transferTarget) checkTransfer(core, leader);
}

export function onHeartbeatReply(core: Core, leader: LeaderRole, message: HeartbeatReply): void {
  const progress = leader.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  progress.waiting = false;
  core.dirty = true;
  // It lives and something is outstanding: a full window or a lost probe is tried again, with an empty append if need be.
  if (progress.match < core.log.last || progress.state === "probe") progress.nudge = true;
  if (message.context > 0) onReadAck(core, leader, message);
}

/** Entries became durable here: this member counts itself for them. */
export function onPersisted(core: Core, leader: LeaderRole): void {
  if (!leader.voteDurable && core.log.persisted >= leader.opened) {
    leader.voteDurable = true;
    core.dirty = true;
  }
  maybeCommit(core, leader);
}

/** The connection to `peer` broke: what is in flight is likely lost. */
export function onUnreachable(core: Core, leader: LeaderRole, peer: MemberId): void {
  const progress = leader.progress.get(peer);
  if (progress?.state !== "replicate") return;
  progress.becomeProbe();
  core.dirty = true;
}

/** A state's way to `peer` ended. */
export function onSnapshotResult(leader: LeaderRole, peer: MemberId, ok: boolean): void {
  const progress = leader.progress.get(peer);
  if (progress?.state !== "snapshot") return;
  if (!ok) progress.pendingSnapshot = NO_INDEX;
  progress.becomeProbe();
  // Arrived: its acknowledgement follows. Failed: not again before the next heartbeat's answer.
  progress.waiting = true;
}

/** The membership changed under this leader. */
export function onMembership(core: Core, leader: LeaderRole): void {
  trackMembers(core, leader);
  if (!isVoter(core.membership, leader.transferTarget)) abortTransfer(core, leader);
  // The new majority may be one that is already there.
  maybeCommit(core, leader);
  confirmReads(core, leader);
  if (core.leaving) handOver(core, leader);
  core.dirty = true;
}

/** Own-term entries left the budget. */
export function onHandedOut(leader: LeaderRole, entries: readonly Entry[]): void {
  for (let at = entries.length - 1; at >= 0; at--) {
    const entry = present(entries[at], "within the batch");
    if (entry.index < leader.opened) break;
    leader.uncommittedBytes -= entry.data.length;
  }
  assert(leader.uncommittedBytes >= 0, "no more is committed than was proposed");
}

/** What leaves once a turn: reads first, since they ask for heartbeats. */
export function flushLeader(core: Core, leader: LeaderRole): void {
  batchReads(core, leader);
  if (!leader.voteDurable) return;
  sendAppends(core, leader);
  if (leader.heartbeatDue) sendHeartbeats(core, leader);
  leader.heartbeatDue = false;
  sendTimeoutNow(core, leader);
}
