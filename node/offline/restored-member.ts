/** The data directory of a member that begins with the state of a snapshot. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { encodeStoredMember } from "../../src/api/gen/command.ts";
import { Bucket } from "../../src/backend/buckets.ts";
import { LevelBackend } from "../../src/backend/level.ts";
import { toRecordKey } from "../../src/backend/record.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/ports.ts";
import type { Birth } from "../bootstrap.ts";
import type { CommandIo } from "../commands.ts";
import type { Config } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import { bumped } from "../etcd/bump.ts";
import { BIRTH_INDEX, BIRTH_TERM, settleMember, takeLock } from "../open.ts";
import { Progress } from "./output.ts";
import { quietOptions } from "./quiet-options.ts";
import type { SnapshotFile } from "./snapshot-file.ts";
import { StoreWriter } from "./store-writer.ts";

export interface RestoreOptions {
  readonly file: SnapshotFile;
  readonly io: CommandIo;
  readonly config: Config;
  readonly birth: Birth;
  /** So many revisions after the last of the file is where the member begins, all of them compacted; 0: at the last. */
  readonly bump: number;
}

/** Makes the directory, or leaves nothing of it behind. Resolves with the state's revision. */
export async function buildMember(options: RestoreOptions): Promise<number> {
  const { config, birth } = options;
  const dataDir = new DataDir(config.dataDir, config.walDir);
  refuseInhabited("data-dir", dataDir.root);
  if (config.walDir !== null) refuseInhabited("wal-dir", config.walDir);
  const made = [dataDir.root, dataDir.wal, dataDir.member].filter((path) => !existsSync(path));
  try {
    dataDir.prepare(silentLogger);
    const lock = await takeLock(dataDir);
    try {
      await writeStore(options, dataDir.storePath());
      const { options: quiet, failed } = quietOptions(config);
      return await Promise.race([settleMember(quiet, dataDir, birth.identity), failed]);
    } finally {
      await lock.close();
    }
  } catch (error) {
    for (const path of made) rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

function refuseInhabited(flag: string, path: string): void {
  if (!existsSync(path)) return;
  const [first] = readdirSync(path).filter((name) => name !== "lost+found");
  if (first === undefined) return;
  throw new QuorateError(
    "configuration",
    `--${flag}=${path} is not empty: it holds ${join(path, first)}; choose another directory`,
  );
}

async function writeStore(options: RestoreOptions, path: string): Promise<void> {
  const { file, io, birth, bump } = options;
  const backend = await LevelBackend.open(path);
  try {
    const store = new StoreWriter(backend);
    const progress = new Progress(io, "writing", file.database.bytes);
    await file.use(async (database) => {
      const reading = await database.read();
      for await (const records of bump === 0 ? reading.records() : bumped(reading, bump)) {
        for (const { recordKey, payload } of records) {
          store.add(recordKey, payload);
          progress.add(payload.length);
        }
        await store.drain();
      }
    });
    for (const member of birth.members ?? []) {
      const key = Buffer.alloc(8);
      key.writeBigUInt64BE(member.id);
      store.add(toRecordKey(Bucket.members, key), encodeStoredMember(member));
    }
    await store.finish(BIRTH_INDEX, BIRTH_TERM);
    progress.end();
  } finally {
    await backend.close();
  }
}
