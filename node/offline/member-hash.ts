/** The state of a member that does not run, brought up to what it has committed. */
import type { HistoryHash } from "../../src/mvcc/hash.ts";
import { applyLog } from "../apply-log.ts";
import type { CommandIo } from "../commands.ts";
import { loadConfig } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import { openMember } from "../open.ts";
import { refusal } from "./arguments.ts";
import { quietOptions } from "./quiet-options.ts";

export interface MemberHashOptions {
  readonly dataDir: string;
  readonly walDir: string | null;
  /** 0: the last. */
  readonly revision: number;
  readonly io: CommandIo;
}

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
    await applyLog(opened.machine, opened.wal, opened.hardState.commit, io.signal);
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
