/** The process of a command: arguments in, exit code out. `main.ts` starts it. */
import type { Writable } from "node:stream";
import { QuorateError } from "../src/base/errors.ts";
import { type CommandIo, runCommand } from "./commands.ts";

const EXIT_FAILURE = 1;

export async function main(args: readonly string[]): Promise<void> {
  // Of libraries, and nothing that whoever runs a command could change.
  process.noDeprecation = true;
  const abort = new AbortController();
  // Once: whoever insists with a second signal ends the process as usual.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => abort.abort(new QuorateError("cancelled", `ended by ${signal}`)));
  }
  // Whoever reads the output may stop reading: `quorate … | head`.
  process.stdout.on("error", () => process.exit(EXIT_FAILURE));
  const io: CommandIo = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    isTerminal: process.stderr.isTTY,
    environment: process.env,
    signal: abort.signal,
  };
  const code = await runCommand(args, io);
  // The end of the process takes with it what a pipe has not taken yet.
  await Promise.all([process.stdout, process.stderr].map(drained));
  process.exit(code);
}

/** Resolves once everything written so far has been handed over, or nobody takes it any more. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => void stream.write("", () => resolve()));
}
