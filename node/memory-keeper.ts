/**
 * Gives memory back when load ends. V8 keeps the pages of garbage that it collected in a pool, and garbage that nothing forces
 * it to collect: after a burst that is more than all live data. Only a collection that is told to reduce memory empties the
 * pool, and V8 orders one by itself a quarter of a minute after the last request, or never. It stops the loop, so it comes when
 * nobody waits, and only while it stays short beside an election timeout. Few writes a second leave the loop idle as well, and
 * each would wait: while there are any, it takes more to be worth it.
 */
import { performance } from "node:perf_hooks";

/** What the keeper sees of the process. */
export interface ProcessMemory {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Milliseconds that the loop's thread had a processor. */
  processorMs(): number;
  /** Resident bytes. */
  residentBytes(): number;
  /** Bytes of the heap in use, garbage included. */
  heapBytes(): number;
  /** The part of the time since the last call in which the loop worked, 0 to 1. */
  busy(): number;
  /** Writes that were applied since the last call. */
  writes(): number;
  /** Collects garbage and returns pages to the system, while the loop stands. */
  collect(): void;
}

export const KEEPER_TICK_MS = 125;
const MIB = 1024 * 1024;
/** Above it somebody is being served. */
const IDLE_MAX = 0.1;
const IDLE_TICKS = 2;
/** A member that starts waits for elections, and is no idle one. */
const START_MS = 10_000;
/** Nobody is. */
const QUIET_MAX = 0.02;
/** Less is not worth stopping for: the young generation alone takes two thirds of it, soon again where somebody is served. */
const GROWTH_BYTES_MIN = 24 * MIB;
const GROWTH_BYTES_MIN_QUIET = 5 * MIB;
/** What only a burst before these writes leaves. */
const GROWTH_BYTES_MIN_WRITES = 96 * MIB;
/** Collections take at most one part in so many of the time. */
const TIME_PARTS = 20;
/** And at most one part in so many of an election timeout at once. */
const ELECTION_PARTS = 2;
/** What a collection takes beside its two passes over what lives, and what those take while nothing else was measured. */
const FIXED_MS = 30;
const MS_PER_MIB = 1.5;
/** A measurement that was worse than usual is forgotten tick by tick: by half in twenty seconds. */
const FORGETTING = 0.995;
/** And by half in four seconds, how much longer others that had the processor made it. */
const FORGETTING_OTHERS = 0.98;

export class MemoryKeeper {
  readonly #memory: ProcessMemory;
  readonly #pauseMsMax: number;
  #idleTicks = 0;
  #ticksWithoutWrites = 0;
  /** Resident bytes after the last collection. */
  #floorBytes = 0;
  #notBefore: number;
  /** Of processor time. */
  #msPerMiB = MS_PER_MIB;
  /** Time by the clock for one of processor time. */
  #slowdown = 1;

  constructor(memory: ProcessMemory, electionMs: number) {
    this.#memory = memory;
    this.#pauseMsMax = electionMs / ELECTION_PARTS;
    this.#notBefore = memory.now() + START_MS;
  }

  /** To be called every `KEEPER_TICK_MS`. True where it collected. */
  tick(): boolean {
    const memory = this.#memory;
    const busy = memory.busy();
    this.#idleTicks = busy > IDLE_MAX ? 0 : this.#idleTicks + 1;
    this.#ticksWithoutWrites = memory.writes() > 0 ? 0 : this.#ticksWithoutWrites + 1;
    if (this.#idleTicks < IDLE_TICKS) return false;
    const began = memory.now();
    if (began < this.#notBefore) return false;
    if (memory.residentBytes() < this.#floorBytes + this.#growthMin(busy)) return false;
    const heapMiB = memory.heapBytes() / MIB;
    this.#slowdown = Math.max(1, this.#slowdown * FORGETTING_OTHERS);
    if ((FIXED_MS + heapMiB * this.#msPerMiB) * this.#slowdown > this.#pauseMsMax) {
      this.#msPerMiB = Math.max(MS_PER_MIB, this.#msPerMiB * FORGETTING);
      return false;
    }
    const beganMs = memory.processorMs();
    memory.collect();
    const tookMs = memory.processorMs() - beganMs;
    const ended = memory.now();
    this.#msPerMiB = Math.max(MS_PER_MIB, (tookMs - FIXED_MS) / heapMiB);
    this.#slowdown = Math.max(1, (ended - began) / Math.max(1, tookMs));
    this.#notBefore = ended + (ended - began) * TIME_PARTS;
    this.#floorBytes = memory.residentBytes();
    // What the collection itself took is no load.
    memory.busy();
    return true;
  }

  #growthMin(busy: number): number {
    if (this.#ticksWithoutWrites < IDLE_TICKS) return GROWTH_BYTES_MIN_WRITES;
    return busy > QUIET_MAX ? GROWTH_BYTES_MIN : GROWTH_BYTES_MIN_QUIET;
  }
}

/**
 * This process; null where V8's collector was not exposed (`--expose-gc`: `main.ts` sets it). `forget` lets go of what only
 * load needs, before each collection; `writes` counts those applied so far.
 */
export function processMemory(
  forget: () => void = () => {},
  writes: () => number = () => 0,
): ProcessMemory | null {
  const { gc } = globalThis;
  if (gc === undefined) return null;
  let last = performance.eventLoopUtilization();
  let lastWrites = writes();
  return {
    now: () => performance.now(),
    processorMs: () => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    },
    residentBytes: () => process.memoryUsage.rss(),
    heapBytes: () => process.memoryUsage().heapUsed,
    busy: () => {
      const current = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(current, last);
      last = current;
      return utilization;
    },
    writes: () => {
      const before = lastWrites;
      lastWrites = writes();
      return lastWrites - before;
    },
    collect: () => {
      forget();
      // Alone among the kinds of collection this one empties the pool.
      gc({ type: "major", execution: "sync", flavor: "last-resort" });
    },
  };
}
