/**
 * `transfer restore`: a stored snapshot becomes the data directory of the one member that a cluster begins with. For a data
 * directory `D` on a mounted volume, all of this lies beside it:
 *
 * ```
 * D                    what a member finds when it starts
 * D.restore-<nonce>    where the new one is made; goes at the end
 * D.before-<nonce>     what was there before, kept for a person to look at
 * D.restored           marker: JSON with the nonce and how far it came
 * ```
 * A restore may be killed at any moment and is begun again with the same nonce. The marker is written ("built") before anything
 * in place is touched, and again ("done") afterwards; what comes between is two renames, each of which is seen by what is there.
 */
import { createWriteStream } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type { ObjectStore } from "../store.ts";
import { syncDirectory } from "../sync-directory.ts";
import { type RestoredMember, restoreMember } from "./quorate.ts";
import { type RestoreResult, TransferError } from "./result.ts";
import { type Promised, readSnapshot, withSecondLook } from "./verify.ts";

export interface RestoreOptions {
  readonly store: ObjectStore;
  readonly key: string;
  /** Asked only where there is something left to fetch. */
  readonly describe: () => Promise<Described>;
  readonly dataDir: string;
  readonly nonce: string;
  /** Data that are there are put aside; without it they are refused. */
  readonly inPlace: boolean;
  /** The program that makes the directory: `quorate` and what comes before its command. */
  readonly quorate: readonly string[];
  readonly member: RestoredMember;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** What is known of a stored snapshot before it is read. */
export interface Described {
  readonly promised: Promised;
  /** Bytes of the plain snapshot; null: nobody knows. */
  readonly sizeBytes: number | null;
}

interface Marker {
  readonly nonce: string;
  readonly phase: "built" | "done";
  readonly result: RestoreResult;
}

/** Of the room that a restore takes for each byte of the snapshot: the file, the store, and what LevelDB rewrites meanwhile. */
const ROOM_FACTOR = 2.5;
/** For the log's first segments. */
const ROOM_EXTRA_BYTES = 256 * 1024 * 1024;

export async function runRestore(options: RestoreOptions): Promise<RestoreResult> {
  const { dataDir, nonce, log } = options;
  const marker = await readMarker(dataDir);
  if (marker?.nonce === nonce && marker.phase === "done") {
    log(`an attempt before this one has restored ${dataDir}`);
    return marker.result;
  }
  let result = marker?.nonce === nonce ? marker.result : null;
  if (result === null) {
    await refuseInhabited(options);
    result = await withSecondLook(() => build(options), log);
    await writeMarker(dataDir, { nonce, phase: "built", result });
  }
  await swap(options);
  await writeMarker(dataDir, { nonce, phase: "done", result });
  await rm(workDirOf(options), { recursive: true, force: true });
  log(`restored ${dataDir}: cluster ${result.clusterId}, revision ${result.revision}`);
  return result;
}

function workDirOf({ dataDir, nonce }: RestoreOptions): string {
  return `${dataDir}.restore-${nonce}`;
}

async function refuseInhabited({ dataDir, inPlace }: RestoreOptions): Promise<void> {
  if (inPlace || !(await holdsMember(dataDir))) return;
  throw new TransferError(
    "VolumeInUse",
    `${dataDir} holds a member already: a restore into a new cluster needs an empty volume`,
  );
}

async function holdsMember(dataDir: string): Promise<boolean> {
  return (await entriesOf(dataDir)).some((name) => name !== "lost+found");
}

/** Everything that takes long, beside what is there. */
async function build(options: RestoreOptions): Promise<RestoreResult> {
  const { dataDir, signal, log } = options;
  const began = options.now();
  const work = workDirOf(options);
  await dropLeftovers(dataDir);
  await mkdir(work, { mode: 0o700 });
  const described = await options.describe();
  await checkRoom(dataDir, described.sizeBytes);
  const file = join(work, "snapshot.db");
  const sizeBytes = await download(options, described.promised, file);
  log(`fetched ${sizeBytes} bytes; building the member ${options.member.name}`);
  const built = await restoreMember(
    options.quorate,
    file,
    join(work, "data"),
    options.member,
    signal,
  );
  await rm(file);
  await syncDirectory(work);
  await syncDirectory(dirname(dataDir));
  const seconds = Math.ceil((options.now() - began) / 1000);
  return { kind: "restore", ...built, sizeBytes, seconds };
}

/** What attempts of whichever nonce left half done. Never what was put aside, nor the data. */
async function dropLeftovers(dataDir: string): Promise<void> {
  const parent = dirname(dataDir);
  for (const name of await entriesOf(parent)) {
    if (name.startsWith(`${basename(dataDir)}.restore-`))
      await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function checkRoom(dataDir: string, sizeBytes: number | null): Promise<void> {
  if (sizeBytes === null) return;
  const { bavail, bsize } = await statfs(dirname(dataDir));
  const [free, needed] = [bavail * bsize, sizeBytes * ROOM_FACTOR + ROOM_EXTRA_BYTES];
  if (free >= needed) return;
  throw new TransferError(
    "VolumeFull",
    `the volume has ${mebibytes(free)} MiB left, and the restore needs ${mebibytes(needed)}: let it grow`,
  );
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024));
}

/** Resolves with the bytes of the plain snapshot, once all of them are on disk and as promised. */
async function download(
  options: RestoreOptions,
  promised: Promised,
  path: string,
): Promise<number> {
  const { store, key, signal } = options;
  let sizeBytes = 0;
  const snapshot = readSnapshot(
    store,
    key,
    promised,
    signal,
    (read) => (sizeBytes = read.sizeBytes),
  );
  const file = createWriteStream(path, { mode: 0o600, flush: true });
  try {
    await pipeline(Readable.from(snapshot, { objectMode: false }), file);
    await finished(file);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
    if (code !== "ENOSPC" && code !== "EDQUOT") throw thrown;
    throw new TransferError("VolumeFull", `${path}: no space is left on the volume`, thrown);
  }
  return sizeBytes;
}

/** Puts the new directory in the place of the old one. Does what is left of it. */
async function swap(options: RestoreOptions): Promise<void> {
  const { dataDir, nonce, log } = options;
  const built = join(workDirOf(options), "data");
  const aside = `${dataDir}.before-${nonce}`;
  if (!(await exists(built))) return;
  if (await exists(dataDir)) {
    if (await exists(aside))
      throw new TransferError("VolumeInUse", `${dataDir} was made by somebody during the restore`);
    if (await holdsMember(dataDir)) log(`what was in ${dataDir} is kept in ${aside}`);
    await rename(dataDir, aside);
  }
  await rename(built, dataDir);
  await syncDirectory(dirname(dataDir));
}

function markerPath(dataDir: string): string {
  return `${dataDir}.restored`;
}

async function readMarker(dataDir: string): Promise<Marker | null> {
  try {
    return JSON.parse(await readFile(markerPath(dataDir), "utf8")) as Marker;
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
    if (code === "ENOENT") return null;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TransferError("VolumeInUse", `${markerPath(dataDir)} cannot be read: ${reason}`);
  }
}

async function writeMarker(dataDir: string, marker: Marker): Promise<void> {
  const path = markerPath(dataDir);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(marker)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function entriesOf(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    throw thrown;
  }
}
