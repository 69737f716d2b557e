/**
 * Backups on a volume: a directory. An object is written under a temporary name, synced and renamed, so that it is complete
 * wherever it is seen. The folder of a backup carries its uid, which is what tells owners apart here.
 */
import { randomBytes } from "node:crypto";
import { type Dirent, createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
  StoreError,
  type StoreErrorKind,
  checkKey,
} from "./store.ts";
import { syncDirectory } from "./sync-directory.ts";

const READ_BYTES = 1024 * 1024;
const PART = ".part";

export class ClaimStore implements ObjectStore {
  readonly #root: string;

  /** `root` must exist: it is where the claim is mounted. */
  constructor(root: string) {
    this.#root = root;
  }

  uri(key: string): string {
    return `file://${join(this.#root, key)}`;
  }

  async probe(): Promise<void> {
    await wrap(this.#root, () => readdir(this.#root));
  }

  async put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<number> {
    checkKey(key);
    const { owner, signal } = options;
    const path = join(this.#root, key);
    const folder = dirname(path);
    const isOwn = basename(folder).endsWith(owner);
    if (!isOwn && (await this.head(key)) !== null)
      throw new StoreError("conflict", `${this.uri(key)} exists and is not of this backup`);
    await wrap(folder, () => this.#prepare(folder));
    const part = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}${PART}`);
    try {
      const bytes = await writeAll(part, body, signal);
      await wrap(path, async () => {
        await rename(part, path);
        await syncDirectory(folder);
      });
      return bytes;
    } catch (thrown) {
      await rm(part, { force: true }).catch(() => {});
      throw thrown;
    }
  }

  async *get(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    checkKey(key);
    const path = join(this.#root, key);
    const file = createReadStream(path, { highWaterMark: READ_BYTES });
    const chunks = file[Symbol.asyncIterator]();
    try {
      for (;;) {
        throwIfAborted(path, signal);
        const next = await wrap(path, () => chunks.next());
        if (next.done === true) return;
        yield next.value as Uint8Array;
      }
    } finally {
      file.destroy();
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    checkKey(key);
    const path = join(this.#root, key);
    try {
      const { size } = await wrap(path, () => stat(path));
      return { key, bytes: size, owner: null };
    } catch (error) {
      if (error instanceof StoreError && error.kind === "notFound") return null;
      throw error;
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ObjectInfo, void, undefined> {
    for (const folders: string[] = [""]; ;) {
      const folder = folders.pop();
      if (folder === undefined) return;
      for (const entry of await this.#entries(folder)) {
        throwIfAborted(this.#root, signal);
        const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
        // A folder is of interest if it lies on the way to the prefix, or behind it.
        if (entry.isDirectory()) {
          if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) folders.push(key);
        } else if (key.startsWith(prefix) && !entry.name.endsWith(PART)) {
          const found = await this.head(key);
          if (found !== null) yield found;
        }
      }
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    const path = join(this.#root, key);
    await wrap(path, () => rm(path, { force: true }));
    // The folder goes with its last object, and with what interrupted uploads left in it.
    const folder = dirname(path);
    const left = folder === this.#root ? [] : await this.#entries(dirname(key));
    if (folder === this.#root || left.some(({ name }) => !name.endsWith(PART))) return;
    await wrap(folder, async () => {
      for (const { name } of left) await rm(join(folder, name), { force: true });
      await rmdir(folder).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTEMPTY") throw error;
      });
    });
  }

  close(): void {}

  /** Makes the folders, durably, and removes what interrupted uploads left. */
  async #prepare(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true, mode: 0o750 });
    for (let made = folder; first !== undefined && made.length >= first.length;) {
      made = dirname(made);
      await syncDirectory(made);
    }
    for (const name of await readdir(folder))
      if (name.endsWith(PART)) await rm(join(folder, name), { force: true });
  }

  async #entries(folder: string): Promise<Dirent[]> {
    const path = join(this.#root, folder);
    try {
      return await wrap(path, () => readdir(path, { withFileTypes: true }));
    } catch (error) {
      if (error instanceof StoreError && error.kind === "notFound" && folder !== "") return [];
      throw error;
    }
  }
}

async function writeAll(
  path: string,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  const file = await wrap(path, () => open(path, "wx", 0o640));
  let bytes = 0;
  try {
    for await (const chunk of body) {
      throwIfAborted(path, signal);
      await wrap(path, () => file.appendFile(chunk));
      bytes += chunk.length;
    }
    throwIfAborted(path, signal);
    await wrap(path, () => file.sync());
    return bytes;
  } finally {
    await file.close();
  }
}

function throwIfAborted(path: string, signal: AbortSignal): void {
  if (signal.aborted) throw new StoreError("aborted", `${path}: aborted`, signal.reason);
}

const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  ENOENT: "notFound",
  ENOTDIR: "notFound",
  ENOSPC: "full",
  EDQUOT: "full",
  ESTALE: "unreachable",
  ENOTCONN: "unreachable",
  ETIMEDOUT: "unreachable",
};

async function wrap<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof StoreError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new StoreError(KINDS[codeOf(thrown)] ?? "failed", `${path}: ${reason}`, thrown);
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}
