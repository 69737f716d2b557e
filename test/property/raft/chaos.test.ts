/**
 * Any order of steps, losses, repetitions, crashes and changes of membership keeps Raft's promises. One seed decides a run; the
 * first line of a failure repeats it.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setVerifying } from "../../../src/base/assert.ts";
import type { Random } from "../../../src/base/ports.ts";
import type { Message } from "../../../src/raft/message.ts";
import type { Entry, MembershipChange } from "../../../src/raft/types.ts";
import { Member, entryText, id, index, term } from "../../unit/raft/member.ts";

setVerifying(true);

/** mulberry32: small, seeded, good enough to choose steps. */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, between: (from, end) => from + Math.floor(next() * (end - from)) };
}

class World {
  readonly random: Random;
  readonly members: Member[] = [];
  flying: Message[] = [];
  /** What each index was applied as, anywhere, ever. */
  readonly applied: string[] = [];
  readonly checked: Map<Member, number> = new Map();
  /** Who led each term. */
  readonly leaders: Map<number, bigint> = new Map();
  /** Reads that wait: the highest commit any member had when each came. */
  readonly reads: Map<number, number> = new Map();
  readonly readsSeen: Map<Member, number> = new Map();
  readonly side: Map<bigint, number> = new Map();
  /** Chance that a disk does all it has to, when it is its turn. */
  readonly diskSpeed: number;
  #request = 0;
  #text = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
    this.diskSpeed = this.random.next() < 0.4 ? 0.1 : 0.9;
    const voters = this.random.between(1, 6);
    const membership = {
      voters: Array.from({ length: voters }, (_, at) => id(at + 1)),
      learners: this.random.next() < 0.3 ? [id(voters + 1)] : [],
    };
    const config = {
      random: this.random,
      preVote: this.random.next() < 0.5,
      checkQuorum: this.random.next() < 0.5,
      inflightMessagesMax: this.random.between(1, 6),
      appendBytesMax: this.random.between(1, 20),
      uncommittedBytesMax: 200,
      cachedBytesMax: this.random.next() < 0.5 ? 0 : 2000,
    };
    for (let at = 1; at <= 6; at++) this.members.push(new Member(id(at), { membership, config }));
  }

  get highestCommit(): number {
    return Math.max(...this.members.map((member) => member.status.commit));
  }

  pick(): Member {
    const member = this.members[this.random.between(0, this.members.length)];
    assert.ok(member !== undefined);
    return member;
  }

  step(): void {
    const member = this.pick();
    const roll = this.random.next();
    if (roll < 0.3) this.deliver();
    else if (roll < 0.6) {
      if (member.raft.hasReady()) member.takeReady();
    } else if (roll < 0.7) {
      // Slow disks let writes pile up, so that entries are replaced while they are being written.
      const luck = this.random.next();
      if (luck < this.diskSpeed) while (member.writeOne());
      else if (luck < 2 * this.diskSpeed) member.writeOne();
    } else if (roll < 0.75) while (member.applyOne() && this.random.next() < 0.7);
    else if (roll < 0.83) member.tick(this.random.between(1, 4));
    else if (roll < 0.91) this.propose(member);
    else if (roll < 0.97) this.read(member);
    else if (this.random.next() < 0.5) this.disturb(member);
    else this.part();
    this.collect(member);
    this.check();
  }

  /** One side does not hear the other, until the next time. */
  part(): void {
    const parted = this.random.next() < 0.5;
    for (const one of this.members) {
      this.side.set(one.id, parted && this.random.next() < 0.4 ? 1 : 0);
    }
  }

  collect(member: Member): void {
    for (const message of member.outbox.splice(0)) {
      if (this.side.get(message.from) === this.side.get(message.to)) this.flying.push(message);
    }
  }

  deliver(): void {
    for (let count = this.random.between(1, 12); count > 0 && this.flying.length > 0; count--) {
      // Mostly the oldest, sometimes any: messages overtake each other.
      const at = this.random.next() < 0.8 ? 0 : this.random.between(0, this.flying.length);
      const message = this.flying[at];
      assert.ok(message !== undefined);
      const fate = this.random.next();
      if (fate > 0.03) this.flying.splice(at, 1); // otherwise it stays, and comes again
      if (fate < 0.9) this.members[Number(message.to) - 1]?.receive(message);
    }
  }

  propose(member: Member): void {
    if (this.random.next() < 0.9) {
      member.propose(`v${this.#text++}`);
      return;
    }
    const kinds = ["addVoter", "addLearner", "remove"] as const;
    const kind = kinds[this.random.between(0, 3)] ?? "remove";
    const change: MembershipChange = { kind, id: id(this.random.between(1, 7)) };
    member.proposeChange(change);
  }

  read(member: Member): void {
    const request = ++this.#request;
    const outcome = member.raft.step({ kind: "read", request });
    if (outcome === "done") this.reads.set(request, this.highestCommit);
  }

  disturb(member: Member): void {
    const roll = this.random.next();
    const other = this.pick();
    if (roll < 0.25) this.crash(member);
    else if (roll < 0.4) member.raft.step({ kind: "campaign" });
    else if (roll < 0.5) member.raft.step({ kind: "transfer", target: other.id });
    else if (roll < 0.6) member.raft.step({ kind: "unreachable", peer: other.id });
    else if (roll < 0.7) {
      const ok = this.random.next() < 0.5;
      member.raft.step({ kind: "snapshotResult", peer: other.id, ok });
    } else if (roll < 0.75) {
      // A report of a write that is not, or not any more, of the log.
      const [at, of] = [this.random.between(1, 60), this.random.between(1, 30)];
      const written = member.log.term(index(Math.min(at, member.log.lastIndex())));
      if (written === of) member.raft.step({ kind: "persisted", index: index(0), term: term(of) });
    } else if (roll < 0.85) this.flying = this.flying.filter(() => this.random.next() < 0.5);
    else this.compact(member);
  }

  crash(member: Member): void {
    // A read that was asked here is forgotten with the process.
    member.restart();
    this.readsSeen.set(member, member.reads.length);
  }

  compact(member: Member): void {
    const { log, applied } = member;
    // A written log can be cut, and its state offered, up to what is applied and no write will replace.
    if (applied.index <= log.origin.index || applied.index > log.lastIndex()) return;
    const reached = log.term(applied.index);
    if (reached === null) return;
    log.compact(applied.index, applied.membership);
    log.offered = { index: applied.index, term: reached, membership: applied.membership };
  }

  check(): void {
    for (const member of this.members) {
      const { role, term: at, commit, persisted, applied } = member.status;
      if (role === "leader") {
        const known = this.leaders.get(at) ?? member.id;
        assert.equal(known, member.id, `term ${at} has one leader`);
        this.leaders.set(at, member.id);
      }
      assert.ok(applied <= commit && applied <= persisted, "only what is durable is applied");
      for (let from = this.checked.get(member) ?? 0; from < member.history.length; from++) {
        this.checkApplied(member.history[from]);
      }
      this.checked.set(member, member.history.length);
      for (let from = this.readsSeen.get(member) ?? 0; from < member.reads.length; from++) {
        const state = member.reads[from];
        assert.ok(state !== undefined);
        const floor = this.reads.get(state.request);
        assert.ok(floor !== undefined, `read ${state.request} is answered once`);
        assert.ok(state.index >= floor, `read ${state.request} at ${state.index} sees ${floor}`);
        this.reads.delete(state.request);
      }
      this.readsSeen.set(member, member.reads.length);
      for (const request of member.readsLost.splice(0)) {
        assert.ok(this.reads.delete(request), `read ${request} is answered once`);
      }
    }
  }

  checkApplied(entry: Entry | undefined): void {
    assert.ok(entry !== undefined);
    const text = entryText(entry);
    const known = this.applied[entry.index] ?? text;
    assert.equal(text, known, "an index is one entry, everywhere and for good");
    this.applied[entry.index] = text;
  }

  /** Everything heals: the members must agree and go on. */
  converge(): void {
    this.side.clear();
    for (let round = 0; round < 400; round++) {
      for (const member of this.members) {
        member.tick();
        member.settle();
        this.collect(member);
      }
      this.check();
      const now = this.flying;
      this.flying = [];
      for (const message of now) this.members[Number(message.to) - 1]?.receive(message);
      for (const member of this.members) {
        for (const peer of member.status.progress) {
          if (peer.state !== "snapshot" || round % 20 !== 19) continue;
          member.raft.step({ kind: "snapshotResult", peer: peer.id, ok: false });
        }
      }
      const leader = this.members.find((member) => member.status.role === "leader");
      if (leader !== undefined && round % 10 === 0) this.compact(leader);
      if (round > 100 && this.settled(leader)) return;
    }
    assert.fail("a healed cluster agrees");
  }

  settled(leader: Member | undefined): boolean {
    if (leader === undefined) return false;
    const { term: at, lastIndex, membership } = leader.status;
    return [...membership.voters, ...membership.learners].every((one) => {
      const status = this.members[Number(one) - 1]?.status;
      return status !== undefined && status.term === at && status.applied === lastIndex;
    });
  }
}

const RUNS = Number(process.env["CHAOS_RUNS"] ?? 60);
const FIRST = Number(process.env["CHAOS_SEED"] ?? 1);
const STEPS = 2500;

describe("Raft under any order of events", () => {
  it("keeps its promises and, healed, agrees", () => {
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
      const world = new World(seed);
      try {
        for (let step = 0; step < STEPS; step++) world.step();
        world.converge();
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`CHAOS_SEED=${seed} CHAOS_RUNS=1: ${message}`, { cause });
      }
    }
  });
});
