/** A leader's side of replication: what to send to whom, once a turn, and what is committed. */
import { assert, present } from "../base/assert.ts";
import type { Core, LeaderRole } from "./core.ts";
import { isVoter } from "./membership.ts";
import type { Progress } from "./progress.ts";
import { majorityReached } from "./quorum.ts";
import type { Entry, Index } from "./types.ts";
import { plus } from "./types.ts";

/** The slice last built: followers at the same place share it, as one array. */
interface Slice {
  from: Index;
  entries: readonly Entry[];
  bytes: number;
}

/** Builds this turn's appends to every follower that is due one. */
export function sendAppends(core: Core, leader: LeaderRole): void {
  const slice: Slice = { from: 0 as Index, entries: [], bytes: 0 };
  for (const progress of leader.others) {
    if (progress.paused) continue;
    const due =
      progress.nudge || progress.next <= core.log.last || progress.wantsCommit(core.log.committed);
    if (!due) continue;
    progress.nudge = false;
    while (sendAppend(core, progress, slice)) {
      if (progress.paused || progress.next > core.log.last) break;
    }
  }
}

/** One append, or the offer of a state in its place. Returns whether an append left. */
function sendAppend(core: Core, progress: Progress, slice: Slice): boolean {
  const { log, id: from, term } = core;
  const previousIndex = plus(progress.next, -1);
  assert(progress.next <= log.last + 1, "nothing is sent beyond the log");
  const previousTerm = log.term(previousIndex);
  // A full window lets nothing but an empty append through: enough to learn of it if all that filled it was lost.
  const wanted = progress.next <= log.last && !progress.inflights.full;
  const found = previousTerm !== null && (!wanted || fill(core, slice, progress.next));
  if (!found) {
    sendSnapshot(core, progress);
    return false;
  }
  core.send.push({
    kind: "append",
    from,
    to: progress.id,
    term,
    previousIndex,
    previousTerm: present(previousTerm, "found"),
    entries: wanted ? slice.entries : [],
    commit: log.committed,
    quiet: !wanted && progress.state === "replicate" && progress.match === previousIndex,
  });
  if (wanted) progress.sent(slice.entries.length, slice.bytes);
  else progress.sent(0, 0);
  progress.sentCommit = log.committed;
  return true;
}

/** Makes `slice` the entries from `from` on; false if they are compacted. */
function fill(core: Core, slice: Slice, from: Index): boolean {
  if (slice.from === from) return true;
  const { log, config } = core;
  const entries = log.entries(from, plus(log.last, 1), config.appendBytesMax);
  if (entries === null) return false;
  assert(entries.length > 0, "a log answers with at least one entry");
  assert(entries[0]?.index === from, "a log answers from where it was asked");
  slice.from = from;
  slice.entries = entries;
  slice.bytes = 0;
  for (const entry of entries) slice.bytes += entry.data.length;
  return true;
}

function sendSnapshot(core: Core, progress: Progress): void {
  const mark = progress.recentlyActive ? core.log.snapshot() : null;
  if (mark === null) {
    // Nobody to take it, or nothing to be had now: the next heartbeat's answer tries again.
    progress.waiting = true;
    return;
  }
  assert(mark.index + 1 >= core.log.first, "the log follows a state without a gap");
  progress.becomeSnapshot(mark.index);
  core.send.push({ kind: "snapshot", from: core.id, to: progress.id, term: core.term, mark });
}

/** Heartbeats to everyone, with the newest reads that wait. */
export function sendHeartbeats(core: Core, leader: LeaderRole): void {
  const { log, id: from, term } = core;
  const context = leader.batches.length > 0 ? leader.context : 0;
  for (const progress of leader.others) {
    // Never beyond what is known to match: the rest of the follower's log may not be ours.
    const commit = Math.min(progress.match, log.committed) as Index;
    core.send.push({ kind: "heartbeat", from, to: progress.id, term, commit, context });
    if (commit > progress.sentCommit) progress.sentCommit = commit;
  }
}

/** Moves the commit to what a majority of voters holds durably. Returns whether it moved. */
export function maybeCommit(core: Core, leader: LeaderRole): boolean {
  const { log } = core;
  const matched: number[] = [];
  for (const progress of leader.others) if (!progress.isLearner) matched.push(progress.match);
  // This member counts only for what is on its own disk; it may be the last of the majority.
  if (isVoter(core.membership, core.id)) matched.push(log.persisted);
  const index = majorityReached(matched) as Index;
  // Entries of former terms are committed only along with one of this term (section 5.4.2, figure 8).
  if (index < leader.opened || index <= log.committed) return false;
  log.commitTo(index);
  core.dirty = true;
  return true;
}
