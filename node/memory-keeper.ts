/**
 * Gives memory back when load ends. V8 keeps the pages of garbage that it collected in a pool, and garbage that nothing forces
 * it to collect: after a burst that is more than all live data. Only a collection that is told to reduce memory empties the
 * pool, and V8 orders one by itself a quarter of a minute after the last request, or never. It stops the loop, so it comes when
 * nobody waits, and only while it stays short beside an election timeout.
 */
import { performance } from "node:perf_hooks";

/** What the keeper sees of the process. */
export interface ProcessMemory {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Resident bytes. */
  residentBytes(): number;
  /** Bytes of the heap in use, garbage included. */
  heapBytes(): number;
  /** The part of the time since the last call in which the loop worked, 0 to 1. */
  busy(): number;
  /** Collects garbage and returns pages to the system, while the loop stands. */
  collect(): void;
}

export const KEEPER_TICK_MS = 250;
const MIB = 1024 * 1024;
/** Above it somebody is being served. */
const IDLE_MAX = 0.1;
const IDLE_TICKS = 2;
/** A member that starts waits for elections, and is no idle one. */
const START_MS = 10_000;
/** Less is not worth stopping for. */
const GROWTH_BYTES_MIN = 24 * MIB;
/** Collections take at most one part in so many of the time. */
const TIME_PARTS = 20;
/** And at most one part in so many of an election timeout at once. */
const ELECTION_PARTS = 3;
/** What a collection takes beside its two passes over what lives, and what those take while nothing else was measured. */
const FIXED_MS = 30;
const MS_PER_MIB = 1.5;
/** A measurement made while others had the processor is forgotten tick by tick: by half in twenty seconds. */
const FORGETTING = 0.99;

export class MemoryKeeper {
  readonly #memory: ProcessMemory;
  readonly #pauseMsMax: number;
  #idleTicks = 0;
  /** Resident bytes after the last collection. */
  #floorBytes = 0;
  #notBefore: number;
  #msPerMiB = MS_PER_MIB;

  constructor(memory: ProcessMemory, electionMs: number) {
    this.#memory = memory;
    this.#pauseMsMax = electionMs / ELECTION_PARTS;
    this.#notBefore = memory.now() + START_MS;
  }

  /** To be called every `KEEPER_TICK_MS`. True where it collected. */
  tick(): boolean {
    const memory = this.#memory;
    this.#idleTicks = memory.busy() > IDLE_MAX ? 0 : this.#idleTicks + 1;
    if (this.#idleTicks < IDLE_TICKS) return false;
    const began = memory.now();
    if (began < this.#notBefore) return false;
    if (memory.residentBytes() < this.#floorBytes + GROWTH_BYTES_MIN) return false;
    const heapMiB = memory.heapBytes() / MIB;
    if (FIXED_MS + heapMiB * this.#msPerMiB > this.#pauseMsMax) {
      this.#msPerMiB = Math.max(MS_PER_MIB, this.#msPerMiB * FORGETTING);
      return false;
    }
    memory.collect();
    const ended = memory.now();
    this.#msPerMiB = Math.max(MS_PER_MIB, (ended - began - FIXED_MS) / heapMiB);
    this.#notBefore = ended + (ended - began) * TIME_PARTS;
    this.#floorBytes = memory.residentBytes();
    // What the collection itself took is no load.
    memory.busy();
    return true;
  }
}

/** This process; null where V8's collector was not exposed (`--expose-gc`: `main.ts` sets it). */
export function processMemory(): ProcessMemory | null {
  const { gc } = globalThis;
  if (gc === undefined) return null;
  let last = performance.eventLoopUtilization();
  return {
    now: () => performance.now(),
    residentBytes: () => process.memoryUsage.rss(),
    heapBytes: () => process.memoryUsage().heapUsed,
    busy: () => {
      const current = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(current, last);
      last = current;
      return utilization;
    },
    collect: () => {
      // Alone among the kinds of collection this one empties the pool.
      gc({ type: "major", execution: "sync", flavor: "last-resort" });
    },
  };
}
