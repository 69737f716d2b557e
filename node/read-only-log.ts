/** The log of a member that does not run, read without changing anything. */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { QuorateError } from "../src/base/errors.ts";
import type { LogDevice } from "../src/wal/fs.ts";
import { recover, type Recovered } from "../src/wal/recover.ts";
import type { Identity } from "./data-dir.ts";

/** What every file of a member's log begins with: whose it is. */
export function logMetadata({ clusterId, memberId }: Identity): Buffer {
  const metadata = Buffer.alloc(16);
  metadata.writeBigUInt64BE(clusterId, 0);
  metadata.writeBigUInt64BE(memberId, 8);
  return metadata;
}

/** Reads everything once. Throws "logCorruption", naming file and offset, or "configuration" if the log is another's. */
export function recoverReadOnly(device: ReadOnlyDevice, identity: Identity): Recovered {
  return recover(device, logMetadata(identity));
}

/** The log's files as they are. */
export class ReadOnlyDevice implements LogDevice {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  list(): readonly string[] {
    const entries = readdirSync(this.#directory, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"));
    return files.map(({ name }) => name).toSorted();
  }

  sizeOf(name: string): number {
    return statSync(join(this.#directory, name)).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const file = openSync(join(this.#directory, name), "r");
    try {
      const bytes = Buffer.allocUnsafeSlow(length);
      if (readSync(file, bytes, 0, length, offset) === length) return bytes;
      const { size } = fstatSync(file);
      throw new QuorateError("storage", `${name} has ${size} bytes, fewer than ${offset + length}`);
    } finally {
      closeSync(file);
    }
  }

  create(): Promise<void> {
    return Promise.reject(readOnly());
  }

  remove(): Promise<void> {
    return Promise.reject(readOnly());
  }

  write(): Promise<void> {
    return Promise.reject(readOnly());
  }

  buffer(): Uint8Array {
    throw readOnly();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function readOnly(): QuorateError {
  return new QuorateError("internal", "a log that is only read is not written");
}
