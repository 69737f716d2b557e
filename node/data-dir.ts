/**
 * The data directory.
 *
 * ```
 * <data-dir>/member/        created 0700; the mode of data-dir itself only warns
 *   FORMAT                  formats of log, store and snapshot: refused if newer than this program
 *   IDENTITY                cluster id, member id, incarnations, the boot ticket used last: JSON, one line
 *   REMOVED                 only after the member was removed: it never starts again (under an operator)
 *   LOCK/                   held by the process that uses the directory (a LevelDB lock: released with the process)
 *   STORE                   name of the store directory in use: changes when a received state is adopted
 *   store.<n>/              LevelDB
 *   wal/                    the log, unless --wal-dir puts it elsewhere
 *   PEERS                   where the other members were last reached: whom a damaged member asks for its state
 *   LIFE                    only while a process runs: how far it came, for the next one if it ends without a word
 *   REPAIR                  only while the member is to be rebuilt from its peers: why, and what is left of its promises
 *   FORCE                   only while the member is being made the only one of a new cluster: what it has become
 *   damaged/                the store that was replaced last, for whoever wants to know; a replaced log is in wal/damaged
 * ```
 * Beside member/, `member.before-<nonce>` is what it was before a cluster was forced (node/boot/force-new.ts).
 * A `store.<n>` that STORE does not name is a state that was being received; it is dropped at the next start.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  type Dirent,
} from "node:fs";
import { dirname, join } from "node:path";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/ports.ts";
import type { MemberId } from "../src/raft/types.ts";
import { syncDirectoryNow } from "./sync-directory.ts";

/** Formats that this program writes; it reads every lower one. */
export const FORMATS = { log: 1, store: 1, snapshot: 1 } as const;

const MEMBER_ENTRY =
  /^(?:(?:FORMAT|IDENTITY|STORE|PEERS|REPAIR|FORCE|REMOVED|LIFE)(?:\.new)?|LOCK|wal|damaged|store\.\d+)$/;
const LOG_FILE = /^(?:[0-9a-f]{16}\.wal|vote)(?:\.tmp)?$/;

export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
  /** Tells clusters apart that began with equal flags: what they were restored from. */
  readonly incarnation: bigint;
  /** Counts recoveries of the cluster, as its operator does (src/api/boot.ts); 1 before the first, and without one. */
  readonly fenceIncarnation: number;
  /** Of the boot ticket that this disk used last; null: none. */
  readonly usedNonce: string | null;
}

/** The fence's part of an identity that no operator's ticket made. */
export const NO_FENCE: Pick<Identity, "fenceIncarnation" | "usedNonce"> = {
  fenceIncarnation: 1,
  usedNonce: null,
};

/** Small files of ours that come and go. */
type NoteFile = "PEERS" | "REPAIR" | "FORCE";

/** Paths below one data directory. */
export class DataDir {
  readonly root: string;
  readonly member: string;
  readonly wal: string;

  constructor(root: string, walDir: string | null) {
    this.root = root;
    this.member = join(root, "member");
    this.wal = walDir ?? join(this.member, "wal");
  }

  /** Whether a member lives here already: its identity was written. */
  get isInhabited(): boolean {
    return existsSync(join(this.member, "IDENTITY"));
  }

  get lockPath(): string {
    return join(this.member, "LOCK");
  }

  /** Creates what is missing. Throws "configuration" where the place cannot be used. */
  prepare(logger: Logger): void {
    try {
      mkdirSync(this.member, { recursive: true, mode: 0o700 });
      mkdirSync(this.wal, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new QuorateError(
        "configuration",
        `--data-dir=${this.root} cannot be created or written: choose another or change its owner`,
        error,
      );
    }
    const mode = statSync(this.root).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      logger.warn(
        { dataDir: this.root, mode: mode.toString(8) },
        "the data directory is open to others",
      );
    }
  }

