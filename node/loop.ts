/**
 * The member's heart: inbox -> step -> ready -> durable -> send -> apply, one turn at a time.
 *
 * A turn takes everything that arrived since the last one, so that many requests share one log write, one message to each
 * peer and one write to each client socket. Nothing here waits: what takes time comes back as another turn.
 */
import { assert } from "../src/base/assert.ts";
import type { Clock, Logger } from "../src/base/ports.ts";
import type { Message } from "../src/raft/message.ts";
import type { Raft } from "../src/raft/raft.ts";
import type { ReadState, Ready, SoftState } from "../src/raft/ready.ts";
import { EntryKind, NO_MEMBER } from "../src/raft/types.ts";
import type {
  Entry,
  HardState,
  Index,
  MemberId,
  Membership,
  SnapshotMark,
  Term,
} from "../src/raft/types.ts";
import type { MemberStats } from "./metrics/stats.ts";
import { Proposals, type Proposal } from "./proposals.ts";
import { Reads, type ReadWaiter } from "./reads.ts";
import { Timeline } from "./timeline.ts";

/** What the loop asks of the log. */
export interface LoopLog {
  append(entries: readonly Entry[], hardState: HardState | null, onDurable: () => void): void;
  /** Calls back, without a write, once all that was appended is durable: at once if it is. */
  afterAppends(onDurable: () => void): void;
  reset(index: Index, term: Term, hardState: HardState, onDurable: () => void): void;
}

/** What the loop asks of the replicated state. */
export interface LoopMachine {
  /** Applies one entry, or begins to: false while slices of it remain, which `resume` goes on with. */
  apply(entry: Entry): boolean;
  resume(): boolean;
  /** Who takes part, as of the last applied entry. */
  membership(): { readonly voters: readonly bigint[]; readonly learners: readonly bigint[] };
}

/** What the loop tells the rest of the member. */
export interface LoopEvents {
  /** Messages may leave now. */
  send(messages: readonly Message[]): void;
  onSoftState(next: SoftState, before: SoftState): void;
  /** A received state takes the place of the own one: from now on `machine` answers for it. */
  adopt(mark: SnapshotMark): void;
  /** Everything of this turn is done: write to the sockets. */
  endOfTurn(appliedIndex: Index): void;
}

export interface LoopOptions {
  readonly raft: Raft;
  readonly log: LoopLog;
  /** Asked at each use: it changes when a state is adopted. */
  readonly machine: () => LoopMachine;
  readonly events: LoopEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Runs a turn soon, after all sockets that are ready have been read. */
  readonly soon: (turn: () => void) => void;
  readonly applied: Index;
  readonly hardState: HardState;
  readonly proposalBudgetBytes: number;
  /** How long a proposal or a read may take: etcd's 5 s + 2 election timeouts. */
  readonly requestTimeoutMs: number;
  /** An apply that takes longer is counted and logged: --warning-apply-duration. */
  readonly warnApplyMs: number;
  readonly stats: MemberStats;
}

/** No turn applies for longer than this. */
const APPLY_SLICE_MS = 8;
/** Reading the clock costs as much as a tenth of an apply. */
const ENTRIES_PER_CLOCK_READ = 16;

const NO_SOFT_STATE: SoftState = { role: "follower", leader: NO_MEMBER, term: 0 as Term };

export class Loop {
  readonly #options: LoopOptions;
  readonly #raft: Raft;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly timeline: Timeline = new Timeline();

  #turnDue = false;
  #inTurn = false;
  #tickDue = false;
  #stopped = false;

