/** `quorate hashkv FILE` and `quorate hashkv --data-dir DIR`: the hash of the history, as a member and as etcd have it. */
import { Bucket } from "../../src/backend/buckets.ts";
import { HistoryHasher, type HistoryHash, keptBelow } from "../../src/mvcc/hash.ts";
import { FIRST_REVISION } from "../../src/mvcc/revision.ts";
import type { CommandIo } from "../commands.ts";
import type { EtcdFile } from "../etcd/import.ts";
import { indexOf } from "../etcd/key-index.ts";
import { systemPace } from "../pace.ts";
import { type Arguments, readArguments, refusal, type Usage, usageText } from "./arguments.ts";
import { hashOfMember } from "./member-hash.ts";
import { FORMAT_OPTIONS, formatOf, printResult, Progress } from "./output.ts";
import { SnapshotFile } from "./snapshot-file.ts";

const USAGE: Usage = {
  line: "hashkv FILE | hashkv --data-dir DIR",
  about:
    "Prints the hash of all keys and their history up to a revision: of a snapshot (ours or etcd's), or of a member that is\nstopped. Compare it with 'etcdctl endpoint hashkv' at the same revision and compact revision.",
  options: {
    "data-dir": { kind: "text", value: "DIR", help: "of a member that does not run" },
    "wal-dir": {
      kind: "text",
      value: "DIR",
      help: "where its log is, if not below the data directory",
    },
    rev: { kind: "count", value: "N", help: "up to this revision (default: the last)" },
    ...FORMAT_OPTIONS,
  },
};

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, USAGE);
  if (given === null) {
    io.stdout.write(usageText(USAGE));
    return 0;
  }
  const format = formatOf(given);
  const { hash, revision, compactRevision } = await hashOf(given, io);
  printResult(io, format, {
    header: ["hash", "hash revision", "compact revision"],
    rows: [[`${hash}`, `${revision}`, `${compactRevision}`]],
    json: { hash, hashRevision: revision, compactRevision },
  });
  return 0;
}

async function hashOf(given: Arguments, io: CommandIo): Promise<HistoryHash> {
  const revision = given.count("rev");
  const dataDir = given.text("data-dir");
  if (dataDir !== null) {
    given.none();
    return await hashOfMember({ dataDir, walDir: given.text("wal-dir"), revision, io });
  }
  const file = await SnapshotFile.open(given.only("snapshot's file, or --data-dir,"));
  try {
    await file.checkDigest(io, "ifPresent");
    return await file.use(async (database) => await hashOfDatabase(database, revision, io));
  } finally {
    await file.close();
  }
}

/** Reads the database twice: what is live decides what of the compacted history counts. */
async function hashOfDatabase(
  database: EtcdFile,
  wanted: number,
  io: CommandIo,
): Promise<HistoryHash> {
  const progress = new Progress(io, "hashing", 2 * database.bytes);
  const counting = { onBucket() {}, onRow: onRowOf(progress) };
  const first = await database.read(counting);
  const index = await indexOf(first);
  const { revision: last, compactRevision } = first.facts();
  const current = Math.max(FIRST_REVISION, last, compactRevision);
  const revision = wanted === 0 ? current : wanted;
  if (revision > current) throw refusal(`--rev=${wanted} is after the last revision, ${current}`);
  if (revision < compactRevision) {
    throw refusal(`--rev=${wanted} was compacted: the first revision left is ${compactRevision}`);
  }
  const keeps = await keptBelow({ index, pace: systemPace }, compactRevision, revision);
  const hasher = new HistoryHasher(compactRevision, revision, keeps);
  const second = await database.read(counting);
  for await (const records of second.records()) {
    for (const { recordKey, payload } of records) {
      if (recordKey[0] === Bucket.keys) hasher.add(recordKey.subarray(1), payload);
    }
  }
  progress.end();
  return hasher.finish();
}

function onRowOf(progress: Progress): (key: Uint8Array, value: Uint8Array) => void {
  return (key, value) => progress.add(key.length + value.length);
}
