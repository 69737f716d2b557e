/**
 * The smallest replicated state machine that can betray a wrong order: a chain of everything applied, and the membership.
 * It stands where `src/machine` over the in-memory backend will: whatever answers `MemberMachine` can be applied to.
 */
import { assert, present } from "../../src/base/assert.ts";
import {
  EntryKind,
  NO_INDEX,
  NO_TERM,
  type Entry,
  type Index,
  type MemberId,
  type Membership,
  type MembershipChange,
  type SnapshotMark,
  type Term,
} from "../../src/raft/types.ts";

/** A state at rest: what a snapshot carries and what a crash leaves. */
export interface MachineImage {
  readonly mark: SnapshotMark;
  /** Equal on two members that applied the same entries. */
  readonly digest: number;
  /** Ids that were members once: never taken again. */
  readonly removed: readonly MemberId[];
}

/** What a member asks of the machine it applies to. */
export interface MemberMachine {
  readonly applied: Index;
  readonly membership: Membership;
  readonly digest: number;
  /** Applies the next entry; the membership after it if the entry is about membership, else null. */
  apply(entry: Entry): Membership | null;
  /** The state as of now. */
  capture(): MachineImage;
  /** Becomes this state, durably, at once. */
  adopt(image: MachineImage): void;
  /** What is applied by now survives a crash from now on. */
  flush(): void;
  /** Falls back to the durable state. */
  crash(): void;
  hasRemoved(id: MemberId): boolean;
  durableMark(): SnapshotMark;
}

const ChangeTag = { addVoter: 1, addLearner: 2, remove: 3 } as const;
const TAG_KINDS = [null, "addVoter", "addLearner", "remove"] as const;

/** Two bytes: tag and id, which is below 256 here. */
export function encodeChange(change: MembershipChange): Uint8Array {
  return Uint8Array.of(ChangeTag[change.kind], Number(change.id));
}

function decodeChange(data: Uint8Array): MembershipChange {
  const kind = present(TAG_KINDS[data[0] ?? 0], "a membership entry holds a change");
  return { kind, id: BigInt(data[1] ?? 0) as MemberId };
}

/** A write of a client: four bytes of number, big-endian, then nothing that matters. */
export function encodeWrite(number: number, size: number): Uint8Array {
  const data = new Uint8Array(Math.max(4, size));
  data[0] = number >>> 24;
  data[1] = number >>> 16;
  data[2] = number >>> 8;
  data[3] = number;
  return data;
}

/** The number of a client's write; 0 for the empty entry that opens a term. */
export function writeNumber(data: Uint8Array): number {
  if (data.length < 4) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = data;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** A number for the content of an entry, without its place. */
export function contentHash(entry: Entry): number {
  let hash = 0x811c9dc5 ^ entry.kind ^ (entry.data.length << 4);
  // The rest of a long write is zeros.
  const end = Math.min(entry.data.length, 8);
  for (let at = 0; at < end; at++) hash = Math.imul(hash ^ (entry.data[at] ?? 0), 0x01000193);
  return hash >>> 0;
}

/** The chain after one entry more. */
export function chain(digest: number, entry: Entry): number {
  let next = Math.imul(digest ^ contentHash(entry), 0x85ebca6b) ^ entry.index;
  next = Math.imul(next ^ (next >>> 13), 0xc2b2ae35) ^ entry.term;
  return (next ^ (next >>> 16)) >>> 0;
}

/** The membership after a change; the same object if the change is refused. Pure: every member decides alike. */
export function changeMembership(
  membership: Membership,
  removed: readonly MemberId[],
  change: MembershipChange,
): Membership {
  const { voters, learners } = membership;
  const { id } = change;
  const isVoter = voters.includes(id);
  const isLearner = learners.includes(id);
  switch (change.kind) {
    case "addVoter":
      if (isVoter || removed.includes(id)) return membership;
      return { voters: [...voters, id], learners: learners.filter((learner) => learner !== id) };
    case "addLearner":
      if (isVoter || isLearner || removed.includes(id)) return membership;
      return { voters, learners: [...learners, id] };
    case "remove":
      if (isLearner) return { voters, learners: learners.filter((learner) => learner !== id) };
      if (!isVoter || voters.length === 1) return membership;
      return { voters: voters.filter((voter) => voter !== id), learners };
  }
}

export function isMember(membership: Membership, id: MemberId): boolean {
  return membership.voters.includes(id) || membership.learners.includes(id);
}

/** The state of a member that was given nothing yet. */
export const BLANK: MachineImage = {
  mark: { index: NO_INDEX, term: NO_TERM, membership: { voters: [], learners: [] } },
  digest: 0,
  removed: [],
};

export class ModelMachine implements MemberMachine {
  #index: Index = NO_INDEX;
  #term: Term = NO_TERM;
  #digest = 0;
  #membership: Membership;
  #removed: readonly MemberId[];
  #durable: MachineImage;

  constructor(image: MachineImage) {
    this.#durable = image;
    this.#membership = image.mark.membership;
    this.#removed = image.removed;
    this.#load(image);
  }

  get applied(): Index {
    return this.#index;
  }
  get membership(): Membership {
    return this.#membership;
  }
  get digest(): number {
    return this.#digest;
  }

  /** `twice`: a mutant's bug, by which removing a member removes another too. */
  apply(entry: Entry, twice = false): Membership | null {
    assert(entry.index === this.#index + 1, "entries are applied in order, each once");
    this.#index = entry.index;
    this.#term = entry.term;
    this.#digest = chain(this.#digest, entry);
    if (entry.kind !== EntryKind.membership) return null;
    const change = decodeChange(entry.data);
    let next = changeMembership(this.#membership, this.#removed, change);
    const victim = next.voters[0];
    if (twice && change.kind === "remove" && victim !== undefined) {
      next = changeMembership(next, this.#removed, { kind: "remove", id: victim });
    }
    if (change.kind === "remove" && next !== this.#membership) {
      this.#removed = [...this.#removed, change.id];
    }
    this.#membership = next;
    return next;
  }

  capture(): MachineImage {
    const mark = { index: this.#index, term: this.#term, membership: this.#membership };
    return { mark, digest: this.#digest, removed: this.#removed };
  }

  adopt(image: MachineImage): void {
    this.#durable = image;
    this.#load(image);
  }

  flush(): void {
    this.#durable = this.capture();
  }

  crash(): void {
    this.#load(this.#durable);
  }

  /** This member applied the removal of `id`. */
  hasRemoved(id: MemberId): boolean {
    return this.#removed.includes(id);
  }

  /** Counts everything up to `index` as applied: a mutant's bug. */
  skipTo(index: Index): void {
    this.#index = index;
  }

  durableMark(): SnapshotMark {
    return this.#durable.mark;
  }

  #load(image: MachineImage): void {
    this.#index = image.mark.index;
    this.#term = image.mark.term;
    this.#digest = image.digest;
    this.#membership = image.mark.membership;
    this.#removed = image.removed;
  }
}
