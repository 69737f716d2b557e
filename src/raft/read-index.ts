/**
 * Linearizable reads (Ongaro's thesis, section 6.4). A read is confirmed at a commit index once a quorum has shown, after the
 * read came, that it knows no newer leader. All reads of a turn are one batch with one context, which is never used again; a
 * quorum's echo of it, or of a newer one, confirms the batch and every older one, by position.
 */
import { assert } from "../base/assert.ts";
import type {
  AskedReads,
  Core,
  FollowerRole,
  LeaderRole,
  PendingRead,
  StepOutcome,
} from "./core.ts";
import type { HeartbeatReply, ReadIndexMessage, ReadIndexReply } from "./message.ts";
import { majorityReached } from "./quorum.ts";
import type { Index } from "./types.ts";
import { NO_MEMBER } from "./types.ts";
import { isVoter } from "./membership.ts";

/** A read that is not confirmed after this many election timeouts is given up; whoever asked has long stopped waiting. */
const READ_TIMEOUTS_MAX = 5;

/** A read of this member's own clients. */
export function read(core: Core, request: number): StepOutcome {
  const { role } = core;
  switch (role.kind) {
    case "leader":
      role.fresh.push({ from: core.id, request, since: core.ticks });
      core.dirty = true;
      return "done";
    case "follower":
      if (role.leader === NO_MEMBER) return "noLeader";
      role.fresh.push(request);
      core.dirty = true;
      return "done";
    default:
      return "noLeader";
  }
}

/** A follower asks. */
export function onReadIndex(core: Core, leader: LeaderRole, message: ReadIndexMessage): void {
  leader.fresh.push({ from: message.from, request: message.request, since: core.ticks });
  core.dirty = true;
}

/** The leader answers. A number that is not known was answered or given up before. */
export function onReadIndexReply(core: Core, role: FollowerRole, message: ReadIndexReply): void {
  if (message.from !== role.leader) return;
  const asked = role.asked.get(message.request);
  if (asked === undefined) return;
  role.asked.delete(message.request);
  for (const request of asked.requests) core.reads.push({ request, index: message.index });
}

/** Asks the leader for all reads of the turn at once. */
export function askReads(core: Core, role: FollowerRole): void {
  if (role.fresh.length === 0) return;
  const request = core.nextAsk++;
  role.asked.set(request, { requests: role.fresh, since: core.ticks });
  role.fresh = [];
  const { id: from, term } = core;
  core.send.push({ kind: "readIndex", from, to: role.leader, term, request });
}

/**
 * Forms the batch of a turn. A new leader first commits an entry of its own term: before that it cannot know which of the
 * former terms' entries are committed, and its commit may be behind what was already served.
 */
export function batchReads(core: Core, leader: LeaderRole): void {
  if (leader.fresh.length === 0 || core.log.committed < leader.opened) return;
  const reads = leader.fresh;
  leader.fresh = [];
  const index = core.log.committed;
  if (core.membership.voters.length === 1 && isVoter(core.membership, core.id)) {
    for (const one of reads) confirm(core, one, index);
    return;
  }
  leader.context++;
  leader.batches.push({ context: leader.context, index, reads });
  leader.heartbeatDue = true;
}

/** A follower echoes a context. It is of this term: another term's reply never gets here. */
export function onReadAck(core: Core, leader: LeaderRole, message: HeartbeatReply): void {
  assert(message.context <= leader.context, "only what was asked is echoed");
  const progress = leader.progress.get(message.from);
  if (progress === undefined || message.context <= progress.readAck) return;
  progress.readAck = message.context;
  confirmReads(core, leader);
}

/** Answers every batch that a quorum has confirmed. */
export function confirmReads(core: Core, leader: LeaderRole): void {
  if (leader.batches.length === 0) return;
  const acks: number[] = [];
  for (const progress of leader.others) if (!progress.isLearner) acks.push(progress.readAck);
  if (isVoter(core.membership, core.id)) acks.push(leader.context);
  const confirmed = majorityReached(acks);
  let count = 0;
  for (const batch of leader.batches) {
    if (batch.context > confirmed) break;
    for (const one of batch.reads) confirm(core, one, batch.index);
    count++;
  }
  if (count > 0) leader.batches.splice(0, count);
}

/** Reports every read that is not delivered as lost: the leader is lost or another. */
export function loseReads(core: Core): void {
  // Confirmed but not yet taken: whoever asked sees the change of leader in the same Ready, and gets one answer, not two.
  for (const state of core.reads) core.readsLost.push(state.request);
  core.reads = [];
  const { role } = core;
  if (role.kind === "leader") {
    for (const one of role.fresh) lose(core, one);
    for (const batch of role.batches) for (const one of batch.reads) lose(core, one);
    role.fresh = [];
    role.batches = [];
  } else if (role.kind === "follower") {
    for (const request of role.fresh) core.readsLost.push(request);
    for (const asked of role.asked.values()) loseAsked(core, asked);
    role.fresh = [];
    role.asked.clear();
  }
}

/** Gives up reads that wait too long, so that a lost message never holds one for good. */
export function expireReads(core: Core): void {
  const { role } = core;
  const oldest = core.ticks - READ_TIMEOUTS_MAX * core.config.electionTicks;
  if (role.kind === "follower") {
    for (const [number, asked] of role.asked) {
      if (asked.since > oldest) break; // in the order they were asked
      loseAsked(core, asked);
      role.asked.delete(number);
    }
  } else if (role.kind === "leader") {
    role.fresh = keepYoung(core, role.fresh, oldest);
    while (role.batches.length > 0) {
      const [batch] = role.batches;
      if (batch === undefined || (batch.reads.at(-1)?.since ?? 0) > oldest) break;
      for (const one of batch.reads) lose(core, one);
      role.batches.shift();
    }
  }
}

/** Reads that wait, here, for their confirmation. */
export function countReads(core: Core): number {
  const { role } = core;
  if (role.kind === "leader") {
    return role.batches.reduce((sum, batch) => sum + batch.reads.length, role.fresh.length);
  }
  if (role.kind !== "follower") return 0;
  let count = role.fresh.length;
  for (const asked of role.asked.values()) count += asked.requests.length;
  return count;
}

function keepYoung(core: Core, reads: PendingRead[], oldest: number): PendingRead[] {
  let count = 0;
  for (const one of reads) {
    if (one.since > oldest) break;
    lose(core, one);
    count++;
  }
  return count === 0 ? reads : reads.slice(count);
}

function confirm(core: Core, one: PendingRead, index: Index): void {
  if (one.from === core.id) {
    core.reads.push({ request: one.request, index });
    return;
  }
  const { id: from, term } = core;
  core.send.push({ kind: "readIndexReply", from, to: one.from, term, request: one.request, index });
}

function loseAsked(core: Core, asked: AskedReads): void {
  for (const request of asked.requests) core.readsLost.push(request);
}

/** A follower's read is simply not answered: it sees the change of leader, or its own clock, by itself. */
function lose(core: Core, one: PendingRead): void {
  if (one.from === core.id) core.readsLost.push(one.request);
}
