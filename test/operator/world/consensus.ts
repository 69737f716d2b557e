/**
 * What members agree on, without how: a log that a quorum of voters extends, membership in it, disks that hold a prefix of it. A
 * disk that is lost takes its prefix along, so that two lost disks too many lose what was acknowledged, as they would.
 */
import type { Prng } from "../../../src/base/prng.ts";
import type { Identity } from "../../../node/data-dir.ts";

export interface Seat {
  readonly id: string;
  readonly url: string;
  readonly learner: boolean;
  /** Empty until it has started once. */
  readonly name: string;
}

export type Entry =
  | { readonly kind: "write"; readonly id: number }
  | { readonly kind: "seats"; readonly seats: readonly Seat[] };

/** What lies on one volume. */
export interface Disk {
  identity: Identity | null;
  removed: boolean;
  /** Entries of the lineage that it has. */
  index: number;
  /** What is on it cannot be read: who starts there ends at once, and says so. */
  isDamaged: boolean;
}

export function emptyDisk(): Disk {
  return { identity: null, removed: false, index: 0, isDamaged: false };
}

/** A process that runs Raft on a disk. */
export interface Running {
  readonly pod: string;
  readonly disk: Disk;
}

export class ConsensusError extends Error {
  override readonly name = "ConsensusError";
}

/** One cluster, from its seed on. */
export class Lineage {
  readonly clusterId: string;
  readonly entries: Entry[];
  term = 1;
  /** Id of the member that leads. */
  leader: string | null = null;
  /** A person let one of its members go on without it: its disks are nobody's any more. */
  isGivenUp = false;
  readonly #random: Prng;

  constructor(clusterId: string, seed: Seat, random: Prng) {
    this.clusterId = clusterId;
    this.entries = [{ kind: "seats", seats: [seed] }];
    this.#random = random;
  }

  seatsAt(index: number): readonly Seat[] {
    for (let at = Math.min(index, this.entries.length) - 1; at >= 0; at--) {
      const entry = this.entries[at];
      if (entry?.kind === "seats") return entry.seats;
    }
    return [];
  }

  /** As the leader has them. */
  get seats(): readonly Seat[] {
    return this.seatsAt(this.entries.length);
  }

  /** A leader is kept while a quorum stands by it; else the one with most of the log is elected, if a quorum can. */
  elect(running: readonly Running[]): void {
    const byId = new Map(running.map((each) => [idOf(each.disk), each]));
    const leader = this.leader === null ? undefined : byId.get(this.leader);
    if (leader !== undefined && this.#hasQuorum(leader, byId)) return;
    this.leader = null;
    const sorted = running.toSorted((a, b) => b.disk.index - a.disk.index);
    for (const candidate of sorted) {
      if (!this.#hasQuorum(candidate, byId)) continue;
      this.leader = idOf(candidate.disk);
      this.term++;
      // What the new leader does not have is gone; if it was acknowledged, a judge will miss it.
      this.entries.length = candidate.disk.index;
      for (const { disk } of running) disk.index = Math.min(disk.index, candidate.disk.index);
      return;
    }
  }

  #hasQuorum(candidate: Running, byId: ReadonlyMap<string, Running>): boolean {
    const voters = this.seatsAt(candidate.disk.index).filter(({ learner }) => !learner);
    if (!voters.some(({ id }) => id === idOf(candidate.disk))) return false;
    const votes = voters.filter(({ id }) => {
      const voter = byId.get(id);
      return voter !== undefined && voter.disk.index <= candidate.disk.index;
    });
    return votes.length >= Math.floor(voters.length / 2) + 1;
  }

  /** Everyone who runs gets some of what it misses. */
  replicate(running: readonly Running[]): void {
    if (this.leader === null) return;
    for (const { disk } of running) {
      if (disk.index < this.entries.length && this.#random.chance(0.6))
        disk.index = Math.min(this.entries.length, disk.index + 5);
    }
  }

  /** Appended at the leader and at a quorum of voters. Throws where there is none. */
  propose(entry: Entry, running: readonly Running[]): void {
    this.elect(running);
    if (this.leader === null) throw new ConsensusError("etcdserver: no leader");
    // A change of membership is agreed on by those who were members before it.
    const { seats } = this;
    const voters = new Set(seats.filter(({ learner }) => !learner).map(({ id }) => id));
    const needed = Math.floor(voters.size / 2) + 1;
    const able = running.filter(({ disk }) => voters.has(idOf(disk)));
    if (able.length < needed) throw new ConsensusError("etcdserver: request timed out");
    this.entries.push(entry);
    const end = this.entries.length;
    const leader = running.find(({ disk }) => idOf(disk) === this.leader);
    if (leader !== undefined) leader.disk.index = end;
    const others = able.filter((each) => each !== leader);
    let have = leader !== undefined && voters.has(idOf(leader.disk)) ? 1 : 0;
    // The last of them make the quorum full, whoever they are.
    for (const [at, { disk }] of others.entries()) {
      const left = others.length - at;
      if (have + left <= needed || this.#random.chance(0.7)) {
        disk.index = end;
        have++;
      }
    }
  }

  reseat(seats: readonly Seat[], running: readonly Running[]): void {
    this.propose({ kind: "seats", seats }, running);
    const gone = (id: string): boolean => !seats.some((seat) => seat.id === id);
    for (const { disk } of running) if (gone(idOf(disk))) disk.removed = true;
    if (this.leader !== null && gone(this.leader)) this.leader = null;
  }

  get writes(): readonly number[] {
    return writesOf(this.entries);
  }

  has(write: number): boolean {
    return this.entries.some((entry) => entry.kind === "write" && entry.id === write);
  }
}

export function writesOf(entries: readonly Entry[]): readonly number[] {
  return entries.flatMap((entry) => (entry.kind === "write" ? [entry.id] : []));
}

export function idOf(disk: Disk): string {
  return disk.identity === null ? "" : disk.identity.memberId.toString(16);
}
