/**
 * The commands beside the member: `quorate NAME ARGUMENTS`. A command's module is loaded when the command is run, so that no
 * start of a member pays for it.
 */
import type { Readable, Writable } from "node:stream";
import { QuorateError } from "../src/base/errors.ts";
import { nearest } from "./nearest.ts";

/** What a command may use of its process. Tests give it streams of their own. */
export interface CommandIo {
  readonly stdin: Readable;
  /** Results, and nothing else. */
  readonly stdout: Writable;
  /** Progress and errors: a line each. */
  readonly stderr: Writable;
  /** Whether somebody looks at `stderr` while the command runs. */
  readonly isTerminal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT and SIGTERM: the command ends early, and leaves nothing half-done behind. */
  readonly signal: AbortSignal;
}

/**
 * Runs a command. `args` come after its name. Resolves with the exit code; rejects with a QuorateError, whose message is
 * printed as one line: "configuration" ends with 2, anything else with 1.
 */
export type RunCommand = (args: readonly string[], io: CommandIo) => Promise<number>;

interface Command {
  /** One line. */
  readonly help: string;
  readonly load: () => Promise<{ readonly run: RunCommand }>;
}

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const NAME_COLUMNS = 12;

/** In the order of --help. */
const COMMANDS: Readonly<Record<string, Command>> = {
  snapshot: {
    help: "saves, checks and restores snapshots: ours and etcd's",
    load: async () => await import("./offline/snapshot.ts"),
  },
  hashkv: {
    help: "hashes the history of a snapshot, or of a member that is stopped",
    load: async () => await import("./offline/hashkv.ts"),
  },
  wal: {
    help: "verifies the log of a member that is stopped",
    load: async () => await import("./offline/wal.ts"),
  },
  version: {
    help: "prints the versions of this program",
    load: async () => await import("./offline/version.ts"),
  },
  ctl: {
    help: "talks to members, with etcdctl's commands",
    load: async () => await import("./ctl/ctl.ts"),
  },
};

/** Whether the arguments of the process call a command (known or not) rather than start a member. */
export function isCommand(args: readonly string[]): boolean {
  const [first] = args;
  return first !== undefined && first !== "" && !first.startsWith("-");
}

/** The lines of --help that list them. */
export function commandLines(): string {
  return Object.entries(COMMANDS)
    .map(([name, { help }]) => `  ${name.padEnd(NAME_COLUMNS)}${help}`)
    .join("\n");
}

/** Runs the command that `args` begins with. Resolves with the exit code; rejects with bugs alone. */
export async function runCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = "", ...rest] = args;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const known = nearest(name, Object.keys(COMMANDS));
    io.stderr.write(`quorate: unknown command '${name}': did you mean '${known}'?\n`);
    return EXIT_USAGE;
  }
  try {
    const { run } = await command.load();
    return await run(rest, io);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    io.stderr.write(`quorate ${name}: ${error.message}\n`);
    return error.code === "configuration" ? EXIT_USAGE : EXIT_FAILURE;
  }
}
