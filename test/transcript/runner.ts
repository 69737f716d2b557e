/**
 * Transcripts: a file of blocks, each of comments, commands, a line `----` and the exact output, ended by an empty line.
 * `REWRITE=1` writes what came out in place of what was expected; the diff is the review.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";

export interface Block {
  /** Lines before the separator, as they are: comments, empty lines, commands. */
  readonly head: readonly string[];
  readonly commands: readonly string[];
  readonly expected: readonly string[];
  /** Line of the separator, from 1. */
  readonly line: number;
}

/** Runs one command; answers with the lines of its output, none of them empty. */
export type Execute = (command: string) => readonly string[];

export function parseTranscript(text: string): { blocks: readonly Block[]; tail: string[] } {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let head: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line !== "----") {
      head.push(line);
      continue;
    }
    const expected: string[] = [];
    const separator = at + 1;
    while (at + 1 < lines.length && lines[at + 1] !== "") expected.push(lines[++at] ?? "");
    const commands = head.filter((each) => each !== "" && !each.startsWith("#"));
    assert.ok(commands.length > 0, `line ${separator}: a block has a command`);
    blocks.push({ head, commands, expected, line: separator });
    head = [];
  }
  return { blocks, tail: head };
}

/** Runs a transcript's blocks in order; the text with what came out, and the first difference, if any. */
export function replay(text: string, execute: Execute): { text: string; failure: string | null } {
  const { blocks, tail } = parseTranscript(text);
  const out: string[] = [];
  let failure: string | null = null;
  for (const block of blocks) {
    const actual: string[] = [];
    for (const command of block.commands) actual.push(...execute(command));
    if (actual.length === 0) actual.push("ok");
    assert.ok(!actual.includes(""), "output has no empty lines");
    if (failure === null && actual.join("\n") !== block.expected.join("\n")) {
      const [expected, found] = [block.expected.join("\n"), actual.join("\n")];
      failure = `line ${block.line}: ${block.commands.join("; ")}\n--- expected\n${expected}\n--- actual\n${found}`;
    }
    out.push(...block.head, "----", ...actual);
  }
  out.push(...tail);
  return { text: out.join("\n"), failure };
}

/** Declares one test a file of `folder`; `start` makes a fresh world for each. */
export function runTranscripts(name: string, folder: URL, start: () => Execute): void {
  const files = readdirSync(folder).filter((file) => file.endsWith(".txt"));
  describe(name, () => {
    it("has transcripts", () => assert.ok(files.length > 0));
    for (const file of files) {
      it(`goes as ${file} says`, () => {
        const path = new URL(file, folder);
        const before = readFileSync(path, "utf8");
        const { text, failure } = replay(before, start());
        if (process.env["REWRITE"] === "1") writeFileSync(path, text);
        else assert.equal(failure, null, `${file}, ${failure ?? ""}`);
      });
    }
  });
}
