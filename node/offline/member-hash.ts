/** The state of a member that does not run, brought up to what it has committed. */
import { present } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Machine } from "../../src/machine/machine.ts";
import type { HistoryHash } from "../../src/mvcc/hash.ts";
import type { Index } from "../../src/raft/types.ts";
import type { CommandIo } from "../commands.ts";
import { loadConfig } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import { openMember, type Opened } from "../open.ts";
import { systemPace } from "../pace.ts";
import { refusal } from "./arguments.ts";
import { quietOptions } from "./quiet-options.ts";

export interface MemberHashOptions {
  readonly dataDir: string;
  readonly walDir: string | null;
  /** 0: the last. */
  readonly revision: number;
  readonly io: CommandIo;
}

const ENTRIES_BYTES_MAX = 4 * 1024 * 1024;

/** Opens the directory as a start of the member does. Rejects with "configuration" while the member runs. */
export async function hashOfMember(options: MemberHashOptions): Promise<HistoryHash> {
  const { dataDir, walDir, revision, io } = options;
  if (!new DataDir(dataDir, walDir).isInhabited) {
    throw refusal(`--data-dir=${dataDir} is not the directory of a member: choose another`);
  }
  const flags = [`--data-dir=${dataDir}`, ...(walDir === null ? [] : [`--wal-dir=${walDir}`])];
  const { options: quiet, failed } = quietOptions(loadConfig(flags, {}));
  const opened = await openMember(quiet);
  const work = async (): Promise<HistoryHash> => {
    await applyCommitted(opened, io.signal);
    const outcome = await opened.machine.store.hash(revision, io.signal);
    if (outcome.kind === "hash") return outcome.hash;
    throw outcome.kind === "future"
      ? refusal(`--rev=${revision} is after the last revision, ${outcome.revision}`)
      : refusal(
          `--rev=${revision} was compacted at ${outcome.compactRevision}: ask for a later one`,
        );
  };
  try {
    return await Promise.race([work(), failed]);
  } finally {
    await opened.machine.close();
    await opened.wal.close();
    await opened.unlock();
  }
}

async function applyCommitted(
  { machine, wal, hardState }: Opened,
  signal: AbortSignal,
): Promise<void> {
  while (machine.appliedIndex < hardState.commit) {
    signal.throwIfAborted();
    const from = (machine.appliedIndex + 1) as Index;
    const entries = wal.entries(from, (hardState.commit + 1) as Index, ENTRIES_BYTES_MAX);
    const [first] = entries ?? [];
    if (first === undefined) {
      throw new QuorateError("corruption", `the log holds no entry ${from}, which was committed`);
    }
    for (const entry of present(entries, "there are entries")) await apply(machine, entry);
  }
}

async function apply(machine: Machine, entry: Parameters<Machine["apply"]>[0]): Promise<void> {
  let isDone = machine.apply(entry);
  while (!isDone) {
    await systemPace.turn();
    isDone = machine.resume();
  }
  // What waits for the store stays bounded.
  if (machine.buffer.pendingBytes > ENTRIES_BYTES_MAX) await machine.buffer.drain();
}
