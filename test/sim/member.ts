/**
 * One member: the core, its log, its machine, and the loop between them. A turn takes everything that arrived, then at most one
 * tick, then carries out what the core wants: a snapshot first, then one write for all that must be durable, messages that
 * may leave at once, what is committed, reads. It stands where the process's own loop will.
 */
import { present } from "../../src/base/assert.ts";
import { silentLogger } from "../../src/base/ports.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Message, SnapshotMessage } from "../../src/raft/message.ts";
import { Raft, type Input } from "../../src/raft/raft.ts";
import type { Ready } from "../../src/raft/ready.ts";
import {
  NO_MEMBER,
  NO_TERM,
  type Entry,
  type Index,
  type MemberId,
  type Membership,
  type SnapshotMark,
  type Term,
} from "../../src/raft/types.ts";
import { ContractJudge } from "./checker/contract.ts";
import type { Witness } from "./checker/witness.ts";
import { ModelLog, type DurableLog } from "./disk.ts";
import { isMember, ModelMachine, type MachineImage } from "./machine.ts";
import { breakMessage, breakOnStart } from "./mutants.ts";
import { exponential, TICK } from "./swarm.ts";
import { Writer } from "./writer.ts";
import type { Surroundings } from "./surroundings.ts";
import { Offers } from "./offers.ts";
import { OpenReads } from "./open-reads.ts";

/** Readys carried out in one turn before the loop lets others run. */
const READYS_MAX = 64;
/** Messages that wait for a stalled member; what exceeds them is lost, as in a full window. */
const INBOX_MAX = 4096;

export class Member implements Witness {
  readonly id: MemberId;
  readonly machine: ModelMachine;
  readonly log: ModelLog;
  /** Of every tick, from the nominal one. */
  tickFactor: number;
  /** The disk is slow now. */
  diskSlow = false;
  role: "follower" | "preCandidate" | "candidate" | "leader" = "follower";
  leader: MemberId = NO_MEMBER;
  term: Term = NO_TERM;

  readonly #around: Surroundings;
  readonly #random: Prng;
  readonly #offers = new Offers();
  readonly #incoming = new Map<Index, MachineImage>();
  readonly #reads: OpenReads;
  #raft: Raft | null = null;
  #contract: ContractJudge;
  #life = 0;
  #stalled = false;
  #inbox: Input[] = [];
  #tickDue = false;
  #turnPlanned = false;
  readonly #writer: Writer;
  #toApply: Entry[] = [];
  #compactedAt = 0;