  /** Refuses a directory that a newer release has written. */
  checkFormat(): void {
    const path = join(this.member, "FORMAT");
    if (!existsSync(path)) return;
    const found = readJson(path);
    for (const [what, ours] of Object.entries(FORMATS)) {
      const theirs = Number(found[what]);
      if (!(theirs <= ours)) {
        throw new QuorateError(
          "configuration",
          `${path} names ${what} format ${String(found[what])}, this program knows up to ${ours}: run the newer release that wrote it`,
        );
      }
    }
  }

  readIdentity(): Identity {
    const path = join(this.member, "IDENTITY");
    const found = readJson(path);
    const parts = ["clusterId", "memberId", "incarnation"].map((name) => hex(path, found[name]));
    const [clusterId, memberId, incarnation] = parts;
    if (clusterId === undefined || memberId === undefined || incarnation === undefined) {
      throw new QuorateError("corruption", `${path} is incomplete`);
    }
    const { fenceIncarnation, usedNonce } = fenceOf(path, found);
    return {
      clusterId,
      memberId: memberId as MemberId,
      incarnation,
      fenceIncarnation,
      usedNonce,
    };
  }

  /** The last step of becoming a member: until it is written the directory counts as empty. */
  writeIdentity(identity: Identity): void {
    this.#write("FORMAT", JSON.stringify(FORMATS));
    this.#write(
      "IDENTITY",
      JSON.stringify({
        clusterId: identity.clusterId.toString(16),
        memberId: identity.memberId.toString(16),
        incarnation: identity.incarnation.toString(16),
        ...(identity.fenceIncarnation === NO_FENCE.fenceIncarnation
          ? {}
          : { fenceIncarnation: identity.fenceIncarnation }),
        ...(identity.usedNonce === null ? {} : { usedNonce: identity.usedNonce }),
      }),
    );
  }

  /** Directory of the store in use. */
  storePath(): string {
    const pointer = join(this.member, "STORE");
    return join(
      this.member,
      existsSync(pointer) ? readFileSync(pointer, "utf8").trim() : "store.0",
    );
  }

  /** A fresh directory for a state that is being received; whatever a former attempt left there goes. */
  incomingPath(): string {
    const current = Number(/\.(\d+)$/.exec(this.storePath())?.[1] ?? 0);
    const path = join(this.member, `store.${current + 1}`);
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  /** From now on, and after a restart, `path` is the store. */
  adoptStore(path: string): void {
    this.#write("STORE", path.slice(path.lastIndexOf("/") + 1));
  }

  /** A small file of ours; null where there is none. */
  readText(name: NoteFile): string | null {
    const path = join(this.member, name);
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  }

  /** Replaces a small file of ours, atomically and durably; null removes it. */
  writeText(name: NoteFile, text: string | null): void {
    if (text !== null) this.#write(name, text);
    else {
      rmSync(join(this.member, name), { force: true });
      syncDirectoryNow(this.member);
    }
  }

  /** The tombstone of a member that was removed lies here. */
  get isRemoved(): boolean {
    return existsSync(join(this.member, "REMOVED"));
  }

  /** Writes the tombstone: nobody who asks `isRemoved` starts here again. */
  bury(reason: string): void {
    this.#write("REMOVED", reason);
  }

  /** What the last process left of itself; null if it ended as it should. */
  readLife(): string | null {
    const path = join(this.member, "LIFE");
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  }

  /** Not synced: only the end of a process matters, not that of the machine. */
  noteLife(text: string | null): void {
    const path = join(this.member, "LIFE");
    if (text === null) rmSync(path, { force: true });
    else writeFileSync(path, `${text}\n`, { mode: 0o600 });
  }

  /** Moves the store out of the way: one is kept, that of the last time. What is gone already is no error. */
  setStoreAside(): void {
    moveAside(this.storePath(), join(this.member, "damaged"));
  }

  /** As `setStoreAside`, for the files of the log. They stay on their file system. */
  setLogAside(): void {
    const aside = join(this.wal, "damaged");
    if (!this.hasLog) return;
    rmSync(aside, { recursive: true, force: true });
    mkdirSync(aside, { mode: 0o700 });
    for (const { name } of entriesOf(this.wal)) {
      if (LOG_FILE.test(name)) renameSync(join(this.wal, name), join(aside, name));
    }
    syncDirectoryNow(this.wal);
  }

  /** Removes the files of the log. They must be of no use any more. */
  dropLog(): void {
    for (const entry of entriesOf(this.wal)) {
      if (entry.isFile() && LOG_FILE.test(entry.name)) rmSync(join(this.wal, entry.name));
    }
    syncDirectoryNow(this.wal);
  }

  /** Removes what is neither in use nor a part of the layout. */
  dropUnusedStores(): void {
    const used = this.storePath();
    for (const name of readdirSync(this.member)) {
      const path = join(this.member, name);
      if (/^store\.\d+$/.test(name) && path !== used)
        rmSync(path, { recursive: true, force: true });
    }
  }

  /** Whether there is a log: since the identity was written there always is. */
  get hasLog(): boolean {
    return entriesOf(this.wal).some((entry) => LOG_FILE.test(entry.name));
  }

  /** Refuses a place that holds what no member of ours left. Throws "configuration". */
  checkForeign(): void {
    const entries = entriesOf(this.member);
    const foreign =
      entries.find(({ name }) => !MEMBER_ENTRY.test(name)) ??
      entriesOf(this.wal).find((entry) => entry.isFile() && !LOG_FILE.test(entry.name));
    if (foreign === undefined) return;
    throw new QuorateError(
      "configuration",
      `${join(foreign.parentPath, foreign.name)} is not Quorate's: choose an empty directory`,
    );
  }

  /** A first start that was cut off: nothing was promised to anybody, so it begins anew. Removes only what is ours. */
  dropUnfinished(): void {
    for (const { name } of entriesOf(this.member)) {
      if (name === "LOCK" || name === "wal" || !MEMBER_ENTRY.test(name)) continue;
      rmSync(join(this.member, name), { recursive: true, force: true });
    }
    if (existsSync(this.wal)) this.dropLog();
  }

  /** Atomically and durably. */
  #write(name: string, text: string): void {
    const path = join(this.member, name);
    const file = openSync(`${path}.new`, "w", 0o600);
    writeSync(file, `${text}\n`);
    fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.new`, path);
    syncDirectoryNow(this.member);
  }
}

function moveAside(path: string, aside: string): void {
  if (!existsSync(path)) return;
  rmSync(aside, { recursive: true, force: true });
  renameSync(path, aside);
  syncDirectoryNow(dirname(path));
}

function entriesOf(directory: string): Dirent[] {
  return existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : [];
}

function readJson(path: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch (error) {
    throw new QuorateError("corruption", `${path} cannot be read`, error);
  }
  throw new QuorateError("corruption", `${path} is not an object`);
}

function hex(path: string, value: unknown): bigint {
  if (typeof value === "string" && /^[0-9a-f]{1,16}$/.test(value)) return BigInt(`0x${value}`);
  throw new QuorateError("corruption", `${path} holds no valid identity`);
}

/** Absent in a directory that no operator's ticket made, and in those of older releases. */
function fenceOf(
  path: string,
  { fenceIncarnation = NO_FENCE.fenceIncarnation, usedNonce = null }: Record<string, unknown>,
): Pick<Identity, "fenceIncarnation" | "usedNonce"> {
  const counts = typeof fenceIncarnation === "number" && Number.isSafeInteger(fenceIncarnation);
  if (counts && fenceIncarnation >= 1 && (usedNonce === null || typeof usedNonce === "string")) {
    return { fenceIncarnation, usedNonce };
  }
  throw new QuorateError("corruption", `${path} holds no valid fence`);
}
