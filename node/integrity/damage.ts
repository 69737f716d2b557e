/** What a process does that found its own data damaged: it stops serving at once, and comes back to be rebuilt. */
import { QuorateError } from "../../src/base/errors.ts";
import type { Config } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import type { MemberLog } from "../log.ts";
import { restartInPlace } from "../restart.ts";
import { type Finding, planOrder, readOrder, writeOrder } from "./order.ts";
import { readPeers } from "./peers-file.ts";

/** What an operator can do about a damaged member of a cluster. */
export const WAY_OUT =
  "start it with --corruption-repair to rebuild it from its peers, or remove the member and add a new one";
const WAY_OUT_ALONE = "there is no peer to rebuild it from: restore a snapshot";
/** Then the process ends instead of starting anew, and whoever supervises it decides. */
const RESTARTS_MAX = 8;

/** Null where `error` does not say that this member's own data are damaged. */
export function findingOf(error: unknown): Finding | null {
  if (!(error instanceof QuorateError)) return null;
  if (error.code !== "corruption" && error.code !== "logCorruption") return null;
  return { reason: error.message, log: error.code === "logCorruption", avoid: [] };
}

/** Whether a member with this configuration rebuilds itself when it is damaged. */
export function canRebuild(config: Config): boolean {
  if (!config.corruptionRepair || process.execve === undefined) return false;
  return hasPeers(config) && knowsItself(new DataDir(config.dataDir, config.walDir));
}

/** Who does not know who it is cannot come back as the same member. */
function knowsItself(dataDir: DataDir): boolean {
  try {
    dataDir.checkFormat();
    dataDir.readIdentity();
    return true;
  } catch {
    return false;
  }
}

function hasPeers(config: Config): boolean {
  const known = readPeers(new DataDir(config.dataDir, config.walDir));
  return known.length > 0 || config.initialCluster.size > 1;
}

/** The line that names the damage and the way out. */
export function describeFinding(config: Config, finding: Finding): string {
  return `${finding.reason}: ${hasPeers(config) ? WAY_OUT : WAY_OUT_ALONE}`;
}

/**
 * Orders the repair and starts the process anew in place, which cuts off every client in the same moment. Returns only where
 * the member cannot or must not be rebuilt (again): then the caller ends the process.
 */
export function restartToRebuild(config: Config, logger: MemberLog, finding: Finding): void {
  if (!canRebuild(config)) return;
  const dataDir = new DataDir(config.dataDir, config.walDir);
  const order = planOrder(readOrder(dataDir), finding);
  writeOrder(dataDir, order);
  dataDir.noteLife(null);
  const { reason, log, restarts } = order;
  if (restarts > RESTARTS_MAX) {
    logger.error({ reason, restarts }, "damaged again and again: is the disk failing?");
    return;
  }
  logger.error({ reason, log }, "damaged: this member stops serving, to be rebuilt");
  // Where it returns: whoever supervises the process starts it anew, and it finds the order.
  restartInPlace(logger);
}
