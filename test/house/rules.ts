/** STYLE.md as functions: each takes files and answers one sentence per breach. Tested on bad examples in tidy.test.ts. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ROOT, type SourceFile, importsOf, resolveImport, withoutComments } from "./scan.ts";

export type Rule = (file: SourceFile) => string[];

const LINES_MAX = 400;
/** The formatter breaks code at 100; comments are prose and may run a little further. */
const COMMENT_COLUMNS_MAX = 130;
/** Holds the bad examples that test the rules. */
const EXAMPLES = /^test\/house\//;
/** Made by a generator, judged by its own drift check. */
const GENERATED = /^(src|operator)\/api\/gen\//;
/** Imports and table rows may need their length; so may a URL. */
const UNBREAKABLE = /^\s*(import|export) .* from |https?:\/\//;
/** node:test loads a reporter by its default export. */
const DEFAULT_EXPORTS: readonly string[] = ["test/reporter.ts"];

export function fileLength({ path, text }: SourceFile): string[] {
  const lines = text.split("\n").length - 1;
  if (GENERATED.test(path) || lines <= LINES_MAX) return [];
  return [`${path} has ${lines} lines, more than ${LINES_MAX}`];
}

/** The formatter holds the code; this holds the comments it leaves alone. */
export function commentWidth({ path, text }: SourceFile): string[] {
  if (GENERATED.test(path)) return [];
  return text.split("\n").flatMap((line, at) => {
    const comment = /^\s*(\/\/|\/?\*)/.test(line) && !UNBREAKABLE.test(line);
    const width = line.length;
    return comment && width > COMMENT_COLUMNS_MAX ? [`${path}:${at + 1} is ${width} wide`] : [];
  });
}
export function fileName({ path }: SourceFile): string[] {
  const name = basename(path).replace(/(\.test|\.d)?\.[cm]?[jt]s$/, "");
  return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ? [] : [`${path} is not kebab-case`];
}

export function noDefaultExport({ path, text }: SourceFile): string[] {
  if (DEFAULT_EXPORTS.includes(path) || EXAMPLES.test(path)) return [];
  const found = /\bexport\s+default\b|\bas\s+default\b/.test(withoutComments(text));
  return found ? [`${path} has a default export`] : [];
}

/** A file that only passes names on hides where they live. */
export function noBarrel({ path, text }: SourceFile): string[] {
  if (GENERATED.test(path)) return [];
  const code = withoutComments(text).trim();
  const rest = code
    .replace(/\bexport\s+(type\s+)?(\*|\{[^}]*\})[^;]*\bfrom\s*["'][^"']+["'];?/g, "")
    .trim();
  return code !== "" && rest === "" ? [`${path} only re-exports`] : [];
}

export function noFixme({ path, text }: SourceFile): string[] {
  const words = new RegExp(["FIX" + "ME", "XX" + "X:", "HA" + "CK:"].join("|"));
  return text
    .split("\n")
    .flatMap((line, at) =>
      words.test(line) ? [`${path}:${at + 1} must be mended before it lands`] : [],
    );
}

/** A TODO says under which condition it is done. */
export function todoNamesCondition({ path, text }: SourceFile): string[] {
  if (EXAMPLES.test(path)) return [];
  const todo = new RegExp("\\bTO" + "DO\\b(?!.*\\b(when|once|until|after|if)\\b)");
  return text
    .split("\n")
    .flatMap((line, at) =>
      todo.test(line) ? [`${path}:${at + 1} has a TODO without a condition`] : [],
    );
}

export function everyTestRuns({ path, text }: SourceFile): string[] {
  if (!path.startsWith("test/") || EXAMPLES.test(path)) return [];
  const code = withoutComments(text);
  const idle =
    /\b(?:it|test|describe)\.(?:skip|todo|only)\b|[{,]\s*(?:skip|todo|only)\s*:\s*true\b/;
  return idle.test(code) ? [`${path} has a test that does not run`] : [];
}

/** Checks are mended, not silenced. */
export function noSuppression({ path, text }: SourceFile): string[] {
  const words = /@ts-(?:ignore|nocheck|expect-error)|(?:eslint|oxlint)-disable/;
  if (EXAMPLES.test(path)) return [];
  return words.test(text) ? [`${path} silences a check`] : [];
}

/** The code is the same on every machine: no home directory, no checkout's path. */
export function noPrivatePath({ path, text }: SourceFile): string[] {
  const found = new RegExp(
    "(?<![\\w.$}])/(?:ro" + "ot|ho" + "me|wo" + "rk|Us" + "ers)/[\\w.-]+",
  ).exec(text);
  return found === null ? [] : [`${path} names ${found[0]}`];
}

/** Files of the product that nothing names. What only its own unit test imports is dead too. */
export function deadFiles(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const alive = new Set(entries);
  for (const { path, text } of files) {
    if (/^test\/(unit|operator)\//.test(path)) continue;
    for (const specifier of importsOf(text)) alive.add(resolveImport(path, specifier));
  }
  return files
    .map(({ path }) => path)
    .filter((path) => !path.startsWith("test/") && !GENERATED.test(path) && !alive.has(path))
    .map((path) => `${path} is imported by nothing`);
}

/** Relative links of a Markdown file that lead nowhere. */
export function brokenLinks({ path, text }: SourceFile): string[] {
  const prose = text.replace(/```[\s\S]*?```/g, "").replace(/`[^`\n]*`/g, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
  return links
    .filter((link) => !/^(https?:|mailto:|#)/.test(link))
    .filter((link) => !existsSync(join(ROOT, dirname(path), link.replace(/#.*$/, ""))))
    .map((link) => `${path} links to ${link}, which is not there`);
}

/** `npm run x` in a Markdown file whose script does not exist. */
export function missingScripts({ path, text }: SourceFile, scripts: readonly string[]): string[] {
  const named = [...text.matchAll(/\bnpm (?:run )?([a-z][\w:-]*)/g)].map((match) => match[0]);
  const builtIn = /^npm (ci|install|pack|exec|publish|i|version)$/;
  return named
    .filter((command) => !builtIn.test(command))
    .filter((command) => !scripts.includes(command.replace(/^npm (run )?/, "")))
    .map((command) => `${path} says "${command}", which is no script`);
}
