/** `quorate wal verify --data-dir DIR`: reads the whole log of a member that does not run, and changes nothing. */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { QuorateError } from "../../src/base/errors.ts";
import type { LogDevice } from "../../src/wal/fs.ts";
import { recover, type Recovered } from "../../src/wal/recover.ts";
import type { CommandIo } from "../commands.ts";
import { DataDir } from "../data-dir.ts";
import { takeLock } from "../open.ts";
import { type Arguments, readArguments, refusal, type Usage, usageText } from "./arguments.ts";
import { FORMAT_OPTIONS, formatOf, printResult, sizeText } from "./output.ts";

const USAGE: Usage = {
  line: "wal verify --data-dir DIR",
  about:
    "Reads the log of a member that does not run: every checksum, and that nothing is missing. Changes nothing. Exits with 1\nwhere the log is damaged, and names file and offset. What a crash left half-written at its end is no damage.",
  options: {
    "data-dir": { kind: "text", value: "DIR", help: "of the member" },
    "wal-dir": {
      kind: "text",
      value: "DIR",
      help: "where its log is, if not below the data directory",
    },
    ...FORMAT_OPTIONS,
  },
};

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, USAGE);
  if (given === null || args.length === 0) {
    io.stdout.write(usageText(USAGE));
    return 0;
  }
  const format = formatOf(given);
  const action = given.only("action: verify,");
  if (action !== "verify") throw refusal(`unknown command '${action}': did you mean 'verify'?`);
  const dataDir = dataDirOf(given);
  const lock = await takeLock(dataDir);
  let recovered: Recovered;
  let bytes = 0;
  try {
    const device = new ReadOnlyDevice(dataDir.wal);
    bytes = device.list().reduce((sum, name) => sum + device.sizeOf(name), 0);
    const { clusterId, memberId } = dataDir.readIdentity();
    const metadata = Buffer.alloc(16);
    metadata.writeBigUInt64BE(clusterId, 0);
    metadata.writeBigUInt64BE(memberId, 8);
    recovered = recover(device, metadata);
  } finally {
    await lock.close();
  }
  const { map, hardState, tornBytes } = recovered;
  const { term, commit } = hardState;
  printResult(io, format, {
    header: ["first entry", "last entry", "term", "committed", "size", "torn bytes"],
    rows: [[map.first, map.last, term, commit, sizeText(bytes), tornBytes].map(String)],
    json: { firstIndex: map.first, lastIndex: map.last, term, commit, totalSize: bytes, tornBytes },
  });
  return 0;
}

function dataDirOf(given: Arguments): DataDir {
  const path = given.text("data-dir");
  if (path === null) throw refusal("--data-dir is missing: name the directory of the member");
  const dataDir = new DataDir(path, given.text("wal-dir"));
  if (!dataDir.isInhabited) throw refusal(`--data-dir=${path} is not the directory of a member`);
  if (!existsSync(dataDir.wal)) throw refusal(`${dataDir.wal} does not exist: add --wal-dir`);
  return dataDir;
}

/** The log's files as they are. */
class ReadOnlyDevice implements LogDevice {
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
  return new QuorateError("internal", "a log that is verified is not written");
}
