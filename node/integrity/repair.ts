/**
 * Rebuilds a damaged member from its peers, as the member it was, before it takes part in anything: its store always, its log
 * where that is damaged too. Why this is safe is in DESIGN.md.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescribeResponse } from "../../src/api/gen/peer.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/ports.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { VOTE_FILE } from "../../src/wal/format.ts";
import { certainVote } from "../../src/wal/vote.ts";
import type { Config } from "../config.ts";
import type { DataDir, Identity } from "../data-dir.ts";
import { describePeer } from "../peer/calls.ts";
import type { PeerDialer } from "../peer/dialer.ts";
import { REMOVED_REFUSAL } from "../peer/handshake.ts";
import { fetchState, type StateWish } from "./fetch-state.ts";
import { type KeptVote, type RepairOrder, writeOrder } from "./order.ts";
import { readPeers } from "./peers-file.ts";

export interface RepairParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly dataDir: DataDir;
  readonly dial: PeerDialer;
  readonly identity: Identity;
  /** Opens the log and closes it again: the index before its first entry. Rejects with "logCorruption". */
  readonly probeLog: () => Promise<number>;
}

const DESCRIBE_MS = 2_000;
const ROUND_PAUSE_MS = 500;
/** Then the process ends, and whoever supervises it decides when to try again. */
const ROUNDS_MS_MAX = 120_000;

interface Source {
  readonly url: string;
  readonly described: DescribeResponse;
}

/**
 * Carries out `order` but for its last step: the caller opens what came, checks it, and ends the order. Answers with the vote
 * that the fresh log must begin with; null where the log is whole. Rejects with "corruption" where no peer can help.
 */
export async function repair(parts: RepairParts, order: RepairOrder): Promise<KeptVote | null> {
  const { logger, dataDir } = parts;
  logger.warn({ reason: order.reason }, "rebuilding this member from its peers");
  let current = order;
  let least = 0;
  if (!current.log) {
    try {
      least = await parts.probeLog();
    } catch (error) {
      const known = QuorateError.from(error);
      if (known.code !== "logCorruption") throw error;
      logger.warn({ reason: known.message }, "the log is damaged too");
      current = { ...current, log: true };
    }
  }
  if (current.log) {
    current = { ...current, kept: current.kept ?? keptVote(parts, current) };
    writeOrder(dataDir, current);
    dataDir.setLogAside();
  }
  dataDir.setStoreAside();
  const wish = { fence: current.log, least };
  const { path, source } = await fetchFromAny(parts, current, wish);
  writeOrder(dataDir, { ...current, source });
  dataDir.adoptStore(path);
  return current.kept;
}

/** Without its votes it could vote twice in one term. */
function keptVote({ dataDir }: RepairParts, { reason }: RepairOrder): KeptVote {
  const path = join(dataDir.wal, VOTE_FILE);
  const record = existsSync(path) ? certainVote(readFileSync(path)) : null;
  if (record !== null) return { term: record.term, vote: record.vote };
  throw new QuorateError(
    "configuration",
    `${reason}; ${path} does not hold the last vote for certain: remove the member and add a new one`,
  );
}

async function fetchFromAny(
  parts: RepairParts,
  order: RepairOrder,
  wish: Pick<StateWish, "fence" | "least">,
): Promise<{ readonly path: string; readonly source: MemberId }> {
  const { logger } = parts;
  const deadline = performance.now() + ROUNDS_MS_MAX;
  let reason = "none answers";
  while (performance.now() < deadline) {
    for (const { url, described } of await sources(parts, order, wish.fence)) {
      const source = described.memberId as MemberId;
      const client = parts.dial([url]);
      try {
        return { path: await fetchState(parts, client, { ...wish, from: source }), source };
      } catch (error) {
        reason = QuorateError.from(error).message;
        if (reason.includes(REMOVED_REFUSAL)) throw removed();
        logger.warn({ peer: source, reason }, "a peer did not give its state");
      } finally {
        client.close();
      }
    }
    await sleep(ROUND_PAUSE_MS);
  }
  throw new QuorateError(
    "corruption",
    `${order.reason}; no peer gave its state (${reason}): start the other members, or restore a snapshot`,
  );
}

function removed(): QuorateError {
  return new QuorateError("configuration", `${REMOVED_REFUSAL}: remove its data directory`);
}

/** Who may be asked, the best first: the leader where it must be the leader, else the others before it. */
async function sources(
  parts: RepairParts,
  order: RepairOrder,
  fence: boolean,
): Promise<readonly Source[]> {
  const { config, identity, dataDir } = parts;
  const own = new Set(config.advertisePeerUrls);
  const urls = new Set([...readPeers(dataDir), ...[...config.initialCluster.values()].flat()]);
  const asked = [...urls].filter((url) => !own.has(url));
  if (asked.length === 0) {
    throw new QuorateError(
      "configuration",
      `${order.reason}; this member has no peer to be rebuilt from: restore a snapshot`,
    );
  }
  const answers = await Promise.all(
    asked.map(async (url) => {
      const described = await describePeer(parts.dial, url, DESCRIBE_MS).catch(() => null);
      return described === null ? null : { url, described };
    }),
  );
  const found = answers.filter((answer): answer is Source => answer !== null).filter(isOurs);
  if (fence) return found.filter(isLeader);
  const usable = found.filter(({ described }) => !isAvoided(described.memberId));
  // Where all of them are suspect nobody knows better: then whoever answers.
  const chosen = usable.length > 0 ? usable : found;
  return chosen.toSorted((a, b) => Number(isLeader(a)) - Number(isLeader(b)));

  function isOurs({ described }: Source): boolean {
    const { clusterId, incarnation, memberId } = described;
    const same = clusterId === identity.clusterId && incarnation === identity.incarnation;
    return same && memberId !== identity.memberId;
  }
  function isAvoided(id: bigint): boolean {
    return order.avoid.includes(id as MemberId);
  }
}

function isLeader({ described }: Source): boolean {
  return described.leader !== 0n && described.leader === described.memberId;
}
