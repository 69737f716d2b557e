/**
 * The machine: inputs in, `Ready` out. It decides and never acts: no clock, no disk, no network, no chance but the `Random` it
 * was given. The world around it (a) steps inputs in the order they happen, any number a turn, (b) takes one `Ready` a turn and
 * does what it says, (c) reports what became durable and what was applied.
 */
import { assert, unreachable } from "../base/assert.ts";
import { onBallot, onVote, becomeFollower, campaign } from "./election.ts";
import { Core } from "./core.ts";
import type { LeaderRole, Proposal, RaftConfig, StepOutcome } from "./core.ts";
import {
  accept,
  flushFollower,
  forward,
  onAppend,
  onHeartbeat,
  onSnapshot,
  tickElection,
} from "./follower.ts";
import {
  flushLeader,
  onAppendReply,
  onHandedOut,
  onHeartbeatReply,
  onMembership,
  onPersisted,
  onSnapshotResult,
  onUnreachable,
  propose,
  tickLeader,
} from "./leader.ts";
import { assertMembership, votersChanged } from "./membership.ts";
import type { Message } from "./message.ts";
import { expireReads, onReadIndex, onReadIndexReply, read } from "./read-index.ts";
import type { ReadState, Ready, SoftState } from "./ready.ts";
import { toStatus } from "./status.ts";
import type { RaftStatus } from "./status.ts";
import { transfer } from "./transfer.ts";
import { NO_INDEX, NO_MEMBER } from "./types.ts";
import type { Entry, HardState, Index, MemberId, Membership, Term } from "./types.ts";

export type { Proposal, RaftConfig, StepOutcome } from "./core.ts";
export type { PeerStatus, RaftStatus } from "./status.ts";

export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "propose"; readonly entries: readonly Proposal[] }
  /** A linearizable read; its number comes back once, in `reads` or `readsLost`, unless the outcome is "noLeader". */
  | { readonly kind: "read"; readonly request: number }
  | { readonly kind: "transfer"; readonly target: MemberId }
  | { readonly kind: "campaign" }
  /** See `Persisted`. */
  | { readonly kind: "persisted"; readonly index: Index; readonly term: Term }
  /** Everything handed out up to `index` is applied; an accepted state counts as applied once adopted. */
  | { readonly kind: "applied"; readonly index: Index }
  /** An entry of kind membership was applied; the old membership again if it was refused. Before the "applied" of its index. */
  | {
      readonly kind: "membershipApplied";
      readonly index: Index;
      readonly membership: Membership;
    }
  | { readonly kind: "unreachable"; readonly peer: MemberId }
  | { readonly kind: "snapshotResult"; readonly peer: MemberId; readonly ok: boolean };

const NO_MESSAGES: readonly Message[] = [];
const NO_READS: readonly ReadState[] = [];
const NO_NUMBERS: readonly number[] = [];
const NOTHING_UNWRITTEN: { readonly append: readonly Entry[]; readonly snapshot: null } = {
  append: [],
  snapshot: null,
};

type LeaderMessage = Extract<
  Message,
  { kind: "appendReply" | "heartbeatReply" | "readIndex" | "propose" | "transfer" }
>;

export class Raft {
  readonly #core: Core;
  #hardState: HardState;
  #softState: SoftState;

  constructor(config: RaftConfig) {
    const core = new Core(config);
    this.#core = core;
    this.#hardState = { term: core.term, vote: core.vote, commit: core.log.committed };
    this.#softState = this.#currentSoftState();
  }

  /** Takes in what happened. Does nothing visible: that is `ready()`. */
  step(input: Input): StepOutcome {
    const core = this.#core;
    const { role } = core;
    switch (input.kind) {
      case "tick":
        return this.#tick();
      case "message":
        this.#onMessage(input.message);
        return "done";
      case "propose":
        return this.#propose(input.entries);
      case "read":
        return read(core, input.request);
      case "transfer":
        return transfer(core, input.target);
      case "campaign":
        return campaign(core, false);
      case "persisted":
        core.log.persistedTo(input.index, input.term);
        if (role.kind === "leader") onPersisted(core, role);
        return "done";
      case "applied":
        core.log.appliedTo(input.index);
        return "done";
      case "membershipApplied":
        this.#onMembershipApplied(input.index, input.membership);
        return "done";
      case "unreachable":
        if (role.kind === "leader") onUnreachable(core, role, input.peer);
        return "done";
      case "snapshotResult":
        if (role.kind === "leader") onSnapshotResult(role, input.peer, input.ok);
        return "done";
      default:
        return unreachable(input);
    }
  }

