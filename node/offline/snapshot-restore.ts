/** `quorate snapshot restore FILE`: the data directory of one member of a new cluster, with the state of a snapshot. */
import { createHash } from "node:crypto";
import type { CommandIo } from "../commands.ts";
import { loadConfig } from "../config.ts";
import type { Config } from "../config.ts";
import { type Birth, bootstrapNew } from "../bootstrap.ts";
import { type Arguments, readArguments, refusal, type Usage, usageText } from "./arguments.ts";
import { FORMAT_OPTIONS, formatOf, printResult, Progress } from "./output.ts";
import { buildMember } from "./restored-member.ts";
import { SnapshotFile } from "./snapshot-file.ts";

/** Those that say what the member is mean what they mean at the start of a member. */
const MEMBER_OPTIONS: Usage["options"] = {
  name: { kind: "text", help: "of this member" },
  "data-dir": { kind: "text", value: "DIR", help: "to be made: absent or empty" },
  "wal-dir": { kind: "text", value: "DIR", help: "a directory of its own for the log" },
  "initial-cluster": { kind: "text", value: "NAME=URL,…", help: "all members of the new cluster" },
  "initial-cluster-token": { kind: "text", help: "tells this cluster from others" },
  "initial-advertise-peer-urls": { kind: "text", value: "URLS", help: "of this member" },
};
const USAGE: Usage = {
  line: "snapshot restore FILE --data-dir DIR [flags]",
  about:
    "Takes snapshots of Quorate and of etcd. Keys, leases, users and roles are kept, members are new. Run it once for each\nmember of the new cluster, with the same file and the same --initial-cluster; then start the members as usual.",
  options: {
    ...MEMBER_OPTIONS,
    "skip-hash-check": { kind: "flag", help: "for the database of etcd's data directory" },
    "bump-revision": {
      kind: "count",
      value: "N",
      help: "raises the revision, so that it never goes back",
    },
    incarnation: {
      kind: "count",
      value: "N",
      help: "of the cluster, where an operator fences members of the past; 1 unless given",
    },
    "mark-compacted": { kind: "flag", help: "all watches begin anew; goes with --bump-revision" },
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
  const path = given.only("snapshot's file");
  const bump = bumpOf(given);
  const config = configOf(given);
  bootstrapNew(config); // refuses what does not fit together, before the file is read
  const file = await SnapshotFile.open(path);
  try {
    const skip = given.has("skip-hash-check");
    const digest = await file.checkDigest(io, skip ? "ignored" : "required");
    await verify(file, io);
    const fence = Math.max(1, given.count("incarnation"));
    const birth = fenced(bootstrapNew(config, incarnationOf(digest, bump, fence)), fence);
    const revision = await buildMember({ file, io, config, birth, bump });
    const { clusterId, memberId } = birth.identity;
    const [cluster, member] = [clusterId.toString(16), memberId.toString(16)];
    printResult(io, format, {
      header: ["data directory", "cluster", "member", "revision"],
      rows: [[config.dataDir, cluster, member, `${revision}`]],
      json: { dataDir: config.dataDir, clusterId: cluster, memberId: member, revision },
    });
    return 0;
  } finally {
    await file.close();
  }
}

function bumpOf(given: Arguments): number {
  const revisions = given.count("bump-revision");
  const isMarked = given.has("mark-compacted");
  if (revisions > 0 && !isMarked) throw refusal("--bump-revision needs --mark-compacted: add it");
  if (revisions === 0 && isMarked) {
    throw refusal("--mark-compacted needs --bump-revision above 0: add it");
  }
  return revisions;
}

/** A member of a cluster that was given up before, and goes on with these data, is of the present. */
function fenced(birth: Birth, fenceIncarnation: number): Birth {
  return { ...birth, identity: { ...birth.identity, fenceIncarnation } };
}

/** As the member will read the same flags. */
function configOf(given: Arguments): Config {
  const args: string[] = [];
  for (const name of Object.keys(MEMBER_OPTIONS)) {
    const value = given.text(name);
    if (value !== null) args.push(`--${name}=${value}`);
  }
  return loadConfig(args, {});
}

/** Reads all of it, so that nothing is written for a file that is damaged. */
async function verify(file: SnapshotFile, io: CommandIo): Promise<void> {
  await file.use(async (database) => {
    const progress = new Progress(io, "checking", database.bytes);
    const reading = await database.read();
    for await (const records of reading.records()) {
      progress.add(records.reduce((sum, { payload }) => sum + payload.length, 0));
    }
    progress.end();
  });
}

/**
 * Every member that is restored from the same file comes to the same; a cluster restored from another one, or the one that the
 * snapshot was taken of, has another, and so other ids: their members do not talk to each other.
 */
function incarnationOf(digest: Buffer, bump: number, fence: number): bigint {
  const hash = createHash("sha256").update(digest).update(String(bump));
  if (fence > 1) hash.update(`#${fence}`); // the same file, restored in place of what came of it
  return hash.digest().readBigUInt64BE() | 2n; // never that of a cluster that was not restored
}
