/** A snapshot on disk: etcd's database, and after it the SHA-256 of all bytes before. */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { QuorateError } from "../../src/base/errors.ts";
import type { ByteSource } from "../../src/bbolt/pages.ts";
import type { CommandIo } from "../commands.ts";
import { EtcdFile } from "../etcd/import.ts";
import { Progress } from "./output.ts";

const DIGEST_BYTES = 32;
/** Databases are whole sectors long: what is more by a digest has one. */
const SECTOR_BYTES = 512;
const READ_BYTES = 1024 * 1024;

export class SnapshotFile {
  readonly path: string;
  readonly database: EtcdFile;
  readonly #handle: FileHandle;
  readonly #databaseBytes: number;
  readonly #hasDigest: boolean;

  /** Must be closed. Rejects with "corruption" for what is no database, "configuration" for what cannot be read. */
  static async open(path: string): Promise<SnapshotFile> {
    const handle = await openFile(path);
    try {
      const { size } = await handle.stat();
      const hasDigest = size % SECTOR_BYTES === DIGEST_BYTES;
      const databaseBytes = hasDigest ? size - DIGEST_BYTES : size;
      const database = await EtcdFile.open(sourceOf(handle, databaseBytes));
      return new SnapshotFile(path, handle, database, databaseBytes, hasDigest);
    } catch (error) {
      await handle.close();
      throw named(path, error);
    }
  }

  private constructor(
    path: string,
    handle: FileHandle,
    database: EtcdFile,
    databaseBytes: number,
    hasDigest: boolean,
  ) {
    this.path = path;
    this.#handle = handle;
    this.database = database;
    this.#databaseBytes = databaseBytes;
    this.#hasDigest = hasDigest;
  }

  get databaseBytes(): number {
    return this.#databaseBytes;
  }

  /**
   * The SHA-256 of the database. Rejects with "corruption" where the one at the end of the file is another, with
   * "configuration" where there is none although it is required.
   */
  async checkDigest(io: CommandIo, stored: "required" | "ifPresent" | "ignored"): Promise<Buffer> {
    if (!this.#hasDigest && stored === "required") {
      throw new QuorateError(
        "configuration",
        `${this.path} has no checksum at its end: it was cut off, or is the database of a data directory; for that, add --skip-hash-check`,
      );
    }
    const hash = createHash("sha256");
    const progress = new Progress(io, "comparing the checksum", this.#databaseBytes);
    for (let at = 0; at < this.#databaseBytes; at += READ_BYTES) {
      const length = Math.min(READ_BYTES, this.#databaseBytes - at);
      hash.update(await readAt(this.#handle, at, length));
      progress.add(length);
    }
    progress.end();
    const digest = hash.digest();
    if (!this.#hasDigest || stored === "ignored") return digest;
    if (digest.equals(await readAt(this.#handle, this.#databaseBytes, DIGEST_BYTES))) return digest;
    throw new QuorateError(
      "corruption",
      `${this.path} does not have the checksum that it ends with: it was altered or cut off`,
    );
  }

  /** Does `work` with the database; its errors name the file. */
  async use<T>(work: (database: EtcdFile) => Promise<T>): Promise<T> {
    try {
      return await work(this.database);
    } catch (error) {
      throw named(this.path, error);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new QuorateError("configuration", `${path} ${reason}`, error);
  }
}

function sourceOf(handle: FileHandle, size: number): ByteSource {
  return { size, read: (offset, length) => readAt(handle, offset, length) };
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
    if (bytesRead === 0) throw new QuorateError("corruption", "the file was cut off meanwhile");
    at += bytesRead;
  }
  return bytes;
}

function named(path: string, error: unknown): unknown {
  if (!(error instanceof QuorateError) || error.message.startsWith(path)) return error;
  return new QuorateError(error.code, `${path}: ${error.message}`, error);
}
