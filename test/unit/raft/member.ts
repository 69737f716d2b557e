/**
 * One member of a test cluster: the real core over a log in memory, every step of the world's under the test's control. What a
 * Ready asks for waits in queues until the test says so; a crash drops what is not durable.
 */
import assert from "node:assert/strict";
import type { Random } from "../../../src/base/ports.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { planChange } from "../../../src/raft/membership.ts";
import type { Message } from "../../../src/raft/message.ts";
import { Raft } from "../../../src/raft/raft.ts";
import type { RaftConfig, RaftStatus } from "../../../src/raft/raft.ts";
import type { Ready, ReadState } from "../../../src/raft/ready.ts";
import type { RaftStorage } from "../../../src/raft/storage.ts";
import { EntryKind, NO_INDEX, NO_MEMBER, NO_TERM, plus } from "../../../src/raft/types.ts";
import type {
  Entry,
  HardState,
  Index,
  MemberId,
  Membership,
  MembershipChange,
  SnapshotMark,
  Term,
} from "../../../src/raft/types.ts";

export const id = (number: number): MemberId => BigInt(number) as MemberId;
export const index = (number: number): Index => number as Index;
export const term = (number: number): Term => number as Term;

/** Never random: the election timeout is electionTicks plus `offset`. */
export function fixedRandom(offset = 0): Random {
  return { next: () => 0, between: (from, end) => Math.min(from + offset, end - 1) };
}

/** A log that survives crashes. Answers only for what was written to it. */
export class MemoryLog implements RaftStorage {
  hardState: HardState = { term: NO_TERM, vote: NO_MEMBER, commit: NO_INDEX };
  /** What the log grew from: everything at or below its index is in it. */
  origin: SnapshotMark;
  entriesHeld: Entry[] = [];
  /** What `snapshot()` answers; null: nothing to be had. */
  offered: SnapshotMark | null = null;

  constructor(membership: Membership) {
    this.origin = { index: NO_INDEX, term: NO_TERM, membership };
  }

  initial(): { hardState: HardState; membership: Membership } {
    return { hardState: this.hardState, membership: this.origin.membership };
  }

  firstIndex(): Index {
    return plus(this.origin.index, 1);
  }

  lastIndex(): Index {
    return plus(this.origin.index, this.entriesHeld.length);
  }

  term(at: Index): Term | null {
    if (at === this.origin.index) return this.origin.term;
    assert.ok(at <= this.lastIndex(), `the core asks for term ${at} beyond ${this.lastIndex()}`);
    return this.entriesHeld[at - this.origin.index - 1]?.term ?? null;
  }

  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    if (from <= this.origin.index) return null;
    assert.ok(end <= this.lastIndex() + 1, "the core asks only for what is durable");
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = from; at < end; at = plus(at, 1)) {
      const entry = this.entriesHeld[at - this.origin.index - 1];
      assert.ok(entry !== undefined);
      bytes += entry.data.length;
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  snapshot(): SnapshotMark | null {
    return this.offered;
  }

  /** Makes one batch durable. */
  write(ready: Ready): void {
    if (ready.snapshot !== null) {
      this.origin = ready.snapshot;
      this.entriesHeld = [];
    }
    const first = ready.append[0];
    if (first !== undefined) {
      assert.ok(first.index > this.origin.index && first.index <= this.lastIndex() + 1);
      this.entriesHeld.length = first.index - this.origin.index - 1;
      this.entriesHeld.push(...ready.append);
    }
    if (ready.hardState !== null) this.hardState = ready.hardState;
    assert.ok(this.hardState.commit <= this.lastIndex(), "a durable commit has a durable entry");
  }

  /** Forgets entries up to `at`, at which `membership` stood. */
  compact(at: Index, membership: Membership): void {
    const reached = this.term(at);
    assert.ok(reached !== null);
    this.entriesHeld.splice(0, at - this.origin.index);
    this.origin = { index: at, term: reached, membership };
  }
}

export interface MemberOptions {
  readonly config?: Partial<RaftConfig>;
  readonly membership?: Membership;
}

/** Applied state: the entries themselves, and the membership they lead to. */
interface Applied {
  index: Index;
  membership: Membership;
}

export class Member {
  readonly id: MemberId;
  readonly log: MemoryLog;
  readonly options: MemberOptions;
  raft: Raft;
  /** Readys whose batch is not yet durable, oldest first. */
  readonly writes: Ready[] = [];
  /** Committed entries handed out and not yet applied. */
  readonly applies: Entry[] = [];
  /** Every entry applied by any run of this member, in order. */
  readonly history: Entry[] = [];
  readonly reads: ReadState[] = [];
  readonly readsLost: number[] = [];
  /** Messages that left, not yet taken by the test. */
  readonly outbox: Message[] = [];
  applied: Applied;
  /** What it applied includes its own removal. */
  removed = false;
  readies = 0;

  constructor(self: MemberId, options: MemberOptions = {}) {
    this.id = self;
    this.options = options;
    const membership = options.membership ?? { voters: [], learners: [] };
    this.log = new MemoryLog(membership);
    this.applied = { index: NO_INDEX, membership };
    this.raft = this.#make();
  }

  get status(): RaftStatus {
    return this.raft.status();
  }

