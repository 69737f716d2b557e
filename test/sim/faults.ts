/** What goes wrong and when: each kind has a clock of its own, all drawn from one seed. */
import type { Prng } from "../../src/base/prng.ts";
import type { MemberId, MembershipChange } from "../../src/raft/types.ts";
import { EntryKind } from "../../src/raft/types.ts";
import type { Schedule } from "./clock.ts";
import { encodeChange } from "./machine.ts";
import type { Member } from "./member.ts";
import type { Network } from "./network.ts";
import { exponential, pick, type Recurring, type Swarm } from "./swarm.ts";
import type { Trace } from "./trace.ts";

/** What faults may do to a cluster. */
export interface Patient {
  readonly members: ReadonlyMap<MemberId, Member>;
  readonly network: Network;
  readonly schedule: Schedule;
  readonly trace: Trace;
  readonly swarm: Swarm;
  /** Members whose process was not ended for good. */
  alive(): readonly Member[];
  crash(member: Member): void;
  restart(member: Member): void;
  /** A fresh member with an empty disk; null when there are enough of them. */
  join(): Member | null;
  /** Who takes part now, as far as anybody knows. */
  membership(): { readonly voters: readonly MemberId[]; readonly learners: readonly MemberId[] };
}

export class Faults {
  readonly #patient: Patient;
  readonly #random: Prng;
  #stopped = false;

  constructor(patient: Patient, random: Prng) {
    this.#patient = patient;
    this.#random = random;
  }

  start(): void {
    const { swarm } = this.#patient;
    this.#recur("partition", swarm.partition, (lasts) => this.#partition(lasts));
    this.#recur("crash", swarm.crash, (lasts) => this.#crashOne(lasts));
    this.#recur("outage", swarm.outage, (lasts) => this.#crashAll(lasts));
    this.#recur("stall", swarm.stall, (lasts) => this.#stall(lasts));
    this.#recur("slowDisk", swarm.slowDisk, (lasts) => this.#slowDisk(lasts));
    const once = (every: number): Recurring => ({ every, lasts: 0 });
    this.#recur("transfer", once(swarm.transferEvery), () => this.#transfer());
    this.#recur("campaign", once(swarm.campaignEvery), () => this.#campaign());
    this.#recur("change", once(swarm.changeEvery), () => this.#change());
  }

  /** Nothing new goes wrong; what lasts must be ended by whoever heals. */
  stop(): void {
    this.#stopped = true;
  }

