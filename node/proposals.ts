/**
 * Writes that wait for their entry to be applied. A proposal is handed to Raft once; what happens to its leader then
 * decides the answer, and nothing is ever sent again (at most once). Without a leader it is held, unsent.
 */
import type { EntryKind } from "../src/raft/types.ts";
import type { StepOutcome } from "../src/raft/raft.ts";
import type { Reply } from "../src/machine/reply.ts";

/** Why a proposal was not answered by its entry. All but `tooMany`, `stopped` leave open whether it was applied. */
export type ProposalFailure =
  | "tooMany"
  | "stopped"
  | "leaderChanged"
  | "linkLost"
  | "timedOut"
  | "timedOutNoLeader"
  | "membershipPending";

/** One command on its way into the log, and who waits for it. */
export interface Proposal {
  /** Lower 48 bits of its request id. */
  readonly sequence: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
  /** When it was handed to Raft, monotonic milliseconds; -1 while it is not. Kept by `Proposals`. */
  sentAtMs: number;
  /** Of its entry, once that is being applied; 0 before. Kept by `Proposals`. */
  index: number;
  /** The entry was applied. Called on the turn that applied it. */
  onReply(reply: Reply): void;
  onFailure(failure: ProposalFailure): void;
}

interface Waiting {
  readonly proposal: Proposal;
  readonly deadline: number;
}

export class Proposals {
  /** In order of their arrival, which is the order of their deadlines. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #bytesMax: number;
  readonly #timeoutMs: number;
  #unsent: Waiting[] = [];
  #bytes = 0;
  #stopped = false;
  /** Of all that failed, since the start. */
  failedCount = 0;

  constructor(bytesMax: number, timeoutMs: number) {
    this.#bytesMax = bytesMax;
    this.#timeoutMs = timeoutMs;
  }

  get count(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False if it was refused, and the waiter told so. */
  add(proposal: Proposal, now: number): boolean {
    if (this.#stopped || this.#bytes + proposal.data.length > this.#bytesMax) {
      this.failedCount++;
      proposal.onFailure(this.#stopped ? "stopped" : "tooMany");
      return false;
    }
    const waiting: Waiting = { proposal, deadline: now + this.#timeoutMs };
    this.#waiting.set(proposal.sequence, waiting);
    this.#unsent.push(waiting);
    this.#bytes += proposal.data.length;
    return true;
  }

  /** What has not been handed to Raft yet, which from now on counts as sent. */
  takeUnsent(now: number): readonly Proposal[] {
    const taken: Proposal[] = [];
    for (const waiting of this.#unsent) {
      if (this.#waiting.get(waiting.proposal.sequence) !== waiting) continue; // timed out while held
      waiting.proposal.sentAtMs = now;
      taken.push(waiting.proposal);
    }
    if (this.#unsent.length > 0) this.#unsent = [];
    return taken;
  }

  /** Raft took none of the last `taken`: held again where there was no leader, refused otherwise. */
  refuse(taken: readonly Proposal[], outcome: StepOutcome): void {
    for (const proposal of taken) {
      const waiting = this.#waiting.get(proposal.sequence);
      if (waiting === undefined) continue;
      proposal.sentAtMs = -1;
      if (outcome === "noLeader" || outcome === "transferring") this.#unsent.push(waiting);
      else this.#fail(waiting, outcome === "membershipPending" ? "membershipPending" : "tooMany");
    }
  }

  /** True if somebody here waits for this request. */
  isWaiting(sequence: number): boolean {
    return this.#waiting.has(sequence);
  }

  /** The entry of the request, at `index`, was applied. */
  settle(sequence: number, reply: Reply, index: number): void {
    const waiting = this.#waiting.get(sequence);
    if (waiting === undefined) return;
    this.#forget(waiting);
    waiting.proposal.index = index;
    waiting.proposal.onReply(reply);
  }

  /** Everything that was handed to Raft is answered: whoever was to commit it may be gone. */
  failSent(failure: ProposalFailure): void {
    for (const waiting of Array.from(this.#waiting.values())) {
      if (waiting.proposal.sentAtMs >= 0) this.#fail(waiting, failure);
    }
  }

  expire(now: number, noLeader: boolean): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.deadline > now) return;
      this.#fail(waiting, noLeader ? "timedOutNoLeader" : "timedOut");
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const waiting of Array.from(this.#waiting.values())) this.#fail(waiting, "stopped");
  }

  #fail(waiting: Waiting, failure: ProposalFailure): void {
    this.#forget(waiting);
    this.failedCount++;
    waiting.proposal.onFailure(failure);
  }

  #forget(waiting: Waiting): void {
    this.#waiting.delete(waiting.proposal.sequence);
    this.#bytes -= waiting.proposal.data.length;
  }
}
