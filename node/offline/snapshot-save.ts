/** `quorate snapshot save FILE`: the state of a running member, checked as it comes. */
import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { QuorateError } from "../../src/base/errors.ts";
import type { CommandIo } from "../commands.ts";
import { syncDirectory } from "../sync-directory.ts";
import { readArguments, type Usage, usageText } from "./arguments.ts";
import { FORMAT_OPTIONS, formatOf, printResult, Progress, sizeText } from "./output.ts";
import { Remote, REMOTE_OPTIONS } from "./remote.ts";

const USAGE: Usage = {
  line: "snapshot save FILE [flags]",
  about:
    "Writes the whole state of one member to FILE, with its checksum. FILE appears once it is complete.",
  options: { ...REMOTE_OPTIONS, ...FORMAT_OPTIONS },
};
const DIGEST_BYTES = 32;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, USAGE);
  if (given === null) {
    io.stdout.write(usageText(USAGE));
    return 0;
  }
  const format = formatOf(given);
  const path = given.only("file to write");
  const remote = await Remote.open(given);
  try {
    const { bytes, version } = await save(remote, path, io);
    printResult(io, format, {
      header: ["file", "size", "version"],
      rows: [[path, sizeText(bytes), version]],
      json: { file: path, totalSize: bytes, version },
    });
    return 0;
  } finally {
    remote.close();
  }
}

interface Saved {
  /** Of the database, without its checksum. */
  readonly bytes: number;
  readonly version: string;
}

async function save(remote: Remote, path: string, io: CommandIo): Promise<Saved> {
  const part = `${path}.part`;
  const handle = await create(part);
  try {
    const saved = await receive(remote, handle, io);
    await handle.sync();
    await handle.close();
    await rename(part, path);
    await syncDirectory(dirname(path));
    return saved;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(part, { force: true });
    throw error;
  }
}

async function receive(remote: Remote, handle: FileHandle, io: CommandIo): Promise<Saved> {
  const hash = createHash("sha256");
  let progress: Progress | null = null;
  let bytes = 0;
  let version = "";
  let digest: Uint8Array | null = null;
  let remaining = Number.POSITIVE_INFINITY;
  for await (const message of remote.snapshot(io.signal)) {
    const { blob } = message;
    progress ??= new Progress(io, "receiving", message.remainingBytes + blob.length);
    version = message.version;
    if (remaining === 0) {
      digest = blob;
    } else {
      hash.update(blob);
      bytes += blob.length;
      remaining = message.remainingBytes;
      progress.add(blob.length);
    }
    await handle.appendFile(blob);
  }
  progress?.end();
  io.signal.throwIfAborted();
  if (digest?.length !== DIGEST_BYTES || !hash.digest().equals(digest)) {
    throw new QuorateError("corruption", "the snapshot did not arrive as it was sent: try again");
  }
  return { bytes, version };
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w", 0o600);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new QuorateError("configuration", `${path} cannot be written: ${reason}`, error);
  }
}
