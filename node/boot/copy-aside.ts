/** Copies of what a member has on disk, made while nobody uses it. */
import { constants, existsSync } from "node:fs";
import { copyFile, link, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { QuorateError } from "../../src/base/errors.ts";
import type { DataDir } from "../data-dir.ts";
import { syncDirectory } from "../sync-directory.ts";

/** Files of LevelDB that are written once, and then only removed: a further name keeps them. */
const WRITTEN_ONCE = /\.(?:ldb|sst)$/;
/** Files of LevelDB that a copy does not need: its log is never read, its lock is of one directory. */
const LEFT_OUT = /^(?:LOCK|LOG(?:\.old)?|\d+\.log)$/;
/** What the directory of a member holds and a copy of it needs. */
const KEPT = /^(?:FORMAT|IDENTITY|STORE|PEERS|REPAIR)$/;
/** Stays free beside the copy: the member goes on after it. */
const RESERVE_BYTES = 64 * 1024 * 1024;

interface Item {
  readonly from: string;
  /** Below the copy's directory. */
  readonly to: string;
  readonly bytes: number;
  readonly writtenOnce: boolean;
}

/**
 * Copies the directory of a member, its log included, to `<data-dir>/member.before-<label>`: complete and durable, or not there.
 * A copy that is there already stays. Rejects with "resourceExhausted" where there is no room for it.
 */
export async function copyAside(dataDir: DataDir, label: string): Promise<string> {
  const target = join(dataDir.root, `member.before-${label}`);
  if (existsSync(target)) return target;
  const partial = `${target}.new`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  const store = dataDir.storePath();
  const names = (await readdir(dataDir.member)).filter((name) => KEPT.test(name));
  const items = [
    ...(await itemsOf(dataDir.member, "", (name) => names.includes(name))),
    ...(await itemsOf(store, basename(store), (name) => !LEFT_OUT.test(name))),
    ...(await itemsOf(dataDir.wal, "wal", () => true)),
  ];
  const bytes = items.reduce((sum, item) => sum + (item.writtenOnce ? 0 : item.bytes), 0);
  const { bavail, bsize } = await statfs(dataDir.root);
  if (bavail * bsize < bytes + RESERVE_BYTES) {
    await rm(partial, { recursive: true });
    throw new QuorateError(
      "resourceExhausted",
      `no room to copy the data aside: ${bytes + RESERVE_BYTES} bytes are needed below ${dataDir.root}, ${bavail * bsize} are free`,
    );
  }
  await copyItems(items, partial);
  await rename(partial, target);
  await syncDirectory(dataDir.root);
  return target;
}

/** Fills `to`, an empty directory, with what LevelDB needs of the closed store `from`. Durable when it resolves. */
export async function copyStore(from: string, to: string): Promise<void> {
  await copyItems(await itemsOf(from, "", (name) => !LEFT_OUT.test(name)), to);
}

/** The files of one directory. */
async function itemsOf(
  directory: string,
  to: string,
  wanted: (name: string) => boolean,
): Promise<Item[]> {
  const items: Item[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isFile() || !wanted(entry.name)) continue;
    const from = join(directory, entry.name);
    const { size } = await stat(from);
    const writtenOnce = WRITTEN_ONCE.test(entry.name);
    items.push({ from, to: join(to, entry.name), bytes: size, writtenOnce });
  }
  return items;
}

async function copyItems(items: readonly Item[], target: string): Promise<void> {
  const folders = new Set([target]);
  for (const { from, to, writtenOnce } of items) {
    const path = join(target, to);
    const folder = dirname(path);
    if (!folders.has(folder)) await mkdir(folder, { recursive: true, mode: 0o700 });
    folders.add(folder);
    if (writtenOnce && (await linked(from, path))) continue;
    // Blocks are shared where the file system can.
    await copyFile(from, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    const file = await open(path, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  for (const folder of folders) await syncDirectory(folder);
}

/** False where the file system has no second names, or not here. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch {
    return false;
  }
}
