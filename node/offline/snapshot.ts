/** `quorate snapshot save|status|restore`. */
import type { CommandIo, RunCommand } from "../commands.ts";
import { nearest } from "../nearest.ts";
import { refusal } from "./arguments.ts";

/** Each loads what it needs: a status does not wait for a client. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<{ readonly run: RunCommand }>>> = {
  save: async () => await import("./snapshot-save.ts"),
  status: async () => await import("./snapshot-status.ts"),
  restore: async () => await import("./snapshot-restore.ts"),
};
const HELP = `Usage: quorate snapshot save|status|restore FILE [flags]

  save      takes a snapshot of a running member
  status    checks a snapshot and prints what it holds
  restore   makes the data directory of a new cluster's member from a snapshot, ours or etcd's

Each has a --help of its own.
`;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h") {
    io.stdout.write(HELP);
    return 0;
  }
  const load = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (load === undefined) {
    const known = nearest(name, Object.keys(SUBCOMMANDS));
    throw refusal(`unknown command '${name}': did you mean '${known}'?`);
  }
  const { run: runSubcommand } = await load();
  return await runSubcommand(rest, io);
}
