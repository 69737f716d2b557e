/**
 * The order to rebuild this member from its peers: a file in the data directory, so that it outlives the process that found the
 * damage, and every crash on the way. It is there from the moment damage is known until the rebuilt state is in use.
 */
import { QuorateError } from "../../src/base/errors.ts";
import type { MemberId, Term } from "../../src/raft/types.ts";
import type { DataDir } from "../data-dir.ts";

/** The last vote, which a lost log must not take with it. */
export interface KeptVote {
  readonly term: Term;
  readonly vote: MemberId;
}

export interface RepairOrder {
  /** One line: what was found, with file and offset where there are such. */
  readonly reason: string;
  /** The log is lost as well: the state must hold all that this member may have acknowledged (DESIGN.md, S2). */
  readonly log: boolean;
  /** Null until the damaged log was read for it. */
  readonly kept: KeptVote | null;
  /** Members whose state must not be taken. */
  readonly avoid: readonly MemberId[];
  /** Whose state was taken last: if that turns out to be damaged too, it is another's turn. */
  readonly source: MemberId | null;
  /** How often the process started anew for this order. */
  readonly restarts: number;
}

/** What a member finds out about itself. */
export interface Finding {
  readonly reason: string;
  readonly log: boolean;
  readonly avoid: readonly MemberId[];
}

/** Null where there is none. Throws "configuration" for a file that nobody of ours wrote. */
export function readOrder(dataDir: DataDir): RepairOrder | null {
  const text = dataDir.readText("REPAIR");
  if (text === null) return null;
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    const { reason, log, term, vote, avoid, source, restarts } = found;
    if (!Array.isArray(avoid)) throw new TypeError("no list of members");
    return {
      reason: String(reason),
      log: log === true,
      kept: term === undefined ? null : { term: Number(term) as Term, vote: toId(vote) },
      avoid: avoid.map(toId),
      source: source === undefined ? null : toId(source),
      restarts: Number(restarts),
    };
  } catch (error) {
    throw new QuorateError(
      "configuration",
      `${dataDir.member}/REPAIR cannot be read: remove the member and add a new one`,
      error,
    );
  }
}

export function writeOrder(dataDir: DataDir, order: RepairOrder): void {
  const { reason, log, kept, avoid, source, restarts } = order;
  const text = JSON.stringify({
    reason,
    log,
    ...(kept === null ? {} : { term: kept.term, vote: kept.vote.toString(16) }),
    avoid: avoid.map((id) => id.toString(16)),
    ...(source === null ? {} : { source: source.toString(16) }),
    restarts,
  });
  dataDir.writeText("REPAIR", text);
}

/** The rebuilt state is in use. */
export function endOrder(dataDir: DataDir): void {
  dataDir.writeText("REPAIR", null);
}

/** The order after `finding`; an order that stands already forgets nothing. */
export function planOrder(before: RepairOrder | null, finding: Finding): RepairOrder {
  const spoiled = before?.source ?? null;
  const avoid = new Set([...(before?.avoid ?? []), ...finding.avoid]);
  if (spoiled !== null) avoid.add(spoiled);
  return {
    reason: finding.reason,
    log: finding.log || before?.log === true,
    kept: before?.kept ?? null,
    avoid: [...avoid],
    source: null,
    restarts: (before?.restarts ?? 0) + 1,
  };
}

function toId(text: unknown): MemberId {
  if (typeof text !== "string" || !/^[0-9a-f]{1,16}$/.test(text)) throw new TypeError("no member");
  return BigInt(`0x${text}`) as MemberId;
}
