/**
 * One run: a cluster, its clients, its faults and its judges. First safety: faults rage, and no judge may object. Then
 * liveness: the faults end, a quorum is healed, and the cluster must agree and serve again within a bounded time.
 */
import { assert } from "../../src/base/assert.ts";
import { Prng } from "../../src/base/prng.ts";
import type { Message, SnapshotMessage } from "../../src/raft/message.ts";
import type { Index, MemberId, Membership, Term } from "../../src/raft/types.ts";
import { quorum } from "./checker/commit.ts";
import { Judges } from "./checker/judges.ts";
import { demand } from "./checker/violation.ts";
import { Schedule } from "./clock.ts";
import { Faults, type Patient } from "./faults.ts";
import { BLANK, type MachineImage } from "./machine.ts";
import { Member } from "./member.ts";
import type { Surroundings } from "./surroundings.ts";
import type { LogOperation } from "./log-twin.ts";
import type { Mutant } from "./mutants.ts";
import { Network, type Stations } from "./network.ts";
import { drawSwarm, exponential, EXPONENTIAL_MAX, TICK, type Swarm } from "./swarm.ts";
import { Trace } from "./trace.ts";
import { Workload } from "./workload.ts";

export interface Options {
  readonly mutant?: Mutant | null;
  /** Where the lines of the trace go; null for none. */
  readonly print?: ((line: string) => void) | null;
  /** Hears of everything that happens to the members' logs on their disks. */
  readonly recordLog?: (id: MemberId, operation: LogOperation) => void;
}

/** What a run that nobody objected to was like. */
export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  /** Simulated milliseconds. */
  readonly time: number;
  readonly events: number;
  readonly committed: number;
  readonly leaders: number;
  readonly changes: number;
  readonly readsConfirmed: number;
  /** Ticks from the healing to agreement, the slower of the two. */
  readonly healingTicks: number;
  readonly reached: ReadonlyMap<string, number>;
}

/** Everybody begins with this behind them, so that a newcomer always starts from a snapshot that names the members. */
const BEGIN = 1;
/** Ids of one run: those of the start and those who join. */
const MEMBERS_MAX = 12;
/** A removed member is told and stops after this long. */
const GRACE = 120;
/** Election timeouts within which a healed cluster must serve. */
const HEALING_TIMEOUTS = 30;

export class Cluster implements Patient, Stations {
  readonly members: Map<MemberId, Member> = new Map();
  readonly schedule: Schedule = new Schedule();
  readonly swarm: Swarm;
  readonly trace: Trace;
  readonly network: Network;
  readonly judges: Judges;
  readonly workload: Workload;
  readonly #root: Prng;
  readonly #faults: Faults;
  readonly #around: Surroundings;
  /** Members whose process ended for good. */
  readonly #gone = new Set<MemberId>();
  #alive: Member[] = [];
  #healingTicks = 0;

