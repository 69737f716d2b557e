/**
 * What one seed does to its cluster. Every kind of fault is on or off and has an intensity of its own: seeds that mix
 * everything reach other states than seeds that do one thing hard (Groce et al., "Swarm Testing", 2012).
 */
import type { Prng } from "../../src/base/prng.ts";

/** A fault that comes and goes. All times are in milliseconds of simulated time; a mean of 0 switches it off. */
export interface Recurring {
  /** Mean time between two onsets. */
  readonly every: number;
  /** Mean time that it lasts. */
  readonly lasts: number;
}

export interface NetworkSwarm {
  /** Ordered streams that break, as TCP does; otherwise datagrams, each with a fate of its own. */
  readonly streams: boolean;
  readonly delayLeast: number;
  /** Mean of what is added to the least delay. */
  readonly delayMean: number;
  /** Probabilities for each message. A lost message breaks its stream. */
  readonly drop: number;
  readonly duplicate: number;
  /** Delivered a second time, long after. */
  readonly replay: number;
  /** Mean lateness of a replay. */
  readonly replayMean: number;
  readonly snapshotMean: number;
  /** Probability that the stream of a snapshot breaks half-way. */
  readonly snapshotLoss: number;
}

export interface RaftSwarm {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly cachedBytesMax: number;
}

export interface Swarm {
  readonly seed: number;
  /** Voters at the start. */
  readonly members: number;
  /** How long faults rage. */
  readonly safetyTime: number;
  readonly raft: RaftSwarm;
  readonly network: NetworkSwarm;
  /** Mean time between client calls. */
  readonly proposeEvery: number;
  readonly readEvery: number;
  /** Probability that a write is large. */
  readonly largeWrites: number;
  readonly partition: Recurring;
  readonly crash: Recurring;
  /** Power loss of all members at once. */
  readonly outage: Recurring;
  /** Probability that the write in flight at a crash survived it. */
  readonly writeSurvives: number;
  readonly stall: Recurring;
  readonly slowDisk: Recurring;
  /** Mean milliseconds of one durable write, and of one while the disk is slow. */
  readonly diskMean: number;
  readonly diskSlowMean: number;
  /** Length of a member's tick is 10 ms times something in [1 / skew, skew]. */
  readonly skew: number;
  readonly transferEvery: number;
  readonly campaignEvery: number;
  readonly changeEvery: number;
  /** A member compacts its log after this many applied entries; 0 never. */
  readonly compactAfter: number;
  /** How many applied entries it keeps then. */
  readonly compactKeeps: number;
  /** Entries applied in one turn; few make a member that applies behind. */
  readonly applyMax: number;
  /** Probability that no state can be had when the core asks for one. */
  readonly noSnapshot: number;
  /** Members refuse messages of those whose removal they applied. */
  readonly refuseRemoved: boolean;
  /** After healing, a minority stays dead. */
  readonly healQuorumOnly: boolean;
}

/** Length of a tick on a member with a good clock. */
export const TICK = 10;

/** One of the values, each as likely. */
export function pick<T>(random: Prng, values: readonly T[]): T {
  return values[random.between(0, values.length)] as T;
}

/** No draw of `exponential` is above this many means. */
export const EXPONENTIAL_MAX = 8;

/** Exponential, with this mean, cut at `EXPONENTIAL_MAX` times the mean. */
export function exponential(random: Prng, mean: number): number {
  return Math.min(EXPONENTIAL_MAX, -Math.log(1 - random.next())) * mean;
}

function recurring(random: Prng, on: number, every: number, lasts: number): Recurring {
  if (!random.chance(on)) return { every: 0, lasts: 0 };
  const intensity = pick(random, [0.4, 1, 1, 2.5]);
  return { every: every * intensity, lasts: lasts * pick(random, [0.3, 1, 1, 2]) };
}

function drawRaft(random: Prng): RaftSwarm {
  const small = random.chance(0.4);
  return {
    electionTicks: pick(random, [6, 10, 10, 16]),
    heartbeatTicks: pick(random, [1, 2, 3]),
    preVote: random.chance(0.8),
    checkQuorum: random.chance(0.85),
    appendBytesMax: small ? pick(random, [1, 64, 256]) : 64 * 1024,
    inflightMessagesMax: small ? pick(random, [1, 2, 4]) : 64,
    inflightBytesMax: small ? pick(random, [64, 1024]) : 1024 * 1024,
    uncommittedBytesMax: random.chance(0.2) ? 2048 : 1024 * 1024,
    cachedBytesMax: random.chance(0.5) ? pick(random, [1, 128, 1024]) : 1024 * 1024,
  };
}

function drawNetwork(random: Prng): NetworkSwarm {
  const streams = random.chance(0.5);
  const lossy = random.chance(0.6);
  return {
    streams,
    delayLeast: pick(random, [0.1, 1, 2]),
    delayMean: pick(random, [0.2, 1, 3, 10, 30]),
    drop: lossy ? pick(random, streams ? [0.001, 0.01, 0.05] : [0.01, 0.1, 0.3]) : 0,
    duplicate: !streams && random.chance(0.5) ? pick(random, [0.02, 0.2]) : 0,
    replay: !streams && random.chance(0.5) ? pick(random, [0.02, 0.2]) : 0,
    replayMean: pick(random, [100, 600, 2500]),
    snapshotMean: pick(random, [5, 40, 200]),
    snapshotLoss: random.chance(0.5) ? pick(random, [0.1, 0.5]) : 0,
  };
}

/** The swarm of a seed. Drawn from a fork of its own: what is drawn during the run does not move it. */
export function drawSwarm(root: Prng, seed: number): Swarm {
  const random = root.fork("swarm");
  const calm = random.chance(0.05);
  const on = calm ? 0 : 0.55;
  return {
    seed,
    members: 5,
    safetyTime: pick(random, [2500, 4000, 7000]),
    raft: drawRaft(random),
    network: drawNetwork(random),
    proposeEvery: pick(random, [4, 10, 25]),
    readEvery: pick(random, [8, 20, 60]),
    largeWrites: random.chance(0.3) ? 0.2 : 0,
    partition: recurring(random, on, 500, 350),
    crash: recurring(random, on, 300, 200),
    outage: recurring(random, on / 2, 1500, 100),
    writeSurvives: pick(random, [0, 0.5, 1]),
    stall: recurring(random, on, 400, 250),
    slowDisk: recurring(random, on, 500, 400),
    diskMean: pick(random, [0, 0.3, 2]),
    diskSlowMean: pick(random, [20, 100, 400]),
    skew: random.chance(0.5) ? pick(random, [1.1, 1.5, 2]) : 1,
    transferEvery: random.chance(on) ? pick(random, [150, 600]) : 0,
    campaignEvery: random.chance(on / 2) ? pick(random, [200, 800]) : 0,
    changeEvery: random.chance(on) ? pick(random, [100, 300, 800]) : 0,
    compactAfter: random.chance(0.6) ? pick(random, [5, 20, 80]) : 0,
    compactKeeps: pick(random, [0, 0, 3, 20]),
    applyMax: random.chance(0.2) ? pick(random, [1, 3]) : 1_000_000,
    noSnapshot: random.chance(0.2) ? 0.5 : 0,
    refuseRemoved: random.chance(0.7),
    healQuorumOnly: random.chance(0.5),
  };
}
