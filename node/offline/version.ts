/** `quorate version`. */
import type { CommandIo } from "../commands.ts";
import { CLUSTER_VERSION, ETCD_VERSION, QUORATE_VERSION, versionText } from "../version.ts";
import { readArguments, type Usage, usageText } from "./arguments.ts";
import { FORMAT_OPTIONS, formatOf, printResult } from "./output.ts";

const USAGE: Usage = {
  line: "version",
  about:
    "Prints the versions of this program, of the protocol that it serves, and of what runs it.",
  options: FORMAT_OPTIONS,
};

export function run(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args, USAGE);
  if (given === null) {
    io.stdout.write(usageText(USAGE));
    return Promise.resolve(0);
  }
  given.none();
  const format = formatOf(given);
  const node = process.version;
  if (format === "simple") io.stdout.write(versionText());
  else {
    printResult(io, format, {
      header: ["quorate", "etcd API", "cluster", "node"],
      rows: [[QUORATE_VERSION, ETCD_VERSION, CLUSTER_VERSION, node]],
      json: { quorate: QUORATE_VERSION, etcd: ETCD_VERSION, cluster: CLUSTER_VERSION, node },
    });
  }
  return Promise.resolve(0);
}
