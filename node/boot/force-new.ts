/**
 * Makes a member the only one of what comes next, out of the data on its disk: what a person orders when a quorum is lost for
 * good. The cluster that begins has another id, so that nobody of the old one is ever listened to again.
 *
 * 1. The member's directory is copied aside.
 * 2. Beside the store in use another is filled: the same, and every entry of the log, those beyond the commit index as well,
 *    since somebody may have been told that they are committed; then an entry more, which no log holds, that leaves this member
 *    alone, as a voter, and keeps the ids of all others from returning.
 * 3. `FORCE` is written: until here nothing has changed, from here on it is true.
 * 4. The new store is adopted, a log is begun that goes on after it, the identity is replaced, and `FORCE` removed.
 *
 * Cut off before 3 it begins anew, after 3 it goes on; each part of 4 can be done again.
 */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { AssertionError } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/ports.ts";
import { storedMember } from "../../src/api/gen/command.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { type HardState, type Index, NO_MEMBER, type Term } from "../../src/raft/types.ts";
import type { Wal } from "../../src/wal/wal.ts";
import { applyLog } from "../apply-log.ts";
import type { Config } from "../config.ts";
import type { DataDir, Identity } from "../data-dir.ts";
import { forcedClusterId } from "../ids.ts";
import { copyAside, copyStore } from "./copy-aside.ts";
import { type ForceOrder, readForceOrder, writeForceOrder } from "./force-order.ts";

/** Who asked for it. */
export interface ForceWish {
  /** Of the ticket; null: the flag --force-new-cluster, which every start repeats. */
  readonly nonce: string | null;
  /** Null: one more than before. */
  readonly fenceIncarnation: number | null;
}

export interface ForceParts {
  readonly config: Pick<Config, "name" | "advertisePeerUrls" | "advertiseClientUrls">;
  readonly dataDir: DataDir;
  readonly logger: Logger;
  /** Opens the log as that of this member. */
  readonly openLog: (
    identity: Identity,
  ) => Promise<{ readonly wal: Wal; readonly recovery: { readonly hardState: HardState } }>;
  /** Opens a store as this member's state. */
  readonly openState: (path: string, identity: Identity) => Promise<Machine>;
  /** Told before each step. */
  readonly onStage: (stage: string) => void;
}

/** The data on this disk cannot become a cluster; nothing was changed. */
export class ForceRefusal extends QuorateError {}

/** Does it, or what is left of it. Rejects with ForceRefusal where nothing was changed. */
export async function forceNew(parts: ForceParts, wish: ForceWish | null): Promise<void> {
  let order = readForceOrder(parts.dataDir);
  if (order === null && wish !== null && !isAlone(parts, wish)) {
    try {
      order = await prepare(parts, wish);
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      const { message } = QuorateError.from(error);
      throw new ForceRefusal("storage", `cannot become the only member: ${message}`, error);
    }
  }
  if (order !== null) await finish(parts, order);
}

/** The flag stays where it was, and must not begin another cluster at every start. */
function isAlone({ dataDir, logger }: ForceParts, wish: ForceWish): boolean {
  if (wish.nonce !== null || dataDir.readText("PEERS")?.trim() !== "") return false;
  logger.warn({}, "this member is the only one already: remove --force-new-cluster");
  return true;
}

