/**
 * The replicated log as the core sees it: the durable part through `RaftStorage`, the end in memory, and how far each of its
 * marks has come.
 *
 *     first - 1 <= applied <= handedOut <= committed <= last
 *                             handedOut <= persisted <= written <= last
 *
 * `committed` may run ahead of `persisted`: the others can be a quorum without this member's disk.
 */
import { assert, present, verify } from "../base/assert.ts";
import { QuorateError } from "../base/errors.ts";
import type { HardState, Entry, Index, SnapshotMark, Term } from "./types.ts";
import { EntryKind, NO_INDEX, NO_TERM, plus } from "./types.ts";
import type { RaftStorage } from "./storage.ts";
import { Inflights } from "./inflights.ts";
import { Tail } from "./unstable.ts";

/** Data bytes of committed entries handed out in one Ready. */
const COMMITTED_BYTES_MAX = 4 << 20;
/** Data bytes handed out and not yet reported applied, so that a long replay is never in memory as a whole. */
const APPLYING_BYTES_MAX = 16 << 20;
const NO_ENTRIES: readonly Entry[] = [];

/** Where two logs may agree. `term` is NO_TERM where it is unknown. */
export interface LogPoint {
  readonly index: Index;
  readonly term: Term;
}

export class Log {
  readonly #storage: RaftStorage;
  readonly #cachedBytesMax: number;
  readonly #tail: Tail;
  readonly #applying: Inflights = new Inflights(Number.MAX_SAFE_INTEGER, APPLYING_BYTES_MAX);
  #lastTerm: Term;
  #committed: Index;
  #applied: Index;
  /** Last index given out in `Ready.committed`. */
  #handedOut: Index;
  #persisted: Index;
  /** Last index given out in `Ready.append`, and its term. */
  #written: Index;
  #writtenTerm: Term;
  /**
   * Not null: a batch that ends here is being written and holds entries that were replaced since. Nothing further is handed
   * out to be written until it is reported. This is what makes (index, term) name one write and no other:
   *
   * 1. Entry 4 of term 1 is handed out: write A.
   * 2. A leader of term 2 replaces it; entry 4 of term 2 would be write B.
   * 3. A leader of term 3, whose log holds entry 4 of term 1, replaces it again; entry 4 of term 1 would be write C.
   * 4. A is reported: (4, 1). Our log holds (4, 1) as well, so it would be taken for C and counted durable.
   * 5. B reaches the disk and the member crashes before C: it acknowledged, or applied, an entry it does not have.
   *
   * With the barrier B and C wait for A; then only the survivor, C, is written.
   */
  #barrier: LogPoint | null = null;
  /** A state to replace the log, not yet handed out. Invariant: origin is not null then. */
  #snapshot: SnapshotMark | null = null;
  /** The state that replaced the log, while the storage may still answer for the log before it. */
  #origin: LogPoint | null = null;
  /** Where the newest accepted state ends: until that is applied, this member is not ready to lead. */
  #unadopted: Index = NO_INDEX;
  /** Indexes of entries that change the membership, ascending, those applied removed. Seldom more than one. */
  readonly #changes: Index[] = [];
  /** What lay in the log at start was not searched for changes of membership: until it is applied, it may hold some. */
  readonly #unsearchedLast: Index;

  constructor(
    storage: RaftStorage,
    hardState: HardState,
    limits: { applied: Index; cachedBytesMax: number },
  ) {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    const { applied, cachedBytesMax } = limits;
    assert(applied >= first - 1, "the log reaches back to what is applied");
    assert(applied <= last, "what is applied is in the log");
    assert(hardState.commit <= last, "what is committed is in the log");
    this.#storage = storage;
    this.#cachedBytesMax = cachedBytesMax;
    this.#tail = new Tail(plus(last, 1));
    this.#lastTerm = present(storage.term(last), "the last entry has a term");
    // A commit is written lazily: what is applied was committed even where the hard state does not say so yet.
    this.#committed = Math.max(hardState.commit, applied, first - 1) as Index;
    this.#applied = applied;
    this.#handedOut = applied;
    this.#persisted = last;
    this.#written = last;
    this.#writtenTerm = this.#lastTerm;
    this.#unsearchedLast = last;
  }

  /** Memory that entries take, by estimate. */
  get cachedBytes(): number {
    return this.#tail.bytes;
  }

