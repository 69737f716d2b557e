/**
 * What was ever applied anywhere is committed for good: one entry an index on every member and through every
 * restart (state machine safety), durable on a quorum before the first member applies it, and the
 * membership moves by one member at a time.
 */
import {
  EntryKind,
  type Entry,
  type MemberId,
  type Membership,
  type SnapshotMark,
} from "../../../src/raft/types.ts";
import { chain, writeNumber } from "../machine.ts";
import { demand } from "./violation.ts";
import type { Witness } from "./witness.ts";

interface Version {
  readonly index: number;
  readonly membership: Membership;
}

/** How many must agree. */
export function quorum(membership: Membership): number {
  return Math.floor(membership.voters.length / 2) + 1;
}

export class CommitJudge {
  readonly #terms: number[] = [0];
  readonly #digests: number[] = [0];
  /** The term of the member that applied an index first: not below the term in which it was committed. */
  readonly #underTerms: number[] = [0];
  readonly #versions: Version[] = [];
  readonly #witnesses: ReadonlyMap<MemberId, Witness>;
  /** Writes of clients that were committed; null where the network may double a forwarded one. */
  readonly #writes: Set<number> | null;

  constructor(witnesses: ReadonlyMap<MemberId, Witness>, atMostOnce: boolean) {
    this.#witnesses = witnesses;
    this.#writes = atMostOnce ? new Set() : null;
  }

  /** The state from which all members start. */
  begin(mark: SnapshotMark, digest: number): void {
    this.#terms[mark.index] = mark.term;
    this.#digests[mark.index] = digest;
    this.#underTerms[mark.index] = mark.term;
    this.#versions.push({ index: mark.index, membership: mark.membership });
  }

  /** The last index that any member applied. */
  get last(): number {
    return this.#terms.length - 1;
  }

  termAt(index: number): number {
    return this.#terms[index] ?? 0;
  }

  /** Who takes part according to the member that applied most. */
  get membership(): Membership {
    const version = this.#versions.at(-1);
    return version?.membership ?? { voters: [], learners: [] };
  }

  get changes(): number {
    return this.#versions.length - 1;
  }

  /** Who took part once and does not any more. */
  removed(): MemberId[] {
    const now = this.membership;
    const gone = new Set<MemberId>();
    for (const { membership } of this.#versions) {
      for (const id of [...membership.voters, ...membership.learners]) {
        if (!now.voters.includes(id) && !now.learners.includes(id)) gone.add(id);
      }
    }
    return [...gone];
  }

  /** The index of the last change after which `id` did not take part; 0 if it never left. */
  removedAt(id: MemberId): number {
    let index = 0;
    let before = false;
    for (const version of this.#versions) {
      const { voters, learners } = version.membership;
      const present = voters.includes(id) || learners.includes(id);
      if (before && !present) ({ index } = version);
      before = present;
    }
    return index;
  }

  /** The last index whose commit preceded every leader of `term`; its term is in `termAt`. */
  lastBefore(term: number): number {
    let index = this.last;
    while (index > 0 && (this.#underTerms[index] ?? 0) >= term) index--;
    return index;
  }

  applied(witness: Witness, entry: Entry, digest: number): void {
    const { index } = entry;
    demand(index <= this.last + 1, "nothing is applied before what precedes it", () => {
      return `${witness.id} applied ${index}, the cluster only ${this.last}`;
    });
    if (index <= this.last) {
      this.#compare(witness, index, entry.term, digest);
      return;
    }
    demand(
      chain(this.#digests[index - 1] ?? 0, entry) === digest,
      "a machine applies what it was given",
      () => {
        return `${witness.id} at ${index}`;
      },
    );
    this.#demandDurable(witness, entry);
    this.#terms.push(entry.term);
    this.#digests.push(digest);
    this.#underTerms.push(witness.term);
    if (entry.kind === EntryKind.membership) this.#changed(index, witness.membership);
    else this.#once(writeNumber(entry.data), index);
  }

  /** A member replaced its state by one that another member captured. */
  adopted(witness: Witness, mark: SnapshotMark, digest: number): void {
    demand(mark.index <= this.last, "a snapshot holds only what was applied", () => {
      return `${witness.id} adopts ${mark.index}, the cluster applied ${this.last}`;
    });
    this.#compare(witness, mark.index, mark.term, digest);
  }

  #compare(witness: Witness, index: number, term: number, digest: number): void {
    const same = this.#terms[index] === term && this.#digests[index] === digest;
    demand(same, "every member has the same past at an index", () => {
      return `${witness.id} at ${index}: term ${term}, was ${this.#terms[index]}`;
    });
  }

  /** The leader counted by its own membership, which lags by one change at most: one of the last two must have agreed. */
  #demandDurable(witness: Witness, entry: Entry): void {
    const newest = this.#versions.at(-1);
    const older = this.#versions.at(-2);
    if (newest === undefined || this.#heldByQuorum(newest.membership, entry)) return;
    if (older !== undefined && this.#heldByQuorum(older.membership, entry)) return;
    demand(false, "what is applied is durable on a quorum", () => {
      return `${witness.id} applied ${entry.index} of term ${entry.term}`;
    });
  }

  #heldByQuorum(membership: Membership, entry: Entry): boolean {
    let holders = 0;
    for (const id of membership.voters) {
      const voter = this.#witnesses.get(id);
      if (voter === undefined) continue;
      const log = voter.durableLog;
      const compacted = entry.index < log.firstIndex() || entry.index <= voter.durableApplied();
      if (compacted || log.term(entry.index) === entry.term) holders++;
    }
    return holders >= quorum(membership);
  }

  #changed(index: number, membership: Membership): void {
    const before = this.membership;
    if (membership === before) return;
    const moved =
      membership.voters.filter((id) => !before.voters.includes(id)).length +
      before.voters.filter((id) => !membership.voters.includes(id)).length;
    demand(moved <= 1, "the voters change by one at a time", () => {
      return `at ${index}: ${before.voters.join(" ")} to ${membership.voters.join(" ")}`;
    });
    demand(membership.voters.length > 0, "the last voter stays", () => `at ${index}`);
    this.#versions.push({ index, membership });
  }

  #once(write: number, index: number): void {
    if (this.#writes === null || write === 0) return;
    demand(!this.#writes.has(write), "a write is committed at most once", () => {
      return `write ${write} again at ${index}`;
    });
    this.#writes.add(write);
  }
}
