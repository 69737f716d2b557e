/** What a follower does: takes the leader's word for the log, and passes on what only a leader can do. */
import { assert } from "../base/assert.ts";
import type { Core, FollowerRole, Proposal, StepOutcome } from "./core.ts";
import { makePropose } from "./core.ts";
import { askAgain, campaign } from "./election.ts";
import { assertMembership } from "./membership.ts";
import type { AppendMessage, HeartbeatMessage, SnapshotMessage } from "./message.ts";
import { askReads } from "./read-index.ts";
import type { Index } from "./types.ts";
import { NO_INDEX, NO_MEMBER, NO_TERM } from "./types.ts";
import type { MemberId } from "./types.ts";

/** Time passes for a follower or a candidate. */
export function tickElection(core: Core): void {
  core.electionElapsed++;
  if (core.electionElapsed < core.electionTimeout || !core.promotable) {
    askAgain(core);
    return;
  }
  core.electionElapsed = 0;
  campaign(core, false);
}

export function onAppend(core: Core, message: AppendMessage): void {
  const { log } = core;
  const { previousIndex, entries, from, quiet } = message;
  // Old news: what is committed agrees with every leader's log, now and later.
  if (previousIndex < log.committed) {
    if (!quiet) accept(core, from, log.committed);
    return;
  }
  if (log.matches(previousIndex, message.previousTerm)) {
    const { length } = entries;
    if (length > 0) {
      assert(entries[0]?.index === previousIndex + 1, "entries follow the one before them");
      assert(entries[length - 1]?.index === previousIndex + length, "entries have no holes");
    }
    const last = log.merge(previousIndex, entries);
    log.commitTo(Math.min(message.commit, last) as Index);
    if (!quiet) accept(core, from, last);
    return;
  }
  const hint = log.findConflict(Math.min(previousIndex, log.last) as Index, message.previousTerm);
  core.sendAfterSync.push({
    kind: "appendReply",
    from: core.id,
    to: from,
    term: core.term,
    index: previousIndex,
    rejected: true,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

export function onHeartbeat(core: Core, message: HeartbeatMessage): void {
  core.log.commitTo(message.commit);
  // Several of one turn have one answer. They come in order of context, unless the network turned them round.
  const repeated = core.heartbeatFrom === message.from;
  core.heartbeatContext = repeated
    ? Math.max(core.heartbeatContext, message.context)
    : message.context;
  core.heartbeatFrom = message.from;
  core.dirty = true;
}

/** The whole state is durable here by now, in a place of its own; it is adopted with the next Ready, or not at all. */
export function onSnapshot(core: Core, message: SnapshotMessage): void {
  const { log } = core;
  const { mark, from } = message;
  if (mark.index <= log.committed) return accept(core, from, log.committed);
  if (log.matches(mark.index, mark.term)) {
    // The log leads there: go the way instead of jumping, and keep what lies beyond.
    log.commitTo(mark.index);
    return accept(core, from, mark.index);
  }
  assertMembership(mark.membership);
  log.restore(mark);
  // This member may be missing from it: it is in one that follows.
  core.adoptMembership(mark.index, mark.membership);
  core.config.logger.info({ term: core.term, index: mark.index }, "accepted a state");
  accept(core, from, mark.index);
}

/** A proposal of this member's own clients, to be passed on once; never again, whatever becomes of it. */
export function forward(core: Core, role: FollowerRole, entries: readonly Proposal[]): StepOutcome {
  if (role.leader === NO_MEMBER) return "noLeader";
  for (const entry of entries) role.forward.push(entry);
  core.dirty = true;
  return "done";
}

/** What leaves once a turn. */
export function flushFollower(core: Core, role: FollowerRole): void {
  askReads(core, role);
  if (role.forward.length === 0) return;
  core.send.push(makePropose(core, role.leader, role.forward));
  role.forward = [];
}

/** Acknowledges everything up to `index`: once a turn and leader, since the highest index says it all. */
export function accept(core: Core, to: MemberId, index: Index): void {
  const { sendAfterSync, id: from, term } = core;
  const before = sendAfterSync.at(-1);
  let reached = index;
  if (before?.kind === "appendReply" && !before.rejected) {
    if (before.to === to && before.term === term) {
      sendAfterSync.pop();
      if (before.index > reached) reached = before.index;
    }
  }
  sendAfterSync.push({
    kind: "appendReply",
    from,
    to,
    term,
    index: reached,
    rejected: false,
    hintIndex: NO_INDEX,
    hintTerm: NO_TERM,
  });
}
