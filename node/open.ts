/** Opens what a member left, or makes what a new one needs: directory, log and store, in a state from which Raft can go on. */
import { QuorateError } from "../src/base/errors.ts";
import type { Clock } from "../src/base/ports.ts";
import type { Backend } from "../src/backend/backend.ts";
import { LevelBackend } from "../src/backend/level.ts";
import { Machine } from "../src/machine/machine.ts";
import type { Member } from "../src/machine/members.ts";
import { NO_MEMBER, type HardState, type Index, type Term } from "../src/raft/types.ts";
import { Wal } from "../src/wal/wal.ts";
import { type Birth, bootstrap, findPeers } from "./bootstrap.ts";
import { type ForceWish, forceNew } from "./boot/force-new.ts";
import { systemRandom } from "./clock.ts";
import type { Config } from "./config.ts";
import { DataDir, type Identity } from "./data-dir.ts";
import { WAY_OUT } from "./integrity/damage.ts";
import { Life } from "./integrity/life.ts";
import { keepPeers, readPeers } from "./integrity/peers-file.ts";
import { endOrder, type KeptVote, readOrder, type RepairOrder } from "./integrity/order.ts";
import { repair } from "./integrity/repair.ts";
import { openCheckpoint } from "./index-checkpoint.ts";
import type { CheckpointSource } from "../src/mvcc/restore.ts";
import type { MemberLog } from "./log.ts";
import type { MemberStats } from "./metrics/stats.ts";
import type { PeerDialer } from "./peer/dialer.ts";
import { systemPace } from "./pace.ts";
import { logMetadata } from "./read-only-log.ts";
import { RequestIds } from "./request-ids.ts";
import { FileLogDevice } from "./storage.ts";
import { TimedBackend } from "./timed-backend.ts";

/** Where the log of every cluster begins: the entry that its bootstrap members count as applied. */
export const BIRTH_INDEX = 1;
export const BIRTH_TERM = 1;
/** How long writes that were applied wait for company on their way to the store. */
const BATCH_WAIT_MS = 5;

/** Everything that lives on disk, open. */
export interface Opened {
  readonly dataDir: DataDir;
  readonly identity: Identity;
  readonly wal: Wal;
  readonly machine: Machine;
  readonly hardState: HardState;
  readonly requestIds: RequestIds;
  /** Whom to talk to while the store knows no member: the state that names them comes from there. */
  readonly peers: readonly Member[];
  /** Opens the state in another store, as that of this member. */
  readonly openMachine: (backend: Backend) => Promise<Machine>;
  /** The state came from a peer, because the own data were damaged. */
  readonly rebuilt: boolean;
  /** To be told when the process ends as it should. */
  readonly life: Life;
  /** Lets another process have the directory. */
  readonly unlock: () => Promise<void>;
}