  /** Committed and durable, not yet applied: entries of [at, length). */
  #committed: Entry[] = [];
  #committedAt = 0;
  /** The first of them is half-way through. */
  #applying = false;
  /** When the apply that the clock has not seen the end of began, and its first entry. */
  #applySinceMs = 0;
  #applySinceIndex = 0;
  /** Invariant: applied <= committed. */
  #applied: Index;
  #softState: SoftState = NO_SOFT_STATE;
  /** The newest hard state that moved `commit` alone and rides with the next write. */
  #lazyHardState: HardState | null = null;
  #hardState: HardState;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#raft = options.raft;
    this.#applied = options.applied;
    this.#hardState = options.hardState;
    this.proposals = new Proposals(options.proposalBudgetBytes, options.requestTimeoutMs);
    this.reads = new Reads(options.requestTimeoutMs);
  }

  get applied(): Index {
    return this.#applied;
  }

  /** Entries committed here and not yet applied. */
  get applyBacklog(): number {
    return this.#committed.length - this.#committedAt;
  }

  get softState(): SoftState {
    return this.#softState;
  }

  /** A tick of the clock passed. At most one is stepped a turn, after the inbox: a stall is no missed heartbeat. */
  tick(): void {
    this.#tickDue = true;
    this.schedule();
  }

  /** A message from a peer. Its snapshot messages come only once the state they offer is durable here. */
  receive(message: Message): void {
    this.#raft.step({ kind: "message", message });
    this.schedule();
  }

  /** Queues a command. What refuses it calls the waiter before this returns. */
  propose(proposal: Proposal): void {
    if (this.proposals.add(proposal, this.#options.clock.now())) this.schedule();
  }

  /** Calls the waiter once everything that was committed when this was called is applied. */
  linearize(waiter: ReadWaiter): void {
    this.reads.add(waiter, this.#options.clock.now());
    this.schedule();
  }

  /** Hands leadership to `target`; the outcome shows in the soft state. */
  transfer(target: MemberId): void {
    this.#raft.step({ kind: "transfer", target });
    this.schedule();
  }

  /** The only voter need not wait for anybody. */
  campaign(): void {
    this.#raft.step({ kind: "campaign" });
    this.schedule();
  }

  /** Shortens the first election timeout: a member that just started has waited for its leader long enough. */
  advanceElection(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) this.#raft.step({ kind: "tick" });
  }

  onUnreachable(peer: MemberId): void {
    this.#raft.step({ kind: "unreachable", peer });
    if (peer === this.#softState.leader) this.proposals.failSent("linkLost");
    this.schedule();
  }

  onSnapshotResult(peer: MemberId, ok: boolean): void {
    this.#raft.step({ kind: "snapshotResult", peer, ok });
    this.schedule();
  }

  schedule(): void {
    if (this.#turnDue || this.#stopped) return;
    this.#turnDue = true;
    this.#options.soon(this.#turn);
  }

  /** No further turn; what waits is answered with "server stopped". */
  stop(): void {
    this.#stopped = true;
    this.proposals.stop();
    this.reads.stop();
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    this.#turnDue = false;
    this.#inTurn = true;
    const now = this.#options.clock.now();
    if (this.#tickDue) {
      this.#tickDue = false;
      this.#raft.step({ kind: "tick" });
      this.proposals.expire(now, this.#softState.leader === NO_MEMBER);
      this.reads.expire(now);
    }
    this.#submit(now);
    this.#drive(now);
    this.#inTurn = false;
    this.#options.events.endOfTurn(this.#applied);
  };

  /** Hands what was collected to Raft: one proposal of many entries, one read of many waiters. */
  #submit(now: number): void {
    if (this.#softState.leader === NO_MEMBER) return; // held until there is one
    const entries = this.proposals.takeUnsent(now);
    if (entries.length > 0) {
      this.#options.stats.proposalsATurn.observe(entries.length);
      const outcome = this.#raft.step({ kind: "propose", entries });
      if (outcome !== "done") this.proposals.refuse(entries, outcome);
    }
    const request = this.reads.takeUnsent(now);
    if (request !== null && this.#raft.step({ kind: "read", request }) !== "done") {
      this.reads.hold(request);
    }
  }

  #drive(now: number): void {
    const until = now + APPLY_SLICE_MS;
    for (;;) {
      while (this.#raft.hasReady()) this.#handle(this.#raft.ready(), now);
      const before = this.#applied;
      const more = this.#applyUntil(until);
      if (this.#applied > before) this.#raft.step({ kind: "applied", index: this.#applied });
      this.reads.release(this.#applied, now);
      if (more) {
        this.schedule();
        return;
      }
      if (!this.#raft.hasReady()) return;
    }
  }

  #handle(ready: Ready, now: number): void {
    if (ready.softState !== null) this.#onSoftState(ready.softState);
    if (ready.hardState !== null) this.#hardState = ready.hardState;
    if (ready.snapshot !== null) this.#adopt(ready.snapshot);
    this.#persist(ready, now);
    if (ready.send.length > 0) this.#options.events.send(ready.send);
    for (const entry of ready.committed) this.#committed.push(entry);
    if (ready.committed.length > 0) this.#onCommitted(now);
    for (const state of ready.reads) this.#onRead(state, now);
    for (const request of ready.readsLost) this.reads.hold(request);
  }

  /** Notes the time, and how long the newest of them took: one observation for all that were committed together. */
  #onCommitted(now: number): void {
    const last = this.#committed[this.#committed.length - 1];
    if (last === undefined) return;
    this.timeline.committed.add(last.index, now);
    const appended = this.timeline.appended.passedAt(last.index);
    if (appended !== null) this.#options.stats.commits.observe((now - appended) / 1000);
  }

  /** Queues the write of a Ready; its acknowledgements leave when it is durable. */
  #persist(ready: Ready, now: number): void {
    const { append, sendAfterSync } = ready;
    if (append.length === 0 && !ready.mustSync) {
      if (ready.hardState !== null) this.#lazyHardState = ready.hardState;
      if (sendAfterSync.length > 0) this.#sendAfterAppends(sendAfterSync);
      return;
    }
    const hardState = ready.hardState ?? this.#lazyHardState;
    this.#lazyHardState = null;
    const last = append.at(-1);
    if (last !== undefined) this.timeline.appended.add(last.index, now);
    this.#options.log.append(append, hardState, () => {
      if (this.#stopped) return;
      if (last !== undefined) {
        this.timeline.durable.add(last.index, this.#options.clock.now());
        this.#raft.step({ kind: "persisted", index: last.index, term: last.term });
      }
      if (sendAfterSync.length > 0) this.#options.events.send(sendAfterSync);
      this.#afterDurable();
    });
  }

  /** Acknowledges what needs no write of its own, such as the news of a commit. */
  #sendAfterAppends(messages: readonly Message[]): void {
    this.#options.log.afterAppends(() => {
      if (this.#stopped) return;
      this.#options.events.send(messages);
      if (!this.#inTurn) this.#afterDurable();
    });
  }

  /** A write ended: what it committed is applied and answered without waiting for the sockets. */
  #afterDurable(): void {
    if (this.#turnDue && !this.#inTurn) return;
    this.#turnDue = true;
    queueMicrotask(this.#turn);
  }

  #adopt(mark: SnapshotMark): void {
    assert(mark.index > this.#applied, "an adopted state is newer than the own one");
    this.#committed = [];
    this.#committedAt = 0;
    this.#applying = false;
    this.#options.events.adopt(mark);
    this.#applied = mark.index;
    this.#options.log.reset(mark.index, mark.term, this.#hardState, () => {
      if (this.#stopped) return;
      this.#raft.step({ kind: "persisted", index: mark.index, term: mark.term });
      this.#afterDurable();
    });
    this.#raft.step({ kind: "applied", index: mark.index });
    this.proposals.failSent("leaderChanged");
  }

  #onSoftState(next: SoftState): void {
    const before = this.#softState;
    this.#softState = next;
    if (before.leader !== NO_MEMBER && next.leader !== before.leader) {
      this.proposals.failSent("leaderChanged");
    }
    this.#options.events.onSoftState(next, before);
    if (next.leader !== NO_MEMBER) this.schedule(); // what was held may go now
  }

  #onRead(state: ReadState, now: number): void {
    const waitedMs = this.reads.confirm(state.request, state.index, now);
    if (waitedMs !== null) this.#options.stats.readIndexes.observe(waitedMs / 1000);
  }

  /** Applies committed entries until `until`; true if some are left. */
  #applyUntil(until: number): boolean {
    if (this.#committedAt === this.#committed.length) return false;
    const machine = this.#options.machine();
    let sinceClock = 0;
    if (!this.#applying) this.#beginApply(this.#options.clock.now());
    while (this.#committedAt < this.#committed.length) {
      const entry = this.#committed[this.#committedAt];
      assert(entry !== undefined, "the queue of committed entries has no hole");
      if (!this.#applyOne(machine, entry)) return true;
      if (++sinceClock >= ENTRIES_PER_CLOCK_READ) {
        sinceClock = 0;
        const now = this.#options.clock.now();
        this.#endApply(now);
        if (now >= until) break;
      }
    }
    if (sinceClock > 0) this.#endApply(this.#options.clock.now());
    if (this.#committedAt < this.#committed.length) return true;
    if (this.#committedAt > 0) {
      this.#committed = [];
      this.#committedAt = 0;
    }
    return false;
  }

  #beginApply(now: number): void {
    this.#applySinceMs = now;
    this.#applySinceIndex = this.#applied + 1;
  }

  /** The clock was read after some whole entries. A mutation that was sliced counts with the turns that it let pass. */
  #endApply(now: number): void {
    const { stats, logger, warnApplyMs } = this.#options;
    const tookMs = now - this.#applySinceMs;
    this.timeline.applied.add(this.#applied, now);
    if (tookMs > warnApplyMs) {
      stats.slowApplies++;
      const entries = { first: this.#applySinceIndex, last: this.#applied };
      const operations = stats.applies.pendingOps();
      logger.warn({ ...entries, operations, ms: Math.round(tookMs) }, "apply took too long");
    }
    stats.applies.onClock(tookMs / 1000);
    this.#beginApply(now);
  }

  /** True once the entry is through. */
  #applyOne(machine: LoopMachine, entry: Entry): boolean {
    assert(entry.index === this.#applied + 1, "entries are applied in order, each once");
    const done = this.#applying ? machine.resume() : machine.apply(entry);
    this.#applying = !done;
    if (!done) return false;
    this.#applied = entry.index;
    this.#committedAt++;
    if (entry.kind === EntryKind.membership) {
      this.#raft.step({
        kind: "membershipApplied",
        index: entry.index,
        membership: machine.membership() as Membership,
      });
    }
    return true;
  }
}