  constructor(seed: number, options: Options = {}) {
    this.#root = new Prng(seed);
    this.swarm = drawSwarm(this.#root, seed);
    const { schedule, swarm } = this;
    this.trace = new Trace(() => schedule.now(), options.print ?? null);
    const { duplicate, replay } = swarm.network;
    const atMostOnce = duplicate === 0 && replay === 0;
    this.judges = new Judges(this.members, atMostOnce);
    this.network = new Network(swarm.network, {
      schedule,
      random: this.#root.fork("network"),
      trace: this.trace,
      stations: this,
    });
    this.#around = {
      schedule,
      network: this.network,
      judges: this.judges,
      trace: this.trace,
      swarm,
      mutant: options.mutant ?? null,
      leftCluster: (id) => this.#left(id),
      recordLog: options.recordLog ?? (() => {}),
    };
    this.#faults = new Faults(this, this.#root.fork("faults"));
    this.workload = new Workload(this, this.#root.fork("workload"));
  }

  run(): Outcome {
    this.#begin();
    this.#faults.start();
    this.workload.start();
    this.#advance(this.swarm.safetyTime);
    this.#faults.stop();
    this.workload.stop();
    this.#heal();
    this.#converge("healed");
    if (this.swarm.healQuorumOnly) {
      this.#killMinority();
      this.#converge("quorum");
    }
    return this.#outcome();
  }

  alive(): readonly Member[] {
    return this.#alive;
  }

  membership(): Membership {
    return this.judges.commit.membership;
  }

  crash(member: Member): void {
    if (!member.up) return;
    member.crash();
    this.network.disconnect(member.id);
  }

  restart(member: Member): void {
    if (member.up || this.#gone.has(member.id)) return;
    member.start();
  }

  join(): Member | null {
    if (this.members.size >= MEMBERS_MAX) return null;
    const member = this.#add(BigInt(this.members.size + 1) as MemberId, BLANK);
    this.trace.record("join", Number(member.id), 0, 0);
    // Some are late, as a process that waits for its disk: a member on paper only.
    const random = this.#root.fork(`join ${member.id}`);
    this.schedule.after(exponential(random, random.chance(0.2) ? 1000 : 30), () => {
      this.restart(member);
    });
    return member;
  }

  deliver(message: Message): void {
    this.members.get(message.to)?.give({ kind: "message", message });
  }

  deliverSnapshot(message: SnapshotMessage, image: MachineImage): boolean {
    const member = this.members.get(message.to);
    if (member === undefined || !member.up || member.stalled) return false;
    member.receiveSnapshot(message, image);
    return true;
  }

  broken(from: MemberId, to: MemberId): void {
    this.members.get(from)?.give({ kind: "unreachable", peer: to });
  }

  #begin(): void {
    const voters: MemberId[] = [];
    for (let n = 1; n <= this.swarm.members; n++) voters.push(BigInt(n) as MemberId);
    const mark = {
      index: BEGIN as Index,
      term: BEGIN as Term,
      membership: { voters, learners: [] },
    };
    const image: MachineImage = { mark, digest: 1, removed: [] };
    this.judges.commit.begin(mark, image.digest);
    for (const id of voters) this.#add(id, image).start();
  }

  #add(id: MemberId, image: MachineImage): Member {
    const random = this.#root.fork(`member ${id}`);
    const member = new Member(id, image, this.#around, random);
    const { skew } = this.swarm;
    member.tickFactor = skew ** (2 * random.next() - 1);
    this.members.set(id, member);
    this.#alive = [...this.#alive, member];
    return member;
  }

  /** A member applied its own removal: its process stops soon. */
  #left(id: MemberId): void {
    this.schedule.after(GRACE, () => this.#end(id));
  }

  #end(id: MemberId): void {
    const member = this.members.get(id);
    if (member === undefined || this.#gone.has(id)) return;
    // A restart may have brought it back to before its removal; then it does not know and stays.
    if (this.membership().voters.includes(id) || this.membership().learners.includes(id)) return;
    if (!this.#knownByQuorum(id)) {
      this.schedule.after(GRACE, () => this.#end(id));
      return;
    }
    this.crash(member);
    this.#gone.add(id);
    this.#alive = this.#alive.filter((other) => other !== member);
    this.trace.record("leave", Number(id), 0, 0);
  }

  /**
   * A quorum of those who stay applied the removal of `id`. Until then its process must live on, and
   * vote: the others may hold the entry that removes it without knowing that it is committed,
   * and by the membership before it they need its
   * vote. Of voters 1 and 2, leader 1 commits its own removal and stops before 2 hears of the commit: 2 can never lead.
   */
  #knownByQuorum(id: MemberId): boolean {
    const removedAt = this.judges.commit.removedAt(id);
    const membership = this.membership();
    const knowing = membership.voters.filter((voter) => {
      return (this.members.get(voter)?.machine.applied ?? 0) >= removedAt;
    });
    return knowing.length >= quorum(membership);
  }

  #advance(time: number): void {
    const until = this.schedule.now() + time;
    this.schedule.runUntil(until);
  }