export interface OpenOptions {
  readonly config: Config;
  readonly logger: MemberLog;
  readonly clock: Clock;
  readonly stats: MemberStats;
  /** For a member that joins: whom it asks about the cluster. */
  readonly dial: PeerDialer;
  /** How an empty directory gets its member, where that is decided already; null: as the flags say. */
  readonly birth: Birth | null;
  /** What is on this disk is to be the only member of another cluster; null: it is not. */
  readonly force: ForceWish | null;
  /** Told of what takes its time. */
  readonly onStage: (stage: string) => void;
  readonly onLogFull: (full: boolean) => void;
  /** The disk or the data failed: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** Rejects with "configuration", "corruption" or "storage"; then nothing is left open. */
export async function openMember(options: OpenOptions): Promise<Opened> {
  const { config, logger } = options;
  const dataDir = new DataDir(config.dataDir, config.walDir);
  if (!dataDir.isInhabited) dataDir.checkForeign();
  dataDir.prepare(logger);
  dataDir.checkFormat();
  const lock = await takeLock(dataDir);
  const life = new Life(dataDir);
  try {
    return await openLocked(options, dataDir, life, () => lock.close());
  } catch (error) {
    life.over();
    await lock.close();
    throw error;
  }
}

/** The directory belongs to one process: a store of its own, never written to, has LevelDB's lock on it. */
export async function takeLock(dataDir: DataDir): Promise<Backend> {
  try {
    return await LevelBackend.open(dataDir.lockPath);
  } catch (error) {
    throw new QuorateError(
      "configuration",
      `--data-dir=${dataDir.root} is in use by another process: stop it, or choose another directory`,
      error,
    );
  }
}

async function openLocked(
  options: OpenOptions,
  dataDir: DataDir,
  life: Life,
  unlock: () => Promise<void>,
): Promise<Opened> {
  const { config, logger } = options;
  const inhabited = dataDir.isInhabited;
  let members: readonly Member[] | null = null;
  let peers: readonly Member[] = [];
  let identity: Identity;
  let order: RepairOrder | null = null;
  let kept: KeptVote | null = null;
  if (inhabited) {
    await forceIfAsked(options, dataDir);
    identity = dataDir.readIdentity();
    order = readOrder(dataDir);
    if (order === null) refuseWithoutLog(dataDir);
    else kept = await rebuild(options, dataDir, identity, order);
    dataDir.dropUnusedStores();
  } else {
    const birth = options.birth ?? (await bootstrap(config, options.dial, logger));
    ({ identity, members, peers } = birth);
    if (dataDir.hasLog) await refuseOrphanedLog(options, dataDir, identity);
    dataDir.dropUnfinished();
  }
  const began = options.clock.now();
  const wal = await openWal(options, dataDir, identity);
  const logMs = Math.round(options.clock.now() - began);
  const requestIds = new RequestIds(identity.memberId, Date.now());
  const openMachine = machineOpener(options, requestIds);
  if (inhabited) await life.checkStore(dataDir.storePath(), logger);
  const machine = await openStore(options, dataDir, openMachine, { logMs, ...wal.recovery });
  if (members !== null) {
    machine.bootstrap(members, BIRTH_INDEX, BIRTH_TERM);
    await machine.buffer.drain();
    await machine.buffer.flush();
  }
  const hardState = await meet(wal.wal, { ...wal.recovery.hardState, ...kept }, machine);
  if (order !== null) {
    endOrder(dataDir);
    const { revision } = machine.store;
    logger.info({ index: machine.appliedIndex, revision }, "rebuilt this member from its peers");
  }
  if (!inhabited) {
    keepPeers(dataDir, members ?? peers, identity.memberId);
    dataDir.writeIdentity(identity);
  } else if (machine.members.list().length === 0) {
    // It joined and was stopped before the state came.
    peers = await findPeers(config, readPeers(dataDir), identity, options);
  }
  life.opened();
  const parts = { dataDir, identity, wal: wal.wal, machine, hardState, requestIds, peers };
  return { ...parts, openMachine, rebuilt: order !== null, life, unlock };
}

/**
 * Makes a member of the state that lies in the store of `dataDir`, which nobody lives in: proves that the state opens, gives it
 * a log that begins after it, and, last, its identity. Leaves nothing open. Resolves with the state's revision.
 */
export async function settleMember(
  options: OpenOptions,
  dataDir: DataDir,
  identity: Identity,
): Promise<number> {
  const requestIds = new RequestIds(identity.memberId, Date.now());
  const openMachine = machineOpener(options, requestIds);
  const machine = await openMachine(await LevelBackend.open(dataDir.storePath()));
  const { wal, recovery } = await openWal(options, dataDir, identity);
  await meet(wal, recovery.hardState, machine);
  const { revision } = machine.store;
  await machine.close();
  await wal.close();
  dataDir.writeIdentity(identity);
  return revision;
}

type MachineOpener = (backend: Backend, checkpoint?: CheckpointSource | null) => Promise<Machine>;

/** Opens a store as this member's state. */
function machineOpener(options: OpenOptions, requestIds: RequestIds): MachineOpener {
  const { config } = options;
  return (backend, checkpoint = null) =>
    Machine.open({
      checkpoint,
      backend: new TimedBackend(backend, options.stats),
      clock: options.clock,
      pace: systemPace,
      later: (launch) => {
        setTimeout(launch, BATCH_WAIT_MS);
      },
      valueCacheBytes: config.valueCacheBytes,
      compactionBatchRevisions: config.compactionBatchRevisions,
      compactionSleepMs: config.compactionSleepMs,
      onFatal: options.onFatal,
      requestPrefix: requestIds.prefix,
    });
}

/** Becomes the only member of another cluster, where that is asked for or was begun. */
async function forceIfAsked(options: OpenOptions, dataDir: DataDir): Promise<void> {
  const { config, logger, onStage, force } = options;
  const openLog = (identity: Identity): ReturnType<typeof openWal> =>
    openWal(options, dataDir, identity);
  const openState = async (path: string, { memberId }: Identity): Promise<Machine> => {
    const openMachine = machineOpener(options, new RequestIds(memberId, Date.now()));
    const checkpoint = await openCheckpoint(path);
    try {
      return await openMachine(await LevelBackend.open(path), checkpoint);
    } finally {
      await checkpoint?.close();
    }
  };
  await forceNew({ config, dataDir, logger, onStage, openLog, openState }, force);
}

/** Does what a member that was found damaged needs before it may be opened. */
async function rebuild(
  options: OpenOptions,
  dataDir: DataDir,
  identity: Identity,
  order: RepairOrder,
): Promise<KeptVote | null> {
  const { config, dial, logger, onStage } = options;
  onStage(`being rebuilt from its peers: ${order.reason}`);
  if (!config.corruptionRepair) {
    throw new QuorateError("configuration", `${order.reason}: ${WAY_OUT}`);
  }
  const probeLog = async (): Promise<number> => {
    refuseWithoutLog(dataDir);
    const { wal } = await openWal(options, dataDir, identity);
    const before = wal.firstIndex() - 1;
    await wal.close();
    return before;
  };
  return await repair({ config, logger, dataDir, dial, identity, probeLog }, order);
}

/** The state in the store, by way of the copy of its index if there is one. */
async function openStore(
  options: OpenOptions,
  dataDir: DataDir,
  openMachine: MachineOpener,
  log: { readonly logMs: number; readonly lastIndex: number },
): Promise<Machine> {
  const { clock, logger } = options;
  const { logMs } = log;
  const began = clock.now();
  const backend = await LevelBackend.open(dataDir.storePath());
  const opened = clock.now();
  const checkpoint = await openCheckpoint(dataDir.storePath());
  const machine = await openMachine(backend, checkpoint);
  await checkpoint?.close();
  const storeMs = Math.round(opened - began);
  const indexMs = Math.round(clock.now() - opened);
  const { keyCount, revision, restored } = machine.store;
  const replay = log.lastIndex - machine.appliedIndex;
  const found = { keys: keyCount, revision, indexAt: restored?.main ?? 0, replay };
  logger.info({ logMs, storeMs, indexMs, ...found }, "opened the log and the store");
  return machine;
}

/** Its votes and what it acknowledged went with the log: as the same member it could vote twice. */
function refuseWithoutLog(dataDir: DataDir): void {
  if (dataDir.hasLog) return;
  throw new QuorateError(
    "storage",
    `${dataDir.wal} holds no log, but this member had one: put it back, or remove the member and add a new one`,
  );
}

/** A log whose data directory is gone is no unfinished start if it ever voted or took an entry. */
async function refuseOrphanedLog(
  options: OpenOptions,
  dataDir: DataDir,
  identity: Identity,
): Promise<void> {
  const { wal, recovery } = await openWal(options, dataDir, identity);
  const { term, vote } = recovery.hardState;
  const used = wal.lastIndex() > BIRTH_INDEX || term > BIRTH_TERM || vote !== NO_MEMBER;
  await wal.close();
  if (!used) return;
  throw new QuorateError(
    "configuration",
    `${dataDir.wal} is the log of a member whose data directory is missing: put that back, or choose another --wal-dir`,
  );
}

async function openWal(
  options: OpenOptions,
  dataDir: DataDir,
  identity: Identity,
): ReturnType<typeof Wal.open> {
  const { config, logger, clock } = options;
  const device = FileLogDevice.open({ directory: dataDir.wal, sync: config.fsync });
  try {
    return await Wal.open({
      device,
      logger,
      clock,
      random: systemRandom,
      metadata: logMetadata(identity),
      segmentBytes: config.walSegmentBytes,
      onFull: options.onLogFull,
      onFailure: options.onFatal,
      onWrite: (seconds, bytes) => {
        options.stats.logWrites.observe(seconds);
        options.stats.logBatchBytes.observe(bytes);
      },
    });
  } catch (error) {
    await device.close(); // its thread would keep the process alive, and its files stay open
    throw error;
  }
}

/**
 * Brings log and store together. The store may be ahead of the log: a received state was adopted and the process ended before
 * the log was reset, or the member is new. It is never behind what the log still has.
 */
export async function meet(
  wal: Wal,
  recovered: HardState,
  machine: Pick<Machine, "appliedIndex" | "appliedTerm">,
): Promise<HardState> {
  const applied = machine.appliedIndex;
  const commit = Math.max(recovered.commit, applied) as Index;
  if (applied < wal.firstIndex() - 1) {
    throw new QuorateError(
      "corruption",
      `the store ends at entry ${applied}, the log begins at ${wal.firstIndex()}: the store was lost or replaced`,
    );
  }
  // A log that says otherwise there was overtaken: what follows in it was never committed.
  if (wal.term(applied as Index) === machine.appliedTerm) return { ...recovered, commit };
  const term = Math.max(recovered.term, machine.appliedTerm) as Term;
  const vote = term === recovered.term ? recovered.vote : NO_MEMBER;
  const hardState: HardState = { term, vote, commit };
  await new Promise<void>((resolve) =>
    wal.reset(applied as Index, machine.appliedTerm as Term, hardState, resolve),
  );
  return hardState;
}
