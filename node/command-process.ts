/** The process of a command: arguments in, exit code out. `main.ts` starts it. */
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
  process.exit(await runCommand(args, io));
}
