/** `quorate ctl`: etcdctl's commands, arguments, output and exit codes, for images and machines that carry no other tool. */
import { ClientError } from "../../src/client/client.ts";
import { nearest } from "../nearest.ts";
import type { CommandIo } from "../commands.ts";
import { AUTH_COMMANDS, USER_COMMANDS } from "./auth.ts";
import { Context, type CtlCommand } from "./context.ts";
import { ENDPOINT_COMMANDS } from "./endpoint.ts";
import { CtlError, Exit, messageOf } from "./exit.ts";
import { type Flag, parseFlags, splitCommand } from "./flags.ts";
import { GLOBAL_FLAGS, readEnvironment } from "./globals.ts";
import { quote } from "./go-text.ts";
import { KV_COMMANDS } from "./kv.ts";
import { LEASE_COMMANDS } from "./lease.ts";
import { LOCK_COMMANDS } from "./lock.ts";
import { ALARM_COMMANDS, DOWNGRADE_COMMANDS, MAINTENANCE_COMMANDS } from "./maintenance.ts";
import { MEMBER_COMMANDS } from "./member.ts";
import { ROLE_COMMANDS } from "./role.ts";
import { SNAPSHOT_COMMANDS } from "./snapshot.ts";
import { TXN_COMMAND } from "./txn.ts";
import { WATCH_COMMAND } from "./watch.ts";

type Group = Readonly<Record<string, CtlCommand>>;

/** Commands of one word. */
const COMMANDS: Group = {
  ...KV_COMMANDS,
  txn: TXN_COMMAND,
  watch: WATCH_COMMAND,
  ...LOCK_COMMANDS,
  ...MAINTENANCE_COMMANDS,
};

/** Commands of two. */
const GROUPS: Readonly<Record<string, Group>> = {
  lease: LEASE_COMMANDS,
  member: MEMBER_COMMANDS,
  endpoint: ENDPOINT_COMMANDS,
  alarm: ALARM_COMMANDS,
  snapshot: SNAPSHOT_COMMANDS,
  auth: AUTH_COMMANDS,
  user: USER_COMMANDS,
  role: ROLE_COMMANDS,
  downgrade: DOWNGRADE_COMMANDS,
};

const HELP_FLAG: Flag = { name: "help", short: "h", kind: "bool", help: "print this" };
const HELP_HINT = "Run 'quorate ctl --help' for usage.";
const HELP_COLUMNS = 34;

/** Resolves with etcdctl's exit code. */
export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  let context: Context | null = null;
  try {
    const found = findCommand(args);
    if (typeof found === "string") {
      io.stdout.write(found);
      return Exit.success;
    }
    const { name, command, rest } = found;
    const flags = parseFlags([HELP_FLAG, ...command.flags, ...GLOBAL_FLAGS], rest);
    if (flags.bool("help")) {
      io.stdout.write(commandHelp(name, command));
      return Exit.success;
    }
    readEnvironment(flags, io.environment);
    context = new Context(flags, io);
    return (await command.run(context)) ?? Exit.success;
  } catch (thrown) {
    const message = messageOf(thrown);
    if (message !== "") io.stderr.write(`Error: ${message}\n`);
    return exitCodeOf(thrown);
  } finally {
    context?.close();
  }
}

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CtlError) return thrown.code;
  // Before anything else could be asked: etcdctl counts it to the connection.
  const isIdentity = thrown instanceof ClientError && thrown.is("authFailed");
  return isIdentity ? Exit.badConnection : Exit.error;
}

interface Found {
  readonly name: string;
  readonly command: CtlCommand;
  readonly rest: readonly string[];
}

/** The command that the words name, or the help that they ask for. */
function findCommand(args: readonly string[]): Found | string {
  const { words, rest } = splitCommand(GLOBAL_FLAGS, args, 1);
  const [word] = words;
  if (word === undefined || word === "help") {
    parseFlags([HELP_FLAG, ...GLOBAL_FLAGS], rest);
    return overallHelp();
  }
  const name = complete(word, [...Object.keys(COMMANDS), ...Object.keys(GROUPS)]);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return { name, command, rest };
  const group = Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined;
  if (group === undefined) throw unknown(word, "quorate ctl");
  return findInGroup(name, group, rest);
}

function findInGroup(name: string, group: Group, args: readonly string[]): Found | string {
  const flags = [...GLOBAL_FLAGS, ...Object.values(group).flatMap((command) => command.flags)];
  const { words, rest } = splitCommand(flags, args, 1);
  const [word] = words;
  if (word === undefined) return groupHelp(name, group);
  const second = complete(word, Object.keys(group));
  const command = Object.hasOwn(group, second) ? group[second] : undefined;
  if (command === undefined) return groupHelp(name, group);
  return { name: `${name} ${second}`, command, rest };
}

/** A beginning that only one name has stands for it. */
function complete(word: string, names: readonly string[]): string {
  if (names.includes(word)) return word;
  const found = names.filter((name) => name.startsWith(word));
  return found.length === 1 ? (found[0] ?? word) : word;
}

function unknown(word: string, whose: string): CtlError {
  const guess = nearest(word, [...Object.keys(COMMANDS), ...Object.keys(GROUPS)]);
  return new CtlError(
    Exit.error,
    `unknown command ${quote(word)} for ${quote(whose)}: did you mean '${guess}'?\n${HELP_HINT}`,
  );
}

function overallHelp(): string {
  const groups = Object.entries(GROUPS).map(([name, group]) => groupLines(name, group));
  return [
    "usage: quorate ctl [FLAGS] COMMAND [ARGUMENTS]\n\n",
    "Talks to members, of Quorate or of etcd, with etcdctl's arguments.\n\nCommands:\n",
    commandLines(COMMANDS),
    ...groups,
    "\nFlags of all commands, also as QUORATECTL_NAME or ETCDCTL_NAME in the environment:\n",
    flagLines(GLOBAL_FLAGS),
  ].join("");
}

function groupHelp(name: string, group: Group): string {
  return `usage: quorate ctl ${name} COMMAND [ARGUMENTS]\n\nCommands:\n${groupLines(name, group)}`;
}

function commandHelp(name: string, command: CtlCommand): string {
  const usage = `usage: quorate ctl ${name} [FLAGS] ${command.usage}`.trimEnd();
  const own = command.flags.length === 0 ? "" : `\nFlags:\n${flagLines(command.flags)}`;
  return `${usage}\n\n${name}: ${command.help}.\n${own}\nFlags of all commands: quorate ctl --help\n`;
}

function groupLines(name: string, group: Group): string {
  const named = Object.entries(group).map(([second, one]) => [`${name} ${second}`, one] as const);
  return commandLines(Object.fromEntries(named));
}

function commandLines(group: Group): string {
  return Object.entries(group)
    .map(([name, { help }]) => `  ${name.padEnd(HELP_COLUMNS)}${help}\n`)
    .join("");
}

function flagLines(flags: readonly Flag[]): string {
  return flags
    .map(({ name, short, kind, initial, help }) => {
      const value = kind === "bool" ? "" : `=${kind.toUpperCase()}`;
      const both = `${short === undefined ? "" : `-${short}, `}--${name}${value}`;
      const usual = initial === undefined ? "" : ` (${initial})`;
      return `  ${both.padEnd(HELP_COLUMNS)}${help}${usual}\n`;
    })
    .join("");
}
