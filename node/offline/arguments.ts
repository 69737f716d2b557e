/** The command line of a command: its flags, checked, and what is no flag. */
import { QuorateError } from "../../src/base/errors.ts";
import { nearest } from "../nearest.ts";

export interface Option {
  /** `flag` needs no value. */
  readonly kind: "text" | "flag" | "count";
  /** One line. */
  readonly help: string;
  /** A letter: `-o json`. */
  readonly short?: string;
  /** What --help calls the value. */
  readonly value?: string;
}

export interface Usage {
  /** After `quorate `: `snapshot status FILE`. */
  readonly line: string;
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
}

/** What was given. Names of options alone are asked for. */
export class Arguments {
  readonly positional: readonly string[];
  readonly #values: ReadonlyMap<string, string>;

  constructor(positional: readonly string[], values: ReadonlyMap<string, string>) {
    this.positional = positional;
    this.#values = values;
  }

  /** Null where it was not given. */
  text(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  has(name: string): boolean {
    return this.#values.get(name) === "true";
  }

  /** 0 where it was not given. */
  count(name: string): number {
    const text = this.#values.get(name) ?? "0";
    const count = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
    throw refusal(`--${name}=${text} is not a number: give a whole one, 0 or more`);
  }

  /** The one argument that is no flag. */
  only(what: string): string {
    const [first, second] = this.positional;
    if (first === undefined) throw refusal(`the ${what} is missing`);
    if (second !== undefined) throw refusal(`'${second}' is one argument too many`);
    return first;
  }

  none(): void {
    const [first] = this.positional;
    if (first !== undefined) throw refusal(`'${first}' is one argument too many`);
  }
}

/** Throws QuorateError "configuration" with one line that says what to change. Null: --help was asked for. */
export function readArguments(args: readonly string[], usage: Usage): Arguments | null {
  const positional: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? "";
    if (argument === "--help" || argument === "-h") return null;
    const match = /^(--?)([A-Za-z][a-z0-9-]*)(?:=(.*))?$/s.exec(argument);
    if (match?.[2] === undefined) {
      positional.push(argument);
      continue;
    }
    const [name, option] = optionOf(usage, match[2], `${match[1] ?? ""}${match[2]}`);
    const given = match[3] ?? (option.kind === "flag" ? "true" : args[++at]);
    if (given === undefined) throw refusal(`--${name} needs a value: write --${name}=VALUE`);
    if (option.kind === "flag" && given !== "true" && given !== "false") {
      throw refusal(`--${name}=${given} must be true or false`);
    }
    values.set(name, given);
  }
  return new Arguments(positional, values);
}

function optionOf(usage: Usage, name: string, shown: string): [string, Option] {
  for (const [full, option] of Object.entries(usage.options)) {
    if (full === name || (option.short === name && name.length === 1)) return [full, option];
  }
  const known = nearest(name, Object.keys(usage.options));
  const hint = known === "" ? "it takes none" : `did you mean --${known}?`;
  throw refusal(`unknown flag ${shown}: ${hint}`);
}

const NAME_COLUMNS = 38;

/** What --help prints. */
export function usageText({ line, about, options }: Usage): string {
  const flags = Object.entries(options).map(([name, option]) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const value = option.kind === "flag" ? "" : ` ${option.value ?? "VALUE"}`;
    return `  ${`${short}--${name}${value}`.padEnd(NAME_COLUMNS)}${option.help}\n`;
  });
  return `Usage: quorate ${line}\n\n${about}\n${flags.length > 0 ? "\n" : ""}${flags.join("")}`;
}

/** What a person must change in the command line. */
export function refusal(text: string): QuorateError {
  return new QuorateError("configuration", text);
}