  get last(): Index {
    return plus(this.#tail.end, -1);
  }

  get lastTerm(): Term {
    return this.#lastTerm;
  }

  get first(): Index {
    return this.#origin === null ? this.#storage.firstIndex() : plus(this.#origin.index, 1);
  }

  get committed(): Index {
    return this.#committed;
  }

  get applied(): Index {
    return this.#applied;
  }

  get handedOut(): Index {
    return this.#handedOut;
  }

  get persisted(): Index {
    return this.#persisted;
  }

  /** A state was accepted and is not yet adopted. */
  get restoring(): boolean {
    return this.#origin !== null || this.#applied < this.#unadopted;
  }

  /** Term of the entry at `index`; null below first - 1 and beyond last. */
  term(index: Index): Term | null {
    if (index === this.last) return this.#lastTerm;
    if (index > this.last) return null;
    if (index >= this.#tail.offset) return this.#tail.at(index).term;
    if (this.#origin !== null) return index === this.#origin.index ? this.#origin.term : null;
    return this.#storage.term(index);
  }

  /** The log holds an entry (or begins right after one) with this index and term. */
  matches(index: Index, term: Term): boolean {
    return this.term(index) === term;
  }

  /** A log that ends in (index, term) is at least as complete as this one (section 5.4.1). */
  isUpToDate(index: Index, term: Term): boolean {
    return term > this.#lastTerm || (term === this.#lastTerm && index >= this.last);
  }

  /** Adds one entry after the last. */
  push(entry: Entry): void {
    assert(entry.term >= this.#lastTerm, "terms never fall along a log");
    this.#tail.push(entry);
    this.#lastTerm = entry.term;
    if (entry.kind === EntryKind.membership) this.#changes.push(entry.index);
  }

  /**
   * Takes a leader's entries that follow `previous`, which matches: skips those that are there, replaces what conflicts.
   * Returns the index of the last of them. Never removes an entry that agrees: the message may be an old one.
   */
  merge(previous: Index, entries: readonly Entry[]): Index {
    const end = plus(previous, entries.length);
    let at = 0;
    if (previous < this.last) {
      while (at < entries.length) {
        const entry = present(entries[at], "within the message");
        if (!this.matches(entry.index, entry.term)) break;
        at++;
      }
      const conflict = plus(previous, at + 1);
      if (at < entries.length && conflict <= this.last) this.#truncate(conflict);
    }
    for (; at < entries.length; at++) this.push(present(entries[at], "within the message"));
    return end;
  }

  /** Moves the commit forward; a lower index is old news. */
  commitTo(index: Index): void {
    if (index <= this.#committed) return;
    if (index > this.last) throw lostEntries(this.last, index);
    this.#committed = index;
  }

  /**
   * The greatest index <= `index` whose term is <= `term`: below it the two logs may agree, above it they cannot, since terms
   * never fall along a log. Skips whole terms in one round trip (section 5.3). Where it leaves the log: NO_TERM.
   */
  findConflict(index: Index, term: Term): LogPoint {
    for (let at = index; at > 0; at = plus(at, -1)) {
      const ours = this.term(at);
      if (ours === null) return { index: at, term: NO_TERM };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: NO_INDEX, term: NO_TERM };
  }

  /** Entries of [from, end): at least one, then as many as fit; null if `from` is compacted. */
  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    assert(from < end, "an interval of entries is not empty");
    assert(end <= this.#tail.end, "entries end with the log");
    if (from >= this.#tail.offset) return this.#tail.slice(from, end, bytesMax);
    if (from < this.first) return null;
    return this.#storage.entries(from, Math.min(end, this.#tail.offset) as Index, bytesMax);
  }

  snapshot(): SnapshotMark | null {
    return this.#storage.snapshot();
  }

  /** A state replaces the whole log. */
  restore(mark: SnapshotMark): void {
    assert(mark.index > this.#committed, "a state never takes back what is committed");
    this.#raiseBarrier();
    this.#tail.reset(plus(mark.index, 1));
    this.#changes.length = 0;
    this.#lastTerm = mark.term;
    this.#committed = mark.index;
    this.#handedOut = mark.index;
    this.#unadopted = mark.index;
    this.#persisted = mark.index;
    this.#written = mark.index;
    this.#writtenTerm = mark.term;
    this.#snapshot = mark;
    this.#origin = { index: mark.index, term: mark.term };
  }

  /** A batch that ends in (index, term) is durable. */
  persistedTo(index: Index, term: Term): void {
    const barrier = this.#barrier;
    if (barrier !== null && index === barrier.index && term === barrier.term) {
      this.#barrier = null;
      if (this.#snapshot !== null) return;
      // Of that batch, what is still in the log is durable: `written` was cut back to it.
      this.#persisted = this.#written;
      if (this.#origin !== null && index >= this.#origin.index) this.#origin = null;
      return;
    }
    // The state waits behind the barrier: whatever is reported, it is not about the log that follows it.
    if (this.#snapshot !== null) return;
    if (index > this.#written || !this.matches(index, term)) return;
    if (this.#origin !== null && index >= this.#origin.index) this.#origin = null;
    if (index > this.#persisted) this.#persisted = index;
    this.#tail.evict(this.#persisted, this.#cachedBytesMax);
  }

  /** Keeps at most `bytesMax` of what is durable and applied in memory: whoever needs more reads it from the storage. */
  trim(bytesMax: number): void {
    this.#tail.evict(Math.min(this.#persisted, this.#applied) as Index, bytesMax);
  }

  appliedTo(index: Index): void {
    assert(index <= this.#handedOut, "only what was handed out is applied");
    if (index <= this.#applied) return;
    this.#applied = index;
    this.#applying.release(index);
    while (this.#changes.length > 0 && (this.#changes[0] ?? 0) <= index) this.#changes.shift();
  }

  /** There may be an entry that is committed, changes the membership and is not applied. */
  hasUnappliedChange(): boolean {
    if (this.#applied < Math.min(this.#committed, this.#unsearchedLast)) return true;
    const change = this.#changes[0];
    return change !== undefined && change <= this.#committed;
  }

  /** Something waits to be written, and may be. */
  hasUnwritten(): boolean {
    return this.#barrier === null && (this.#written < this.last || this.#snapshot !== null);
  }

  /** Replaced entries are being written: what follows them, acknowledgements included, waits. */
  get held(): boolean {
    return this.#barrier !== null;
  }

  /** Hands out what is to be written, once. */
  takeUnwritten(): { readonly append: readonly Entry[]; readonly snapshot: SnapshotMark | null } {
    assert(this.#barrier === null, "nothing is written past a barrier");
    const snapshot = this.#snapshot;
    this.#snapshot = null;
    const { last } = this;
    const from = plus(this.#written, 1);
    const append = from > last ? NO_ENTRIES : this.#tail.slice(from, plus(last, 1), Infinity);
    this.#written = last;
    this.#writtenTerm = this.#lastTerm;
    return { append, snapshot };
  }

  /** There are committed entries to hand out. */
  hasCommitted(): boolean {
    if (this.#snapshot !== null || this.#applying.full) return false;
    return this.#handedOut < this.#committed && this.#handedOut < this.#persisted;
  }

  /** Hands out committed entries that are durable here, once, as many as the budgets allow. */
  takeCommitted(): readonly Entry[] {
    if (!this.hasCommitted()) return NO_ENTRIES;
    const from = plus(this.#handedOut, 1);
    const end = plus(Math.min(this.#committed, this.#persisted) as Index, 1);
    const entries = present(
      this.entries(from, end, COMMITTED_BYTES_MAX),
      "what is not applied is not compacted",
    );
    assert(entries.length > 0, "a log answers with at least one entry");
    let bytes = 0;
    for (const entry of entries) bytes += entry.data.length;
    this.#handedOut = plus(this.#handedOut, entries.length);
    assert(entries[0]?.index === from, "committed entries are handed out in order");
    assert(this.#handedOut < end, "nothing beyond what is committed and durable is handed out");
    this.#applying.add(this.#handedOut, bytes);
    verify(() => entries.every((e, at) => e.index === from + at), "entries are contiguous");
    return entries;
  }

  #truncate(from: Index): void {
    assert(from > this.#committed, "a committed entry is never replaced");
    if (from <= this.#written) this.#raiseBarrier();
    const before = present(this.term(plus(from, -1)), "a log is cut after an entry");
    if (from < this.#tail.offset) this.#tail.reset(from);
    else this.#tail.truncate(from);
    this.#lastTerm = before;
    const last = plus(from, -1);
    if (this.#written > last) {
      this.#written = last;
      this.#writtenTerm = before;
    }
    if (this.#persisted > last) this.#persisted = last;
    while ((this.#changes.at(-1) ?? 0) >= from) this.#changes.pop();
  }

  /** What is being written is about to be replaced. A barrier that stands already covers it: nothing was written since. */
  #raiseBarrier(): void {
    if (this.#barrier !== null || this.#written === this.#persisted) return;
    this.#barrier = { index: this.#written, term: this.#writtenTerm };
  }
}

/** A leader knows more of this log than it holds: its disk lost what was reported durable. */
function lostEntries(last: Index, acknowledged: Index): QuorateError {
  return new QuorateError(
    "logCorruption",
    `the log ends at entry ${last}, but entry ${acknowledged} was acknowledged: its end was lost`,
  );
}
