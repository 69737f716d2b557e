/** Where a flag's text comes from: command line, environment or YAML file. Knows spelling, not meaning. */
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { QuorateError } from "../src/base/errors.ts";
import { FLAGS, nearestFlag } from "./flags.ts";

/** What was given, by flag name, and what should be said about it once there is a log. */
export interface Settings {
  /** Only what was given; never a default. */
  readonly values: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

export interface SettingsSource {
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

/** Set by the process itself, when it starts anew with the runtime's options. */
const RUNTIME_VARIABLE = "QUORATE_RUNTIME";

/** Throws QuorateError "configuration" with one line that says what to change. */
export function readSettings(source: SettingsSource): Settings {
  const warnings: string[] = [];
  const given = fromArguments(source.args);
  const file = given.get("config-file") ?? environmentValue(source.environment, "config-file");
  if (file !== undefined && file !== "") {
    return { values: fromYaml(file, source.readFile(file)), warnings };
  }
  const values = new Map<string, string>();
  for (const [name] of FLAGS) {
    const value = given.get(name) ?? environmentValue(source.environment, name);
    if (value !== undefined) values.set(name, value);
  }
  for (const name of Object.keys(source.environment)) {
    if (name === RUNTIME_VARIABLE) continue;
    const match = /^(?:ETCD|QUORATE)_(.+)$/.exec(name);
    if (match?.[1] === undefined || FLAGS.has(match[1].toLowerCase().replaceAll("_", "-")))
      continue;
    warnings.push(`environment variable ${name} names no flag and was not read`);
  }
  return { values, warnings };
}

function environmentValue(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
  const suffix = name.toUpperCase().replaceAll("-", "_");
  return environment[`QUORATE_${suffix}`] ?? environment[`ETCD_${suffix}`];
}

function fromArguments(args: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? "";
    const match = /^--?([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(argument);
    if (match?.[1] === undefined) {
      throw new QuorateError(
        "configuration",
        `'${argument}' is not a flag: flags are written --name=value`,
      );
    }
    const known = knownFlag(match[1], `--${match[1]}`);
    if (match[2] !== undefined) given.set(known.name, match[2]);
    else if (known.kind === "flag") given.set(known.name, "true");
    else {
      const value = args[++at];
      if (value === undefined) {
        throw new QuorateError(
          "configuration",
          `--${known.name} needs a value: write --${known.name}=VALUE`,
        );
      }
      given.set(known.name, value);
    }
  }
  return given;
}

function knownFlag(name: string, shown: string): { readonly name: string; readonly kind: string } {
  const known = FLAGS.get(name);
  if (known !== undefined) return known;
  throw new QuorateError(
    "configuration",
    `unknown flag ${shown}: did you mean --${nearestFlag(name)}?`,
  );
}

function fromYaml(path: string, text: string): Map<string, string> {
  // Loaded where there is a file to read: it is a tenth of what every start loads otherwise.
  const { parse } = createRequire(import.meta.url)("yaml") as typeof Yaml;
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new QuorateError("configuration", `${path} is not YAML: ${reason}`, error);
  }
  const values = new Map<string, string>();
  if (document === null || document === undefined) return values;
  if (typeof document !== "object" || Array.isArray(document)) {
    throw new QuorateError("configuration", `${path} must be a mapping of flag names to values`);
  }
  for (const [name, value] of entriesOf(document)) {
    if (value === null || value === undefined) continue;
    const known = knownFlag(name, `${name} in ${path}`);
    if (Array.isArray(value)) {
      values.set(known.name, value.join(","));
      continue;
    }
    if (typeof value === "object") {
      throw new QuorateError("configuration", `${name} in ${path} must be a value, not a mapping`);
    }
    values.set(known.name, String(value as string | number | boolean));
  }
  return values;
}

/** etcd's file has the flags of TLS in two sections, by names of their own. */
const TLS_SECTIONS: ReadonlyMap<string, "client" | "peer"> = new Map([
  ["client-transport-security", "client"],
  ["peer-transport-security", "peer"],
]);

function entriesOf(document: object): [name: string, value: unknown][] {
  return Object.entries(document).flatMap(([name, value]: [string, unknown]) => {
    const side = TLS_SECTIONS.get(name);
    if (side === undefined || typeof value !== "object" || value === null) return [[name, value]];
    return Object.entries(value).map(([key, each]: [string, unknown]): [string, unknown] => [
      tlsFlag(side, key),
      each,
    ]);
  });
}

function tlsFlag(side: "client" | "peer", key: string): string {
  if (key === "allow-plaintext") return `${side}-${key}`;
  if (key.startsWith("allowed-")) return `${side}-cert-${key}`;
  return side === "client" ? key : `peer-${key}`;
}
