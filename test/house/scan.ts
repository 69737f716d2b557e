/** Reads the repository as text: what the house tests judge. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** One file: its path from the repository's root with `/`, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Every file below `folders` whose name matches; folders that do not exist yet count as empty. */
export function readTree(folders: readonly string[], name: RegExp): SourceFile[] {
  const found: SourceFile[] = [];
  for (const folder of folders) walk(join(ROOT, folder), name, found);
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function walk(folder: string, name: RegExp, found: SourceFile[]): void {
  for (const entry of listing(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "node_modules" && entry.name !== ".git") walk(path, name, found);
    } else if (name.test(entry.name)) {
      found.push({ path: relative(ROOT, path), text: readFileSync(path, "utf8") });
    }
  }
}

function listing(folder: string): ReturnType<typeof entriesOf> {
  try {
    return entriesOf(folder);
  } catch {
    return [];
  }
}

function entriesOf(folder: string) {
  return readdirSync(folder, { withFileTypes: true });
}

/**
 * The code without its comments; strings stay. Good enough for imports and words: a regular expression that holds a quote
 * or two slashes may confuse it, which the linter's formatting makes rare.
 */
export function withoutComments(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (match) => (match.startsWith("/") ? "" : match));
}

/** Module specifiers that a file names: static, type-only, re-exported, dynamic, and workers' `new URL("./x.ts", …)`. */
export function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /\b(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"']+)["']/g,
    /\bimport\s*["']([^"']+)["']/g,
    /\bimport\s*\(\s*["']([^"']+)["']/g,
    /\bnew URL\(\s*["'](\.[^"']+\.ts)["']/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

/** The repository path that a relative specifier means; a package's or `node:` name as it is. */
export function resolveImport(from: string, specifier: string): string {
  return specifier.startsWith(".") ? join(dirname(from), specifier) : specifier;
}
