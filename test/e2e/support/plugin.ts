/** `kubectl quorate`, which kubectl finds on PATH as it does for its users. */
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "../../house/scan.ts";
import { type Finished, run, tool } from "../../conformance/support/tools.ts";

const WAIT_MS_MAX = 300_000;

/** A folder with a `kubectl-quorate` that runs this tree's. */
function install(): string {
  const folder = mkdtempSync(join(tmpdir(), "e2e-plugin-"));
  const path = join(folder, "kubectl-quorate");
  const program = join(ROOT, "node/bin/kubectl-quorate.js");
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(path, 0o755);
  return folder;
}

export class Plugin {
  readonly #namespace: string;
  readonly #folder: string = install();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** `kubectl quorate WORDS` in the namespace: its outcome, whatever it is. */
  async try(...words: readonly string[]): Promise<Finished> {
    const PATH = [this.#folder, process.env["PATH"] ?? ""].join(delimiter);
    const command = [tool("kubectl"), "quorate", ...words, "--namespace", this.#namespace];
    return await run(command, { timeoutMs: WAIT_MS_MAX, env: { PATH } });
  }

  /** What it printed. Throws what it complained of. */
  async run(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...words);
    if (code !== 0) throw new Error(`kubectl quorate ${words.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }
}