  #heal(): void {
    this.trace.record("phase", 0, 1, 0, "heal");
    this.network.become({
      ...this.swarm.network,
      delayLeast: 0.1,
      delayMean: 0.5,
      drop: 0,
      duplicate: 0,
      replay: 0,
      snapshotMean: 5,
      snapshotLoss: 0,
    });
    this.network.healAll();
    for (const id of this.judges.commit.removed()) this.#end(id);
    for (const member of this.#alive) {
      member.diskSlow = false;
      member.tickFactor = 1;
      member.unstall();
      this.restart(member);
    }
  }

  /** A minority of the voters dies, mostly with the leader: who is left must do. */
  #killMinority(): void {
    this.trace.record("phase", 0, 2, 0, "kill a minority");
    const membership = this.membership();
    const random = this.#root.fork("minority");
    let spare = membership.voters.length - quorum(membership);
    const voters = this.#alive.filter((member) => membership.voters.includes(member.id));
    voters.sort((a, b) => Number(b.role === "leader") - Number(a.role === "leader"));
    for (const member of voters) {
      if (spare === 0) return;
      if (!random.chance(0.7)) continue;
      this.crash(member);
      this.trace.reached("minority stays dead");
      spare--;
    }
  }

  /** Until a new write is applied by all who live, and a new read is answered. */
  #converge(phase: string): void {
    const began = this.schedule.now();
    const taking = this.#taking();
    const lastWritten = Math.max(...taking.map((member) => member.durableLog.lastIndex()));
    const behind = lastWritten - Math.min(...taking.map((member) => member.machine.applied));
    // Where one message carries one entry, whoever is behind needs a round trip for each.
    // A write that began on a slow disk before the healing takes as long as it was to take.
    const slowest = EXPONENTIAL_MAX * this.swarm.diskSlowMean;
    const bound = HEALING_TIMEOUTS * this.swarm.raft.electionTicks * TICK + behind * TICK + slowest;
    const goal = this.judges.commit.last;
    const confirmed = this.judges.reads.confirmed;
    for (;;) {
      const member = this.workload.someone();
      if (member !== null) {
        if (this.judges.commit.last <= goal + 2) this.workload.write(member);
        if (this.judges.reads.confirmed === confirmed) this.workload.read(member);
      }
      this.#advance(5 * TICK);
      const readsWork = this.judges.reads.confirmed > confirmed;
      if (readsWork && this.#agreeBeyond(goal)) break;
      demand(this.schedule.now() - began < bound, `a ${phase} cluster serves again`, () => {
        return this.#describe();
      });
    }
    const ticks = Math.ceil((this.schedule.now() - began) / TICK);
    this.#healingTicks = Math.max(this.#healingTicks, ticks);
  }

  /** Members that take part and are not dead. */
  #taking(): Member[] {
    const { voters, learners } = this.membership();
    return this.#alive.filter((member) => {
      return member.up && (voters.includes(member.id) || learners.includes(member.id));
    });
  }

  #agreeBeyond(goal: number): boolean {
    const { last } = this.judges.commit;
    if (last <= goal) return false;
    const taking = this.#taking();
    assert(taking.length > 0, "somebody lives");
    const leaders = taking.filter((member) => member.role === "leader");
    return leaders.length === 1 && taking.every((member) => member.machine.applied === last);
  }

  #describe(): string {
    const lines = [
      `committed ${this.judges.commit.last}, voters ${this.membership().voters.join(" ")}`,
    ];
    for (const { id, up, role, term, leader, machine, durableLog } of this.#alive) {
      lines.push(
        `  ${id} ${up ? role : "down"} term ${term} leader ${leader} applied ${machine.applied} disk ${durableLog.lastIndex()}`,
      );
    }
    return lines.join("\n");
  }

  #outcome(): Outcome {
    const { commit, election, reads } = this.judges;
    return {
      seed: this.swarm.seed,
      hash: this.trace.hash,
      time: this.schedule.now(),
      events: this.trace.count,
      committed: commit.last,
      leaders: election.leaders,
      changes: commit.changes,
      readsConfirmed: reads.confirmed,
      healingTicks: this.#healingTicks,
      reached: this.trace.reachedCounts,
    };
  }
}

/** Runs one seed. Throws what a judge or an assertion of the core objected to. */
export function simulate(seed: number, options: Options = {}): Outcome {
  return new Cluster(seed, options).run();
}