  constructor(id: MemberId, image: MachineImage, around: Surroundings, random: Prng) {
    this.id = id;
    this.#around = around;
    this.#random = random;
    this.#reads = new OpenReads(Number(id), around);
    this.tickFactor = 1;
    this.machine = new ModelMachine(image);
    const { swarm, schedule } = around;
    this.log = new ModelLog(
      { mark: () => this.machine.capture().mark, offer: () => this.#offer() },
      {
        writeDelay: () => exponential(random, this.diskSlow ? swarm.diskSlowMean : swarm.diskMean),
        survives: () => random.chance(swarm.writeSurvives),
      },
      (delay, act) => schedule.after(delay, act),
      (operation) => around.recordLog(id, operation),
    );
    this.#writer = new Writer(this.log, around, {
      id,
      leave: (message) => this.#dispatch(message),
      report: (last) => this.#raft?.step({ kind: "persisted", ...last }),
      wake: () => this.#wake(),
    });
    this.#contract = new ContractJudge(id, image.mark.index);
  }

  get up(): boolean {
    return this.#raft !== null;
  }
  get stalled(): boolean {
    return this.#stalled;
  }
  get durableLog(): DurableLog {
    return this.log.durable;
  }
  get membership(): Membership {
    return this.machine.membership;
  }
  get removed(): boolean {
    return this.machine.hasRemoved(this.id);
  }
  durableApplied(): Index {
    return this.machine.durableMark().index;
  }

  /** Starts the process over what the disk holds. */
  start(): void {
    const { judges, trace } = this.#around;
    this.#life++;
    const mark = this.machine.durableMark();
    if (this.log.recover(mark) && this.#life > 1) trace.reached("log mended after a torn snapshot");
    breakOnStart(this.#around.mutant, this.#life, this);
    judges.restarted(this);
    this.role = "follower";
    this.leader = NO_MEMBER;
    this.term = this.log.durable.hardState.term;
    const applied = this.machine.applied;
    this.#contract = new ContractJudge(this.id, applied);
    this.#raft = new Raft({
      ...this.#around.swarm.raft,
      id: this.id,
      storage: this.log,
      random: this.#random,
      logger: silentLogger,
      applied,
      removed: this.removed,
    });
    this.#compactedAt = applied;
    trace.record("restart", Number(this.id), applied, this.log.lastIndex());
    this.#planTick(this.#life);
    this.#wake();
  }

  /** Power loss: what was not durable is gone. */
  crash(): void {
    const { trace } = this.#around;
    trace.record("crash", Number(this.id), this.log.lastIndex(), this.machine.applied);
    this.#life++;
    this.#raft = null;
    this.log.crash();
    this.machine.crash();
    this.#reads.forget();
    this.#offers.clear();
    this.#incoming.clear();
    this.#inbox = [];
    this.#toApply = [];
    this.#writer.crash();
    this.#tickDue = false;
    this.#turnPlanned = false;
    this.#stalled = false;
  }

  /** The process stands still for a while; what arrives waits. */
  stall(time: number): void {
    if (this.#stalled || !this.up) return;
    const life = this.#life;
    this.#stalled = true;
    this.#around.schedule.after(time, () => {
      if (life === this.#life) this.unstall();
    });
  }

  unstall(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    if (this.#inbox.length > 50) this.#around.trace.reached("burst after a stall");
    this.#wake();
  }

  /** Hands one input to the core in the next turn. */
  give(input: Input): void {
    if (!this.up) return;
    if (this.#inbox.length >= INBOX_MAX) {
      this.#around.trace.reached("inbox overflows");
      return;
    }
    this.#inbox.push(input);
    this.#wake();
  }

  /** A client's read. */
  read(request: number): void {
    if (!this.up) return;
    this.#reads.issue(request);
    if (this.#around.mutant === "confirmAlone" && this.role === "leader") {
      this.#reads.answer(request, this.machine.applied, this.role);
      return;
    }
    this.give({ kind: "read", request });
  }

  /** The whole of a snapshot is durable here, beside the store; the core decides whether it is wanted. */
  receiveSnapshot(message: SnapshotMessage, image: MachineImage): void {
    this.#incoming.set(image.mark.index, image);
    this.give({ kind: "message", message });
  }

  #planTick(life: number): void {
    this.#around.schedule.after(TICK * this.tickFactor, () => {
      if (life !== this.#life) return;
      this.#tickDue = true;
      this.#wake();
      this.#planTick(life);
    });
  }

  #wake(): void {
    if (this.#turnPlanned || this.#stalled) return;
    this.#turnPlanned = true;
    const life = this.#life;
    this.#around.schedule.after(0, () => {
      if (life !== this.#life) return;
      this.#turnPlanned = false;
      if (!this.#stalled) this.#turn();
    });
  }

  #turn(): void {
    const raft = present(this.#raft, "a member in a turn is up");
    this.#writer.settle();
    if (this.#inbox.length > 0) {
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const input of inbox) this.#step(raft, input);
    }
    if (this.#tickDue) {
      this.#tickDue = false;
      raft.step({ kind: "tick" });
    }
    const life = this.#life;
    for (let count = 0; count < READYS_MAX; count++) {
      if (raft.hasReady()) this.#carryOut(raft.ready());
      if (life !== this.#life) return;
      this.#apply(raft);
      if (!raft.hasReady()) break;
    }
    if (this.#toApply.length > 0 || raft.hasReady()) this.#later();
    this.#writer.writeNext();
  }

  #later(): void {
    const life = this.#life;
    this.#around.schedule.after(1, () => {
      if (life === this.#life) this.#wake();
    });
  }

  #step(raft: Raft, input: Input): void {
    if (input.kind === "message") {
      const { message } = input;
      this.#around.trace.record("deliver", Number(this.id), Number(message.from), message.term);
      if (this.#around.swarm.refuseRemoved && this.machine.hasRemoved(message.from)) {
        this.#around.trace.reached("message of a removed member refused");
        return;
      }
    }
    const outcome = raft.step(input);
    if (input.kind === "read" && outcome !== "done") this.#reads.giveUp(input.request);
    if (input.kind === "propose" && outcome !== "done") {
      this.#around.trace.reached(`proposal refused: ${outcome}`);
    }
  }

  #carryOut(ready: Ready): void {
    const { judges } = this.#around;
    this.#contract.took(ready, this.log.lastIndex());
    if (ready.hardState !== null) this.term = ready.hardState.term;
    if (ready.snapshot !== null) this.#adopt(ready.snapshot);
    judges.appended(this, ready.append);
    if (ready.softState !== null) this.#becomes(ready.softState);
    this.#writer.gather(ready);
    for (const message of ready.send) this.#dispatch(message);
    for (const entry of ready.committed) this.#toApply.push(entry);
    for (const read of ready.reads) this.#reads.answer(read.request, read.index, this.role);
    for (const request of ready.readsLost) this.#reads.giveUp(request);
    if (this.#around.mutant === "applyUncommitted") this.#toApply.push(...ready.append);
  }

  #becomes(soft: NonNullable<Ready["softState"]>): void {
    const { judges, trace } = this.#around;
    const before = this.role;
    if (before === "leader" && soft.role !== "leader") trace.reached("leader steps down");
    this.role = soft.role;
    this.leader = soft.leader;
    const wasTerm = this.term;
    this.term = soft.term;
    trace.record("role", Number(this.id), soft.term, Number(soft.leader), soft.role);
    trace.reached(`becomes ${soft.role}`);
    if (soft.role === "leader" && this.removed) trace.reached("removed member leads");
    if (soft.role === "leader" && (before !== "leader" || wasTerm !== soft.term)) {
      judges.election.elected(this, soft.term);
    }
  }

  /** The state goes first, then the log: power may fail between the two, and recovery knows what to do. */
  #adopt(mark: SnapshotMark): void {
    const { judges, trace, mutant } = this.#around;
    const image = present(this.#incoming.get(mark.index), "an accepted snapshot is here");
    this.#incoming.clear();
    trace.record("adopt", Number(this.id), mark.index, mark.term);
    trace.reached("snapshot adopted");
    this.#toApply = [];
    this.machine.adopt(image);
    judges.adopted(this, image);
    this.#compactedAt = mark.index;
    this.#toldApplied = false;
    if (mutant === "keepLogOnAdopt") return;
    this.#writer.reset(mark);
  }

  #toldApplied = true;

  #dispatch(message: Message): void {
    const { judges, trace, network } = this.#around;
    if (message.to === this.id) {
      this.#inbox.push({ kind: "message", message });
      this.#wake();
      return;
    }
    const leaving = breakMessage(this.#around.mutant, message);
    judges.sent(this, leaving);
    trace.record("send", Number(this.id), Number(leaving.to), leaving.term, leaving.kind);
    if (leaving.kind === "snapshot") this.#stream(leaving);
    else network.send(leaving);
  }

  #stream(message: SnapshotMessage): void {
    const { network, trace } = this.#around;
    const offered = this.#offers.get(message.mark.index);
    const image = present(offered, "a snapshot that is sent was offered");
    const life = this.#life;
    trace.record("offer", Number(this.id), Number(message.to), message.mark.index);
    network.sendSnapshot(message, image, (ok) => {
      trace.record("offerEnd", Number(this.id), Number(message.to), ok ? 1 : 0);
      if (life === this.#life) this.give({ kind: "snapshotResult", peer: message.to, ok });
    });
  }

  #apply(raft: Raft): void {
    const { swarm } = this.#around;
    if (!this.#toldApplied) {
      this.#toldApplied = true;
      raft.step({ kind: "applied", index: this.machine.applied });
    }
    const queue = this.#toApply;
    const count = Math.min(queue.length, swarm.applyMax);
    if (count === 0) return;
    for (const entry of queue.splice(0, count)) this.#applyOne(raft, entry);
    raft.step({ kind: "applied", index: this.machine.applied });
    this.#maybeCompact();
  }

  #applyOne(raft: Raft, entry: Entry): void {
    const { judges, trace, mutant } = this.#around;
    if (mutant === "applyUncommitted" && entry.index !== this.machine.applied + 1) return;
    const before = this.machine.membership;
    const { machine } = this;
    const membership = machine.apply(entry, mutant === "removeTwo");
    trace.record("apply", Number(this.id), entry.index, machine.digest);
    judges.commit.applied(this, entry, machine.digest);
    if (membership === null) return;
    raft.step({ kind: "membershipApplied", index: entry.index, membership });
    trace.reached(membership === before ? "change refused" : "change applied");
    if (isMember(before, this.id) && !isMember(membership, this.id)) {
      const leads = this.role === "leader";
      trace.reached(leads ? "leader removes itself" : "member learns of its removal");
      this.#around.leftCluster(this.id);
    }
  }

  #maybeCompact(): void {
    const { swarm, trace } = this.#around;
    const { applied } = this.machine;
    if (swarm.compactAfter === 0 || applied - this.#compactedAt < swarm.compactAfter) return;
    this.#compactedAt = applied;
    if (this.#around.mutant !== "compactUnflushed") this.machine.flush();
    const floor = applied - swarm.compactKeeps;
    if (floor < this.log.firstIndex()) return;
    this.log.compact(floor as Index);
    trace.record("compact", Number(this.id), floor, applied);
    trace.reached("log compacted");
  }

  #offer(): SnapshotMark | null {
    const { swarm, trace } = this.#around;
    if (this.#random.chance(swarm.noSnapshot)) {
      trace.reached("no snapshot to be had");
      return null;
    }
    const image = this.machine.capture();
    this.#offers.put(image);
    return image.mark;
  }
}
