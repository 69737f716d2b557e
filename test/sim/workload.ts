/** Clients: they write and read anywhere, and never repeat a call. */
import type { Prng } from "../../src/base/prng.ts";
import { EntryKind } from "../../src/raft/types.ts";
import type { Patient } from "./faults.ts";
import { encodeWrite } from "./machine.ts";
import type { Member } from "./member.ts";
import { exponential, pick } from "./swarm.ts";

const LARGE_BYTES = 700;

export class Workload {
  readonly #patient: Patient;
  readonly #random: Prng;
  #stopped = false;
  #writes = 0;
  #reads = 0;

  constructor(patient: Patient, random: Prng) {
    this.#patient = patient;
    this.#random = random;
  }

  get writes(): number {
    return this.#writes;
  }
  get reads(): number {
    return this.#reads;
  }

  start(): void {
    const { swarm } = this.#patient;
    this.#repeat(swarm.proposeEvery, (member) => this.write(member));
    this.#repeat(swarm.readEvery, (member) => this.read(member));
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Proposes between one and four writes in one call. */
  write(member: Member): void {
    const { swarm, trace } = this.#patient;
    const count = this.#random.chance(0.2) ? this.#random.between(2, 5) : 1;
    const entries = [];
    for (let n = 0; n < count; n++) {
      const size = this.#random.chance(swarm.largeWrites) ? LARGE_BYTES : 4;
      entries.push({ kind: EntryKind.normal, data: encodeWrite(++this.#writes, size) });
    }
    trace.record("propose", Number(member.id), this.#writes, count);
    member.give({ kind: "propose", entries });
  }

  /** The number of the request: fresh for each attempt, whoever asks. */
  read(member: Member): number {
    const request = ++this.#reads;
    this.#patient.trace.record("read", Number(member.id), request, 0);
    member.read(request);
    return request;
  }

  /** A member to talk to: the leader, if one thinks that it is, or anybody; null if all are down. */
  someone(): Member | null {
    const up = this.#patient.alive().filter((member) => member.up);
    if (up.length === 0) return null;
    const leaders = up.filter((member) => member.role === "leader");
    if (leaders.length > 0 && this.#random.chance(0.5)) return pick(this.#random, leaders);
    return pick(this.#random, up);
  }

  #repeat(every: number, call: (member: Member) => void): void {
    this.#patient.schedule.after(exponential(this.#random, every), () => {
      if (this.#stopped) return;
      const member = this.someone();
      if (member !== null) call(member);
      this.#repeat(every, call);
    });
  }
}