  /** Forgets copies of entries that are durable and applied, the oldest first, until those left take `bytesMax` by estimate. */
  trim(bytesMax: number): void {
    this.#core.log.trim(bytesMax);
  }

  /** Whether `ready()` may have something to say; seldom true for nothing, never false for something. */
  hasReady(): boolean {
    const core = this.#core;
    if (core.dirty || core.send.length > 0 || core.log.hasUnwritten()) return true;
    if (core.sendAfterSync.length > 0 && !core.log.held) return true;
    if (core.reads.length > 0 || core.readsLost.length > 0 || core.log.hasCommitted()) return true;
    return this.#hardStateChanged() || this.#softStateChanged();
  }

  /** What is to be done now. Everything is handed out once. */
  ready(): Ready {
    const core = this.#core;
    const { log, role } = core;
    if (role.kind === "leader") flushLeader(core, role);
    else if (role.kind === "follower") flushFollower(core, role);
    this.#answerHeartbeat();
    core.dirty = false;
    const held = log.held;
    const { append, snapshot } = held ? NOTHING_UNWRITTEN : log.takeUnwritten();
    const committed = log.takeCommitted();
    if (role.kind === "leader") onHandedOut(role, committed);
    const before = this.#hardState;
    if (this.#hardStateChanged()) this.#hardState = this.#currentHardState();
    const hardState = before === this.#hardState ? null : this.#hardState;
    const softState = this.#softStateChanged() ? this.#currentSoftState() : null;
    if (softState !== null) this.#softState = softState;
    const voted = core.term !== before.term || core.vote !== before.vote;
    const ready: Ready = {
      append,
      hardState,
      mustSync: voted || append.length > 0 || snapshot !== null,
      send: core.send.length === 0 ? NO_MESSAGES : core.send,
      sendAfterSync: held || core.sendAfterSync.length === 0 ? NO_MESSAGES : core.sendAfterSync,
      committed,
      reads: core.reads.length === 0 ? NO_READS : core.reads,
      readsLost: core.readsLost.length === 0 ? NO_NUMBERS : core.readsLost,
      softState,
      snapshot,
    };
    if (core.send.length > 0) core.send = [];
    if (!held && core.sendAfterSync.length > 0) core.sendAfterSync = [];
    if (core.reads.length > 0) core.reads = [];
    if (core.readsLost.length > 0) core.readsLost = [];
    return ready;
  }

  status(): RaftStatus {
    return toStatus(this.#core);
  }

  #tick(): StepOutcome {
    const core = this.#core;
    core.ticks++;
    expireReads(core);
    if (core.role.kind === "leader") tickLeader(core, core.role);
    else tickElection(core);
    return "done";
  }

  #propose(entries: readonly Proposal[]): StepOutcome {
    const core = this.#core;
    const { role } = core;
    if (role.kind === "leader") return propose(core, role, entries);
    if (role.kind === "follower") return forward(core, role, entries);
    return "noLeader";
  }

  #onMessage(message: Message): void {
    const core = this.#core;
    // Meant for another: an id is never reused, so this is for a member that this one replaced.
    if (message.to !== core.id) return;
    assert(message.from !== core.id, "nobody sends to himself");
    if (message.term > core.term) {
      if (!this.#maybeEnterTerm(message)) return;
    } else if (message.term < core.term) {
      this.#onFormerTerm(message);
      return;
    }
    this.#react(message);
  }

  /** A newer term than ours. Returns whether the message is to be looked at. */
  #maybeEnterTerm(message: Message): boolean {
    const core = this.#core;
    switch (message.kind) {
      case "vote":
      case "preVote":
        // Who hears a live leader takes no part in unseating it (section 6; thesis, section 4.2.3), unless it goes by itself.
        if (!message.transfer && this.#hearsLeader()) return false;
        if (message.kind === "vote") becomeFollower(core, message.term, NO_MEMBER);
        return true;
      case "preVoteReply":
        // Granted, it names the term that we asked about and nobody is in yet; refused, the term of who refused.
        if (message.rejected) becomeFollower(core, message.term, NO_MEMBER);
        return true;
      case "append":
      case "heartbeat":
      case "snapshot":
        becomeFollower(core, message.term, message.from);
        return true;
      default:
        becomeFollower(core, message.term, NO_MEMBER);
        return true;
    }
  }