  #recur(name: string, fault: Recurring, strike: (lasts: number) => void): void {
    if (fault.every === 0) return;
    const random = this.#random.fork(name);
    const plan = (): void => {
      this.#patient.schedule.after(exponential(random, fault.every), () => {
        if (this.#stopped) return;
        strike(exponential(random, fault.lasts));
        plan();
      });
    };
    plan();
  }

  #after(delay: number, act: () => void): void {
    this.#patient.schedule.after(delay, () => {
      if (!this.#stopped) act();
    });
  }

  #someone(): Member | null {
    const up = this.#patient.alive().filter((member) => member.up);
    if (up.length === 0) return null;
    // Leaders are the interesting victims.
    const leader = up.find((member) => member.role === "leader");
    if (leader !== undefined && this.#random.chance(0.4)) return leader;
    return pick(this.#random, up);
  }

  /** Splits the members; the shape is drawn anew each time, and any earlier one is healed. */
  #partition(lasts: number): void {
    const { network, trace } = this.#patient;
    const ids = this.#patient.alive().map((member) => member.id);
    if (ids.length < 2) return;
    const shape = pick(this.#random, SHAPES);
    network.healAll();
    const oneWay = this.#random.chance(0.3);
    this.#cut(shape, shuffle(this.#random, ids), oneWay);
    trace.reached(`partition ${shape}${oneWay ? " one-way" : ""}`);
    trace.record("part", 0, SHAPES.indexOf(shape), oneWay ? 1 : 0, shape);
    this.#after(lasts, () => {
      network.healAll();
      trace.record("heal", 0, 0, 0);
    });
  }

  #cut(shape: (typeof SHAPES)[number], ids: readonly MemberId[], oneWay: boolean): void {
    const half = Math.floor(ids.length / 2);
    const sever = (some: readonly MemberId[], others: readonly MemberId[]): void => {
      for (const a of some) {
        for (const b of others) {
          if (a === b) continue;
          this.#patient.network.block(a, b);
          if (!oneWay) this.#patient.network.block(b, a);
        }
      }
    };
    switch (shape) {
      case "isolated member":
        sever(ids.slice(0, 1), ids.slice(1));
        return;
      case "isolated leader": {
        const leaders = ids.filter((id) => this.#patient.members.get(id)?.role === "leader");
        sever(
          leaders,
          ids.filter((id) => !leaders.includes(id)),
        );
        return;
      }
      case "halves":
        sever(ids.slice(0, half), ids.slice(half));
        return;
      case "three parts": {
        const third = Math.ceil(ids.length / 3);
        sever(ids.slice(0, third), ids.slice(third));
        sever(ids.slice(third, 2 * third), ids.slice(2 * third));
        return;
      }
      case "bridge":
        // The first sees everybody, the halves do not see each other.
        sever(ids.slice(1, 1 + half), ids.slice(1 + half));
        return;
      case "ring":
        // Each one sees its two neighbours only.
        for (let at = 0; at < ids.length; at++) {
          const far = ids.filter((_, other) => {
            const distance = Math.abs(at - other);
            return distance > 1 && distance < ids.length - 1;
          });
          sever(ids.slice(at, at + 1), far);
        }
        return;
    }
  }

  #crashOne(lasts: number): void {
    const member = this.#someone();
    if (member === null) return;
    this.#patient.trace.reached("crash");
    this.#patient.crash(member);
    this.#after(lasts, () => this.#patient.restart(member));
  }

  #crashAll(lasts: number): void {
    this.#patient.trace.reached("outage of all");
    for (const member of this.#patient.alive()) {
      if (member.up) this.#patient.crash(member);
      this.#after(lasts * this.#random.next(), () => this.#patient.restart(member));
    }
  }

  #stall(lasts: number): void {
    const member = this.#someone();
    if (member === null) return;
    this.#patient.trace.reached("stall");
    this.#patient.trace.record("stall", Number(member.id), lasts, 0);
    member.stall(lasts);
  }

  #slowDisk(lasts: number): void {
    const member = this.#someone();
    if (member === null) return;
    this.#patient.trace.reached("slow disk");
    this.#patient.trace.record("slow", Number(member.id), lasts, 0);
    member.diskSlow = true;
    this.#after(lasts, () => {
      member.diskSlow = false;
    });
  }

  #transfer(): void {
    const from = this.#someone();
    const { voters, learners } = this.#patient.membership();
    if (from === null) return;
    const target = pick(this.#random, this.#random.chance(0.9) ? voters : [...voters, ...learners]);
    this.#patient.trace.reached("transfer asked");
    this.#patient.trace.record("transfer", Number(from.id), Number(target), 0);
    from.give({ kind: "transfer", target });
  }

  #campaign(): void {
    const member = this.#someone();
    if (member === null) return;
    this.#patient.trace.reached("campaign ordered");
    member.give({ kind: "campaign" });
  }

  #change(): void {
    const member = this.#someone();
    const change = this.#drawChange();
    if (member === null || change === null) return;
    this.#patient.trace.reached(`change ${change.kind}`);
    this.#patient.trace.record("change", Number(member.id), Number(change.id), 0, change.kind);
    const data = encodeChange(change);
    member.give({ kind: "propose", entries: [{ kind: EntryKind.membership, data }] });
  }

  #drawChange(): MembershipChange | null {
    const random = this.#random;
    const { voters, learners } = this.#patient.membership();
    const roll = random.next();
    if (learners.length > 0 && roll < 0.4) return { kind: "addVoter", id: pick(random, learners) };
    if (voters.length + learners.length > 3 && roll < 0.7) {
      return { kind: "remove", id: pick(random, [...voters, ...learners]) };
    }
    // Who was removed comes back under a new id, with an empty disk.
    const fresh = this.#patient.join();
    if (fresh === null) return null;
    return { kind: random.chance(0.7) ? "addLearner" : "addVoter", id: fresh.id };
  }
}

const SHAPES = [
  "isolated member",
  "isolated leader",
  "halves",
  "three parts",
  "bridge",
  "ring",
] as const;

function shuffle<T>(random: Prng, items: readonly T[]): T[] {
  const mixed = items.slice();
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = random.between(0, at + 1);
    const item = mixed[at] as T;
    mixed[at] = mixed[other] as T;
    mixed[other] = item;
  }
  return mixed;
}
