/** The wires between members: ordered streams that break, or datagrams that are lost, late, doubled and replayed. */
import type { Prng } from "../../src/base/prng.ts";
import type { Message, SnapshotMessage } from "../../src/raft/message.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Schedule } from "./clock.ts";
import type { MachineImage } from "./machine.ts";
import { exponential, type NetworkSwarm } from "./swarm.ts";
import type { Trace } from "./trace.ts";

/** Who is at the ends of the wires. */
export interface Stations {
  /** Hands a message over; nothing happens if the receiver is down. */
  deliver(message: Message): void;
  /** A whole snapshot arrived; false if the receiver is down. */
  deliverSnapshot(message: SnapshotMessage, image: MachineImage): boolean;
  /** The stream from `from` to `to` broke: what was in it is lost. */
  broken(from: MemberId, to: MemberId): void;
}

/** Ids are below this: a link is one cell of a square table. */
const SIDE = 64;

function link(from: MemberId, to: MemberId): number {
  return Number(from) * SIDE + Number(to);
}

export class Network {
  readonly #schedule: Schedule;
  readonly #random: Prng;
  readonly #trace: Trace;
  readonly #stations: Stations;
  #swarm: NetworkSwarm;
  #weather = 0;
  /** 1 where nothing passes. */
  readonly #blocked = new Uint8Array(SIDE * SIDE);
  /** Streams: the time of the last planned delivery; nothing overtakes it. */
  readonly #busyUntil = new Float64Array(SIDE * SIDE);
  /** Streams: which connection a message left on; it dies with it. */
  readonly #connection = new Uint32Array(SIDE * SIDE);

  constructor(
    swarm: NetworkSwarm,
    parts: { schedule: Schedule; random: Prng; trace: Trace; stations: Stations },
  ) {
    this.#swarm = swarm;
    this.#schedule = parts.schedule;
    this.#random = parts.random;
    this.#trace = parts.trace;
    this.#stations = parts.stations;
  }

  /** From now on another weather; what was to be replayed later never is. */
  become(swarm: NetworkSwarm): void {
    this.#swarm = swarm;
    this.#weather++;
  }

  block(from: MemberId, to: MemberId): void {
    this.#blocked[link(from, to)] = 1;
    if (this.#swarm.streams) this.#connection[link(from, to)] = this.#connectionOf(from, to) + 1;
  }

  healAll(): void {
    this.#blocked.fill(0);
  }

  /** A member died: all its streams end, in both directions. */
  disconnect(id: MemberId): void {
    if (!this.#swarm.streams) return;
    for (let other = 0; other < SIDE; other++) {
      const out = Number(id) * SIDE + other;
      const into = other * SIDE + Number(id);
      this.#connection[out] = (this.#connection[out] ?? 0) + 1;
      this.#connection[into] = (this.#connection[into] ?? 0) + 1;
    }
  }

  send(message: Message): void {
    const cell = link(message.from, message.to);
    if (this.#blocked[cell] === 1) {
      this.#trace.reached("message blocked");
      this.#stations.broken(message.from, message.to);
      return;
    }
    if (this.#swarm.streams) this.#sendOrdered(message, cell);
    else this.#sendLoose(message);
  }

  /** Streams a whole state beside the messages; `done` tells the sender whether it arrived. */
  sendSnapshot(message: SnapshotMessage, image: MachineImage, done: (ok: boolean) => void): void {
    const cell = link(message.from, message.to);
    const lost = this.#blocked[cell] === 1 || this.#random.chance(this.#swarm.snapshotLoss);
    const time = this.#delay() + exponential(this.#random, this.#swarm.snapshotMean);
    if (lost) {
      this.#trace.reached("snapshot lost half-way");
      this.#schedule.after(time * this.#random.next(), () => done(false));
      return;
    }
    this.#schedule.after(time, () => {
      const ok = this.#blocked[cell] === 0 && this.#stations.deliverSnapshot(message, image);
      this.#trace.reached(ok ? "snapshot delivered" : "snapshot cut off");
      done(ok);
    });
  }

  #sendOrdered(message: Message, cell: number): void {
    if (this.#random.chance(this.#swarm.drop)) {
      this.#connection[cell] = (this.#connection[cell] ?? 0) + 1;
      this.#trace.reached("stream broken");
      this.#lose(message);
      this.#stations.broken(message.from, message.to);
      return;
    }
    const now = this.#schedule.now();
    const at = Math.max(now + this.#delay(), this.#busyUntil[cell] ?? 0);
    this.#busyUntil[cell] = at;
    const connection = this.#connection[cell];
    this.#schedule.after(at - now, () => {
      if (connection === this.#connection[cell]) this.#stations.deliver(message);
      else this.#lose(message);
    });
  }

  #sendLoose(message: Message): void {
    const { drop, duplicate, replay, replayMean } = this.#swarm;
    if (this.#random.chance(drop)) {
      this.#trace.reached("message dropped");
      this.#lose(message);
    } else {
      this.#plan(message, this.#delay());
    }
    if (duplicate > 0 && this.#random.chance(duplicate)) {
      this.#trace.reached("message duplicated");
      this.#plan(message, this.#delay());
    }
    if (replay > 0 && this.#random.chance(replay)) {
      this.#trace.reached("message replayed late");
      const weather = this.#weather;
      this.#schedule.after(exponential(this.#random, replayMean), () => {
        if (weather === this.#weather) this.#plan(message, 0);
      });
    }
  }

  #plan(message: Message, delay: number): void {
    this.#schedule.after(delay, () => {
      // A datagram under way when the link was cut is lost with it.
      if (this.#blocked[link(message.from, message.to)] === 1) this.#lose(message);
      else this.#stations.deliver(message);
    });
  }

  #delay(): number {
    return this.#swarm.delayLeast + exponential(this.#random, this.#swarm.delayMean);
  }

  #connectionOf(from: MemberId, to: MemberId): number {
    return this.#connection[link(from, to)] ?? 0;
  }

  #lose(message: Message): void {
    this.#trace.record("lose", Number(message.from), Number(message.to), message.term);
  }
}
