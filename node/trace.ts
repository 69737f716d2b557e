/** Where the time of a request went. Computed for those that were slow, from what the turn noted anyway. */
import type { ReadTimes } from "./reads.ts";
import type { Timeline } from "./timeline.ts";

/**
 * Of a write: `queue` until it was handed to Raft (its body arriving, waiting for the turn, for a leader); `log` for the own
 * durable write; `replicate` for the way to the leader and for what a quorum took longer; `apply`; `respond` for gathering
 * and encoding the answer. Of a linearizable read: `queue`; `readIndex` until a quorum confirmed it; `apply` until so much
 * was applied here; `read`. Anything else is `handle`.
 */
export type Phase =
  | "queue"
  | "log"
  | "replicate"
  | "readIndex"
  | "apply"
  | "read"
  | "respond"
  | "handle";

/** Milliseconds by phase. They sum to the whole. */
export type Phases = Partial<Record<Phase, number>>;

/** What a service leaves with a call so that it can be explained. */
export interface Trace {
  /** What was asked, in sizes and shapes: never a key, never a value. */
  describe(): object;
  phases(timeline: Timeline, startMs: number, endMs: number): Phases;
}

export function isTrace(value: unknown): value is Trace {
  return typeof value === "object" && value !== null && "phases" in value && "describe" in value;
}

/** A write with the given entry; `sentAtMs` -1 if it never left, `index` 0 if it was never applied here. */
export function writePhases(
  entry: { readonly sentAtMs: number; readonly index: number },
  timeline: Timeline,
  startMs: number,
  endMs: number,
): Phases {
  const { sentAtMs, index } = entry;
  if (sentAtMs < 0) return { queue: endMs - startMs };
  const sent = clamp(sentAtMs, startMs, endMs);
  if (index === 0) return { queue: sent - startMs, replicate: endMs - sent };
  const appended = clamp(timeline.appended.passedAt(index), sent, endMs);
  const durable = clamp(timeline.durable.passedAt(index), appended, endMs);
  const committed = clamp(timeline.committed.passedAt(index), durable, endMs);
  const applied = clamp(timeline.applied.passedAt(index) ?? endMs, committed, endMs);
  return {
    queue: sent - startMs,
    log: durable - appended,
    replicate: appended - sent + (committed - durable),
    apply: applied - committed,
    respond: endMs - applied,
  };
}

/** A linearizable read; null while it waits for its turn. */
export function readPhases(times: ReadTimes | null, startMs: number, endMs: number): Phases {
  if (times === null || times.askedAtMs === 0) return { queue: endMs - startMs };
  const asked = clamp(times.askedAtMs, startMs, endMs);
  const confirmed = clamp(times.confirmedAtMs === 0 ? endMs : times.confirmedAtMs, asked, endMs);
  const readable = clamp(times.readableAtMs === 0 ? endMs : times.readableAtMs, confirmed, endMs);
  return {
    queue: asked - startMs,
    readIndex: confirmed - asked,
    apply: readable - confirmed,
    read: endMs - readable,
  };
}

/** The phase that took most; of equals the first. */
export function longestPhase(phases: Phases): Phase {
  let longest: Phase = "handle";
  let most = -1;
  for (const [phase, ms] of Object.entries(phases)) {
    if (ms > most) [longest, most] = [phase as Phase, ms];
  }
  return longest;
}

/** Within [from, end]; `from` where nothing is known. */
function clamp(at: number | null, from: number, end: number): number {
  return at === null ? from : Math.min(Math.max(at, from), end);
}
