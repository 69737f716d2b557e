/** `quorate wal verify --data-dir DIR`: reads the whole log of a member that does not run, and changes nothing. */
import { existsSync } from "node:fs";
import type { Recovered } from "../../src/wal/recover.ts";
import type { CommandIo } from "../commands.ts";
import { DataDir } from "../data-dir.ts";
import { takeLock } from "../open.ts";
import { ReadOnlyDevice, recoverReadOnly } from "../read-only-log.ts";
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
    recovered = recoverReadOnly(device, dataDir.readIdentity());
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