  #make(): Raft {
    return new Raft({
      id: this.id,
      storage: {
        initial: () => ({
          hardState: this.log.hardState,
          membership: this.applied.membership,
        }),
        firstIndex: () => this.log.firstIndex(),
        lastIndex: () => this.log.lastIndex(),
        term: (at) => this.log.term(at),
        entries: (from, end, bytesMax) => this.log.entries(from, end, bytesMax),
        snapshot: () => this.log.snapshot(),
      },
      random: fixedRandom(),
      logger: silentLogger,
      electionTicks: 10,
      heartbeatTicks: 1,
      preVote: false,
      checkQuorum: false,
      applied: this.applied.index,
      removed: this.removed,
      appendBytesMax: 1 << 20,
      inflightMessagesMax: 256,
      inflightBytesMax: 1 << 20,
      uncommittedBytesMax: 1 << 20,
      cachedBytesMax: 0,
      ...this.options.config,
    });
  }

  /** Takes one Ready and queues what it asks for. */
  takeReady(): Ready {
    this.readies++;
    const ready = this.raft.ready();
    this.outbox.push(...ready.send);
    const first = ready.committed[0];
    if (first !== undefined) {
      const before = this.applies.at(-1)?.index ?? this.applied.index;
      if (ready.snapshot === null) assert.ok(first.index > before, "applied once, in order");
    }
    if (ready.append.length > 0 || ready.hardState !== null || ready.snapshot !== null) {
      this.writes.push(ready);
    } else if (ready.sendAfterSync.length > 0) {
      if (this.writes.length === 0) this.outbox.push(...ready.sendAfterSync);
      else this.writes.push(ready);
    }
    this.applies.push(...ready.committed);
    this.reads.push(...ready.reads);
    this.readsLost.push(...ready.readsLost);
    return ready;
  }

  /** Makes the oldest queued batch durable and lets its messages go. */
  writeOne(): boolean {
    const ready = this.writes.shift();
    if (ready === undefined) return false;
    this.log.write(ready);
    const { snapshot } = ready;
    if (snapshot !== null) {
      this.applied = { index: snapshot.index, membership: snapshot.membership };
      this.applies.splice(0, this.applies.findIndex((entry) => entry.index > snapshot.index) >>> 0);
    }
    const last = ready.append.at(-1) ?? ready.snapshot;
    if (last !== undefined && last !== null) {
      this.raft.step({ kind: "persisted", index: last.index, term: last.term });
    }
    if (snapshot !== null) this.raft.step({ kind: "applied", index: snapshot.index });
    this.outbox.push(...ready.sendAfterSync);
    return true;
  }

  /** Applies the oldest entry handed out. */
  applyOne(): boolean {
    const entry = this.applies.shift();
    if (entry === undefined) return false;
    if (entry.index <= this.applied.index) return true;
    assert.equal(entry.index, this.applied.index + 1, "entries are applied without a gap");
    let { membership } = this.applied;
    if (entry.kind === EntryKind.membership) {
      const change = decodeChange(entry.data);
      const outcome = planChange(membership, change);
      if (outcome.kind === "changed") {
        ({ membership } = outcome);
        if (change.kind === "remove" && change.id === this.id) this.removed = true;
      }
      this.raft.step({ kind: "membershipApplied", index: entry.index, membership });
    }
    this.applied = { index: entry.index, membership };
    this.history.push(entry);
    this.raft.step({ kind: "applied", index: entry.index });
    return true;
  }

  /** Does everything that can be done without the others. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      let busy = false;
      if (this.raft.hasReady()) {
        this.takeReady();
        busy = true;
      }
      while (this.writeOne()) busy = true;
      while (this.applyOne()) busy = true;
      if (!busy) return;
    }
    assert.fail("a member comes to rest");
  }

  propose(...texts: string[]): string {
    return this.raft.step({
      kind: "propose",
      entries: texts.map((text) => ({ kind: EntryKind.normal, data: encodeText(text) })),
    });
  }

  proposeChange(change: MembershipChange): string {
    const data = encodeText(`${change.kind} ${change.id}`);
    return this.raft.step({ kind: "propose", entries: [{ kind: EntryKind.membership, data }] });
  }

  tick(count = 1): void {
    for (let at = 0; at < count; at++) this.raft.step({ kind: "tick" });
  }

  receive(message: Message): void {
    this.raft.step({ kind: "message", message });
  }

  /** The process ends and starts again: what was durable is left. `appliedLost`: the store lost what it had not flushed. */
  restart(options: { appliedLost?: boolean } = {}): void {
    this.writes.length = 0;
    this.applies.length = 0;
    this.outbox.length = 0;
    if (options.appliedLost === true) {
      this.applied = { index: this.log.origin.index, membership: this.log.origin.membership };
    }
    this.raft = this.#make();
  }

  /** Everything in the log, as text: index/term:data. */
  logText(): string {
    const texts = this.log.entriesHeld.map(entryText);
    return texts.join(" ");
  }
}

export function entryText(entry: Entry): string {
  const data = decodeText(entry.data);
  return `${entry.index}/${entry.term}${data === "" ? "" : `:${data}`}`;
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decodeText(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

export function decodeChange(data: Uint8Array): MembershipChange {
  const [kind, number] = decodeText(data).split(" ");
  assert.ok(kind === "addVoter" || kind === "addLearner" || kind === "remove");
  return { kind, id: BigInt(number ?? 0) as MemberId };
}
