/** How a leader comes to be: roles change here and nowhere else. */
import { assert } from "../base/assert.ts";
import type { CandidateRole, Core, LeaderRole, StepOutcome } from "./core.ts";
import { makeFollower } from "./core.ts";
import { isVoter } from "./membership.ts";
import type { VoteMessage, VoteReply } from "./message.ts";
import { Progress } from "./progress.ts";
import { voteResult } from "./quorum.ts";
import { loseReads } from "./read-index.ts";
import { handOver } from "./transfer.ts";
import { EntryKind, makeEntry, NO_MEMBER, plus } from "./types.ts";
import type { MemberId, Term } from "./types.ts";

const NO_DATA: Uint8Array = new Uint8Array(0);

/** Follows `leader`, or nobody yet. Starts the election timeout anew; forgets the vote where the term is new. */
export function becomeFollower(core: Core, term: Term, leader: MemberId): void {
  assert(leader !== core.id, "nobody follows himself");
  const { role } = core;
  if (role.kind !== "follower" || role.leader !== leader || core.term !== term) {
    loseReads(core);
    core.role = makeFollower(leader);
    if (role.kind !== "follower" || core.term !== term) {
      const leads = leader.toString(16);
      core.config.logger.info({ term, leader: leads, was: role.kind }, "became follower");
    }
  }
  enterTerm(core, term);
  core.resetElapsed();
}

/** The election timeout passed, or a campaign was ordered. `transfer`: by the leader itself. */
export function campaign(core: Core, transfer: boolean): StepOutcome {
  if (core.role.kind === "leader") return "done";
  if (!core.promotable) return "notVoter";
  // The quorum that elects must be that of the newest membership that is committed: one behind could be two behind.
  if (core.log.hasUnappliedChange()) return "membershipPending";
  // A transfer asks for real votes at once: the leader has already agreed to go.
  if (core.config.preVote && !transfer) startPreVote(core);
  else startVote(core, transfer);
  return "done";
}

/** Somebody stands for election; the message's term was looked at before. */
export function onVote(core: Core, message: VoteMessage): void {
  const { log } = core;
  const pre = message.kind === "preVote";
  // A vote once given is given again. A pre-vote promises nothing: several may have it.
  const free =
    core.vote === message.from ||
    (core.vote === NO_MEMBER && core.leader === NO_MEMBER) ||
    (pre && message.term > core.term);
  // A learner, and one who is in no membership it knows of, votes as well. It may have been made a voter by an entry that it
  // does not hold yet: of voters 1, 2 and learner 3, the entry that promotes 3 is committed by 1 and 2; 1 fails; 2 needs 3's
  // vote, and 3 hears of its promotion only from 2 once that leads. Who asks counts votes by its own, newer, membership.
  const granted = free && log.isUpToDate(message.lastIndex, message.lastTerm);
  core.sendAfterSync.push({
    kind: pre ? "preVoteReply" : "voteReply",
    from: core.id,
    to: message.from,
    // A granted pre-vote names the term it was asked about; the asker's present term may be behind ours in a refusal.
    term: granted ? message.term : core.term,
    rejected: !granted,
  });
  if (granted && !pre) {
    core.vote = message.from;
    core.electionElapsed = 0;
  }
}

/** A ballot for this candidate. */
export function onBallot(core: Core, role: CandidateRole, message: VoteReply): void {
  const pre = role.kind === "preCandidate";
  if (pre !== (message.kind === "preVoteReply")) return;
  // Granted for an earlier campaign, it names an earlier term.
  if (pre && !message.rejected && message.term !== core.term + 1) return;
  if (!role.ballots.has(message.from)) role.ballots.set(message.from, !message.rejected);
  count(core, role, false);
}

/** A new term, if it is one: whom this member votes for in it is open. */
function enterTerm(core: Core, term: Term): void {
  assert(term >= core.term, "terms never fall");
  if (term === core.term) return;
  core.term = term;
  core.vote = NO_MEMBER;
  // The answer to a former leader's heartbeat must not leave under the new term: it would confirm reads there.
  core.heartbeatFrom = NO_MEMBER;
}

/**
 * Asks those who have not answered once more: with every tick. Whose election timeout is the first to pass is still ignored by
 * who heard the leader a moment later; to wait for another timeout would double the time without a leader.
 */
