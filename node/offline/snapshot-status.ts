/** `quorate snapshot status FILE`: what a snapshot holds, after all of it was checked. */
import { crc32c } from "../../src/base/checksum.ts";
import type { CommandIo } from "../commands.ts";
import { indexOf } from "../etcd/key-index.ts";
import { readArguments, type Usage, usageText } from "./arguments.ts";
import { FORMAT_OPTIONS, formatOf, printResult, Progress, sizeText } from "./output.ts";
import { SnapshotFile } from "./snapshot-file.ts";

const USAGE: Usage = {
  line: "snapshot status FILE",
  about:
    "Checks a snapshot and prints its hash, last revision, live keys, size and etcd's version of it.",
  options: FORMAT_OPTIONS,
};

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, USAGE);
  if (given === null) {
    io.stdout.write(usageText(USAGE));
    return 0;
  }
  const format = formatOf(given);
  const file = await SnapshotFile.open(given.only("snapshot's file"));
  try {
    await file.checkDigest(io, "ifPresent");
    const { hash, keys, revision, version } = await examine(file, io);
    const totalSize = file.database.bytes;
    printResult(io, format, {
      header: ["hash", "revision", "total keys", "total size", "version"],
      rows: [[hash.toString(16), `${revision}`, `${keys}`, sizeText(totalSize), version]],
      json: { hash, revision, totalKey: keys, totalSize, version },
    });
    return 0;
  } finally {
    await file.close();
  }
}

interface Found {
  /** CRC-32C over the names of all buckets and their rows, as `etcdutl snapshot status` has it. */
  readonly hash: number;
  readonly keys: number;
  readonly revision: number;
  readonly version: string;
}

async function examine(file: SnapshotFile, io: CommandIo): Promise<Found> {
  return await file.use(async (database) => {
    let hash = 0;
    const progress = new Progress(io, "reading", database.bytes);
    const reading = await database.read({
      onBucket: (name) => (hash = crc32c(Buffer.from(name), hash)),
      onRow: (key, value) => {
        hash = crc32c(value, crc32c(key, hash));
        progress.add(key.length + value.length);
      },
    });
    const index = await indexOf(reading);
    progress.end();
    const { revision, storageVersion } = reading.facts();
    return { hash, keys: index.liveCount, revision, version: storageVersion };
  });
}
