/** Flags as etcdctl takes them: `--name value`, `--name=value`, `-w json`, `-wjson`, anywhere before `--`. */
import { parseDuration } from "../duration.ts";
import { CtlError, Exit } from "./exit.ts";
import { parseInt64, quote } from "./go-text.ts";

export interface Flag {
  readonly name: string;
  readonly kind: "bool" | "string" | "int" | "duration" | "list";
  /** One letter. */
  readonly short?: string;
  /** As it would be written; a bool's is false unless given. */
  readonly initial?: string;
  readonly help: string;
}

/** What the flags say; each is asked for by the kind that it was declared with. */
export class Flags {
  readonly #known: ReadonlyMap<string, Flag>;
  readonly #values = new Map<string, string>();
  /** What is no flag. */
  readonly args: string[] = [];
  /** How many of `args` came before `--`; all of them where there was none. */
  argsBeforeDashes: number | null = null;

  constructor(known: readonly Flag[]) {
    this.#known = new Map(known.map((flag) => [flag.name, flag]));
  }

  /** Given on the command line or by the environment. */
  isSet(name: string): boolean {
    return this.#values.has(name);
  }

  bool(name: string): boolean {
    return isTrue(this.#text(name)) ?? false;
  }

  string(name: string): string {
    return this.#text(name);
  }

  int(name: string): number {
    return Number(this.#text(name));
  }

  list(name: string): string[] {
    return this.#text(name)
      .split(",")
      .map((item) => item.trim());
  }

  /** In milliseconds. */
  duration(name: string): number {
    return parseDuration(this.#text(name)) ?? 0;
  }

  /** Throws where `value` is none for this flag. */
  set(flag: Flag, value: string, as = `--${flag.name}`): void {
    const why = complaint(flag, value);
    if (why !== null) {
      throw new CtlError(
        Exit.error,
        `invalid argument ${quote(value)} for ${quote(as)} flag: ${why}`,
      );
    }
    this.#values.set(flag.name, value);
  }

  #text(name: string): string {
    return this.#values.get(name) ?? this.#known.get(name)?.initial ?? "";
  }
}

/** Null where the value is right. */
function complaint(flag: Flag, value: string): string | null {
  switch (flag.kind) {
    case "bool":
      return isTrue(value) === null
        ? `strconv.ParseBool: parsing ${quote(value)}: invalid syntax`
        : null;
    case "int":
      try {
        parseInt64(value, 10);
        return null;
      } catch (thrown) {
        return thrown instanceof Error ? thrown.message : String(thrown);
      }
    case "duration":
      if (parseDuration(value) !== null) return null;
      return /^\d+$/.test(value)
        ? `time: missing unit in duration ${quote(value)}`
        : `time: invalid duration ${quote(value)}`;
    default:
      return null;
  }
}

function isTrue(text: string): boolean | null {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False|)$/.test(text) ? false : null;
}

/** Reads the arguments of a command. */
export function parseFlags(known: readonly Flag[], args: readonly string[]): Flags {
  const flags = new Flags(known);
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--") {
      flags.argsBeforeDashes = flags.args.length;
      flags.args.push(...args.slice(at + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      flags.args.push(arg);
      continue;
    }
    const { flag, as, value } = find(known, arg);
    if (value !== null) flags.set(flag, value, as);
    else if (flag.kind === "bool") flags.set(flag, "true");
    else if (at + 1 < args.length) flags.set(flag, args[++at] ?? "", as);
    else throw new CtlError(Exit.error, `flag needs an argument: ${arg}`);
  }
  return flags;
}

interface Found {
  readonly flag: Flag;
  /** How it is called in a complaint. */
  readonly as: string;
  /** Null: the next argument, or none for a bool. */
  readonly value: string | null;
}

function find(known: readonly Flag[], arg: string): Found {
  if (arg.startsWith("--")) {
    const [, name = "", value = null] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const flag = known.find((one) => one.name === name);
    if (flag === undefined) throw new CtlError(Exit.error, `unknown flag: --${name}`);
    const as = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
    return { flag, as, value: value ?? null };
  }
  const letter = arg.charAt(1);
  const flag = known.find((one) => one.short === letter);
  if (flag === undefined) {
    throw new CtlError(Exit.error, `unknown shorthand flag: '${letter}' in ${arg}`);
  }
  const rest = arg.slice(2);
  const value = rest === "" ? null : rest.replace(/^=/, "");
  return { flag, as: `-${letter}, --${flag.name}`, value };
}

/** The command's words, and everything else in its order: flags may stand before the words. */
export function splitCommand(
  globals: readonly Flag[],
  args: readonly string[],
  words: number,
): { readonly words: string[]; readonly rest: string[] } {
  const found: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--" || found.length === words) {
      rest.push(...args.slice(at));
      break;
    }
    if (!arg.startsWith("-")) {
      found.push(arg);
      continue;
    }
    rest.push(arg);
    if (takesNext(globals, arg) && at + 1 < args.length) rest.push(args[++at] ?? "");
  }
  return { words: found, rest };
}

function takesNext(globals: readonly Flag[], arg: string): boolean {
  const flag = arg.startsWith("--")
    ? globals.find(({ name }) => arg === `--${name}`)
    : globals.find(({ short }) => short !== undefined && arg === `-${short}`);
  return flag !== undefined && flag.kind !== "bool";
}