  #hearsLeader(): boolean {
    const core = this.#core;
    const { checkQuorum, electionTicks } = core.config;
    return checkQuorum && core.leader !== NO_MEMBER && core.electionElapsed < electionTicks;
  }

  /** From a term that is over: late, or from one who does not know. */
  #onFormerTerm(message: Message): void {
    const core = this.#core;
    const { preVote, checkQuorum } = core.config;
    switch (message.kind) {
      case "append":
      case "heartbeat":
        // A member that was cut off may have raised its term beyond the leader's. Its votes are ignored, its log cannot grow:
        // unless it tells the leader of its term, it is stuck for good. The leader steps down and the next term is above both.
        if (preVote || checkQuorum) accept(core, message.from, NO_INDEX);
        return;
      case "preVote":
        // Likewise one whose log is complete but whose term is behind must learn the term, or nobody can be elected.
        core.sendAfterSync.push({
          kind: "preVoteReply",
          from: core.id,
          to: message.from,
          term: core.term,
          rejected: true,
        });
        return;
      default:
    }
  }

  /** A message of this term; or of pre-vote, which may name the next. */
  #react(message: Message): void {
    const core = this.#core;
    switch (message.kind) {
      case "vote":
      case "preVote":
        onVote(core, message);
        return;
      case "append":
        this.#hear(message.from);
        onAppend(core, message);
        return;
      case "heartbeat":
        this.#hear(message.from);
        onHeartbeat(core, message);
        return;
      case "snapshot":
        this.#hear(message.from);
        onSnapshot(core, message);
        return;
      case "voteReply":
      case "preVoteReply": {
        const { role } = core;
        if (role.kind === "candidate" || role.kind === "preCandidate")
          onBallot(core, role, message);
        return;
      }
      case "timeoutNow":
        if (core.role.kind === "follower") campaign(core, true);
        return;
      case "readIndexReply":
        if (core.role.kind === "follower") onReadIndexReply(core, core.role, message);
        return;
      default:
        if (core.role.kind === "leader") this.#lead(core.role, message);
    }
  }

  /** What only a leader answers; anybody else is the wrong address, and silent. */
  #lead(leader: LeaderRole, message: LeaderMessage): void {
    const core = this.#core;
    switch (message.kind) {
      case "appendReply":
        onAppendReply(core, leader, message);
        return;
      case "heartbeatReply":
        onHeartbeatReply(core, leader, message);
        return;
      case "readIndex":
        onReadIndex(core, leader, message);
        return;
      case "propose":
        propose(core, leader, message.entries);
        return;
      case "transfer":
        transfer(core, message.target);
        return;
      default:
        unreachable(message);
    }
  }

  /** The leader of this term speaks. */
  #hear(from: MemberId): void {
    const core = this.#core;
    const { role } = core;
    assert(role.kind !== "leader", "a term has one leader");
    if (role.kind === "follower" && role.leader === from) core.electionElapsed = 0;
    else becomeFollower(core, core.term, from);
  }

  #onMembershipApplied(index: Index, membership: Membership): void {
    const core = this.#core;
    // A state accepted meanwhile brought a newer one.
    if (index <= core.membershipAt) return;
    assert(index <= core.log.handedOut, "a membership is that of an entry handed out");
    assertMembership(membership);
    const bootstrap = core.membership.voters.length === 0;
    assert(
      bootstrap || votersChanged(core.membership, membership) <= 1,
      "the voters change one at a time",
    );
    core.adoptMembership(index, membership);
    if (core.role.kind === "leader") onMembership(core, core.role);
  }

  #answerHeartbeat(): void {
    const core = this.#core;
    const { id: from, heartbeatFrom: to, heartbeatContext: context, term } = core;
    if (to === NO_MEMBER) return;
    core.heartbeatFrom = NO_MEMBER;
    core.send.push({ kind: "heartbeatReply", from, to, term, context });
  }

  #currentHardState(): HardState {
    const { term, vote, log } = this.#core;
    // What is held back is not on its way to the disk, and a commit must not be there before the entry.
    return { term, vote, commit: log.held ? this.#hardState.commit : log.committed };
  }

  #hardStateChanged(): boolean {
    const { term, vote, log } = this.#core;
    const { term: oldTerm, vote: oldVote, commit } = this.#hardState;
    return term !== oldTerm || vote !== oldVote || (!log.held && log.committed !== commit);
  }

  #currentSoftState(): SoftState {
    const { role, leader, term } = this.#core;
    return { role: role.kind, leader, term };
  }

  #softStateChanged(): boolean {
    const { role, leader, term } = this.#core;
    const { role: oldRole, leader: oldLeader, term: oldTerm } = this.#softState;
    return role.kind !== oldRole || leader !== oldLeader || term !== oldTerm;
  }
}