export function askAgain(core: Core): void {
  const { role } = core;
  if (role.kind !== "preCandidate") return;
  const term = (core.term + 1) as Term;
  requestVotes(core, role, { kind: "preVote", term, transfer: false });
}

function startPreVote(core: Core): void {
  const role = becomeCandidate(core, "preCandidate");
  const term = (core.term + 1) as Term;
  if (count(core, role, false)) return;
  requestVotes(core, role, { kind: "preVote", term, transfer: false });
}

function startVote(core: Core, transfer: boolean): void {
  enterTerm(core, (core.term + 1) as Term);
  const role = becomeCandidate(core, "candidate");
  core.vote = core.id;
  if (count(core, role, transfer)) return;
  requestVotes(core, role, { kind: "vote", term: core.term, transfer });
}

function becomeCandidate(core: Core, kind: "preCandidate" | "candidate"): CandidateRole {
  assert(core.role.kind !== "leader", "a leader does not stand for election");
  loseReads(core);
  const role: CandidateRole = { kind, ballots: new Map([[core.id, true]]) };
  core.role = role;
  core.resetElapsed();
  const { term } = core;
  core.config.logger.info({ term, lastIndex: core.log.last }, `became ${kind}`);
  return role;
}

/**
 * Requests leave only after this term and vote are durable (a pre-vote's need not): so any vote that comes in answer, and the
 * leadership it leads to, is backed by this member's own, and no term is ever led twice.
 */
function requestVotes(
  core: Core,
  role: CandidateRole,
  ask: Pick<VoteMessage, "kind" | "term" | "transfer">,
): void {
  const { id: from, log } = core;
  const queue = ask.kind === "vote" ? core.sendAfterSync : core.send;
  for (const to of core.membership.voters) {
    if (role.ballots.has(to)) continue;
    const { kind, term, transfer } = ask;
    queue.push({ kind, from, to, term, lastIndex: log.last, lastTerm: log.lastTerm, transfer });
  }
}

/** Counts the ballots and acts on the result. Returns whether the election is decided. */
function count(core: Core, role: CandidateRole, transfer: boolean): boolean {
  let granted = 0;
  let rejected = 0;
  for (const id of core.membership.voters) {
    const ballot = role.ballots.get(id);
    if (ballot === true) granted++;
    else if (ballot === false) rejected++;
  }
  const result = voteResult(core.membership.voters.length, granted, rejected);
  if (result === "pending") return false;
  if (result === "lost") becomeFollower(core, core.term, NO_MEMBER);
  else if (role.kind === "preCandidate") startVote(core, transfer);
  else becomeLeader(core);
  return true;
}

function becomeLeader(core: Core): void {
  const { log, membership, config } = core;
  assert(core.vote === core.id, "a leader voted for itself");
  assert(core.leaving || isVoter(membership, core.id), "a leader is a voter, or was one");
  const opened = plus(log.last, 1);
  const leader: LeaderRole = {
    kind: "leader",
    opened,
    voteDurable: core.leaving || membership.voters.length > 1,
    progress: new Map(),
    others: [],
    transferTarget: NO_MEMBER,
    transferDue: false,
    // The tail may hold a change of membership: no other before all of it is applied.
    membershipIndex: log.last,
    uncommittedBytes: 0,
    heartbeatDue: false,
    fresh: [],
    batches: [],
    context: 0,
  };
  core.role = leader;
  core.resetElapsed();
  trackMembers(core, leader);
  for (const progress of leader.others) progress.recentlyActive = false;
  log.push(makeEntry(core.term, opened, EntryKind.normal, NO_DATA));
  core.dirty = true;
  config.logger.info({ term: core.term, opened }, "became leader");
  if (core.leaving) handOver(core, leader);
}

/** Makes a leader's view of the others fit the membership; who stays keeps his progress. */
export function trackMembers(core: Core, leader: LeaderRole): void {
  const { membership, log, config } = core;
  leader.others = [];
  for (const ids of [membership.voters, membership.learners]) {
    for (const id of ids) {
      if (id === core.id) continue;
      const isLearner = ids === membership.learners;
      // Who is new counts as heard of, so that joining alone does not cost the leader its quorum.
      const progress =
        leader.progress.get(id) ??
        new Progress(id, plus(log.last, 1), { isLearner, recentlyActive: true, ...config });
      progress.isLearner = isLearner;
      leader.others.push(progress);
    }
  }
  leader.progress.clear();
  for (const progress of leader.others) leader.progress.set(progress.id, progress);
}