/** Steps 1 to 3. */
async function prepare(parts: ForceParts, wish: ForceWish): Promise<ForceOrder> {
  const { dataDir, logger, onStage } = parts;
  const before = dataDir.readIdentity();
  if (dataDir.readText("REPAIR") !== null) {
    throw new QuorateError("storage", "its data are damaged, and were to be rebuilt from peers");
  }
  if (!dataDir.hasLog) throw new QuorateError("storage", `${dataDir.wal} holds no log`);
  const label = wish.nonce ?? before.clusterId.toString(16);
  onStage("copying the data aside");
  const copy = await copyAside(dataDir, label);
  logger.warn({ copy }, "making this member the only one: its data were copied aside");
  onStage("applying all that the log holds");
  const path = dataDir.incomingPath();
  await copyStore(dataDir.storePath(), path);
  const identity: Identity = {
    ...before,
    clusterId: forcedClusterId(before.clusterId, label),
    fenceIncarnation: wish.fenceIncarnation ?? before.fenceIncarnation + 1,
    usedNonce: wish.nonce ?? before.usedNonce,
  };
  const { index, term } = await fill(parts, before, path);
  const order = { identity, store: basename(path), index, term };
  onStage("writing down what this member has become");
  writeForceOrder(dataDir, order);
  return order;
}

/** Step 2: the state in `path`, with all of the log and one entry more. */
async function fill(
  { config, logger, openLog, openState }: ForceParts,
  identity: Identity,
  path: string,
): Promise<{ readonly index: Index; readonly term: Term }> {
  const { memberId } = identity;
  const { wal, recovery } = await openLog(identity);
  try {
    const machine = await openState(path, identity);
    try {
      if (machine.members.list().length === 0) {
        throw new QuorateError("storage", "it has joined, and never had the state of the cluster");
      }
      const known = machine.members.get(memberId);
      const { appliedIndex: from } = machine;
      await applyTail(machine, wal);
      const index = (machine.appliedIndex + 1) as Index;
      const term = (Math.max(recovery.hardState.term, machine.appliedTerm) + 1) as Term;
      const { name, advertisePeerUrls: peerUrls, advertiseClientUrls: clientUrls } = config;
      const self = machine.members.get(memberId) ?? known;
      machine.leaveOnly(
        self ??
          storedMember({
            id: memberId,
            name,
            peerUrls: [...peerUrls],
            clientUrls: [...clientUrls],
          }),
        index,
        term,
      );
      await machine.buffer.drain();
      await machine.buffer.flush();
      const { commit } = recovery.hardState;
      logger.warn(
        { from, commit, last: index - 1, term, revision: machine.store.revision },
        "applied all that the log holds, committed or not",
      );
      return { index, term };
    } finally {
      await machine.close();
    }
  } finally {
    await wal.close();
  }
}

/** A log that says otherwise where the state ends was overtaken by it: nothing in it follows. */
async function applyTail(machine: Machine, wal: Wal): Promise<void> {
  const applied = machine.appliedIndex as Index;
  if (applied < wal.firstIndex() - 1) {
    throw new QuorateError(
      "storage",
      `the store ends at entry ${applied}, the log begins at ${wal.firstIndex()}`,
    );
  }
  if (wal.term(applied) === machine.appliedTerm)
    await applyLog(machine, wal, wal.lastIndex(), null);
}

/** Step 4. */
async function finish(parts: ForceParts, order: ForceOrder): Promise<void> {
  const { dataDir, logger, onStage } = parts;
  const { identity, index, term } = order;
  if (dataDir.readIdentity().clusterId !== identity.clusterId) {
    onStage("adopting the new state");
    const path = join(dataDir.member, order.store);
    if (!existsSync(path)) {
      throw new QuorateError(
        "storage",
        `${path} is gone: put back the copy beside ${dataDir.member}`,
      );
    }
    dataDir.adoptStore(path);
    onStage("beginning a new log");
    dataDir.dropLog();
    const { wal } = await parts.openLog(identity);
    const hardState: HardState = { term, vote: NO_MEMBER, commit: index };
    await new Promise<void>((resolve) => wal.reset(index, term, hardState, resolve));
    await wal.close();
    dataDir.writeText("PEERS", "");
    onStage("taking the new identity");
    dataDir.writeIdentity(identity);
  }
  onStage("ending the order");
  dataDir.writeText("FORCE", null);
  const [clusterId, memberId] = [identity.clusterId.toString(16), identity.memberId.toString(16)];
  logger.warn({ clusterId, memberId, index, term }, "this member is the only one of a new cluster");
}
