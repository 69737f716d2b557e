/** Canonical text of states and messages, for transcripts and people: one line each, the same for the same. */
import { unreachable } from "../base/assert.ts";
import type { Message } from "./message.ts";
import type { Ready } from "./ready.ts";
import type { PeerStatus, RaftStatus } from "./status.ts";
import { EntryKind, NO_MEMBER } from "./types.ts";
import type { Entry, HardState, MemberId, Membership, SnapshotMark } from "./types.ts";

/** `index/term`, a `*` if it changes the membership. */
export function describeEntry(entry: Entry): string {
  return `${entry.index}/${entry.term}${entry.kind === EntryKind.membership ? "*" : ""}`;
}

/** First and last of a run, or the only one; `-` if there is none. */
export function describeEntries(entries: readonly Entry[]): string {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return "-";
  if (first === last) return describeEntry(first);
  return `${describeEntry(first)}..${describeEntry(last)}`;
}

export function describeMember(id: MemberId): string {
  return id === NO_MEMBER ? "-" : id.toString(16);
}

/** `1,2,3` and, after a `+`, the learners. */
export function describeMembership(membership: Membership): string {
  const voters = membership.voters.map(describeMember).join(",");
  const learners = membership.learners.map(describeMember).join(",");
  return learners === "" ? voters : `${voters}+${learners}`;
}

export function describeMark(mark: SnapshotMark): string {
  return `${mark.index}/${mark.term} members=${describeMembership(mark.membership)}`;
}

export function describeHardState(state: HardState): string {
  return `term=${state.term} vote=${describeMember(state.vote)} commit=${state.commit}`;
}

/** `1>2 append term=3 …`. */
export function describeMessage(message: Message): string {
  const from = describeMember(message.from);
  const to = describeMember(message.to);
  const details = describeDetails(message);
  const text = `${from}>${to} ${message.kind} term=${message.term}`;
  return details === "" ? text : `${text} ${details}`;
}

function describeDetails(message: Message): string {
  switch (message.kind) {
    case "append": {
      const { previousIndex, previousTerm, entries, commit, quiet } = message;
      const after = `after=${previousIndex}/${previousTerm}`;
      const text = `${after} entries=${describeEntries(entries)} commit=${commit}`;
      return quiet ? `${text} quiet` : text;
    }
    case "appendReply":
      if (!message.rejected) return `index=${message.index}`;
      return `rejected=${message.index} hint=${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `commit=${message.commit} context=${message.context}`;
    case "heartbeatReply":
      return `context=${message.context}`;
    case "vote":
    case "preVote": {
      const last = `last=${message.lastIndex}/${message.lastTerm}`;
      return message.transfer ? `${last} transfer` : last;
    }
    case "voteReply":
    case "preVoteReply":
      return message.rejected ? "rejected" : "granted";
    case "snapshot":
      return describeMark(message.mark);
    case "readIndex":
      return `request=${message.request}`;
    case "readIndexReply":
      return `request=${message.request} index=${message.index}`;
    case "propose":
      return `count=${message.entries.length}`;
    case "timeoutNow":
      return "";
    case "transfer":
      return `target=${describeMember(message.target)}`;
    default:
      return unreachable(message);
  }
}

/** What a Ready asks for, a line each; nothing for what it does not. */
export function describeReady(ready: Ready): readonly string[] {
  const lines: string[] = [];
  const { softState, hardState, snapshot } = ready;
  if (softState !== null) {
    const { role, leader, term } = softState;
    lines.push(`${role} term=${term} leader=${describeMember(leader)}`);
  }
  if (snapshot !== null) lines.push(`snapshot ${describeMark(snapshot)}`);
  if (ready.append.length > 0) lines.push(`append ${describeEntries(ready.append)}`);
  if (hardState !== null) lines.push(`hard ${describeHardState(hardState)}`);
  if (hardState !== null && !ready.mustSync) lines.push("no sync");
  if (ready.committed.length > 0) lines.push(`committed ${describeEntries(ready.committed)}`);
  for (const state of ready.reads) lines.push(`read ${state.request} at ${state.index}`);
  for (const request of ready.readsLost) lines.push(`read ${request} lost`);
  for (const message of ready.send) lines.push(`send ${describeMessage(message)}`);
  for (const message of ready.sendAfterSync) lines.push(`after sync ${describeMessage(message)}`);
  return lines;
}

/** `2 replicate match=5 next=6`, and what is out of the ordinary. */
export function describePeer(peer: PeerStatus): string {
  const { id, state, match, next, inflight } = peer;
  let text = `${describeMember(id)} ${state} match=${match} next=${next}`;
  if (peer.isLearner) text += " learner";
  if (peer.paused) text += " paused";
  if (peer.pendingSnapshot > 0) text += ` pendingSnapshot=${peer.pendingSnapshot}`;
  if (!peer.recentlyActive) text += " inactive";
  if (inflight > 0) text += ` inflight=${inflight}`;
  return text;
}

/** One line: role, term, vote, leader, marks of the log, membership. */
export function describeStatus(status: RaftStatus): string {
  const { role, term, commit, applied, persisted, firstIndex, lastIndex } = status;
  const who = `${describeMember(status.id)} ${role} term=${term}`;
  const ballot = `vote=${describeMember(status.vote)} leader=${describeMember(status.leader)}`;
  const log = `log=${firstIndex}..${lastIndex} persisted=${persisted}`;
  const members = `members=${describeMembership(status.membership)}`;
  return `${who} ${ballot} ${log} commit=${commit} applied=${applied} ${members}`;
}
