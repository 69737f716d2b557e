/** The process of a transfer: arguments in, exit code out. `quorate-operator transfer …` comes here. */
import { runTransfer } from "./backup/transfer/transfer.ts";

/** `args` come after "transfer". Ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const abort = new AbortController();
  // Once: whoever insists with a second signal ends the process as usual.
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => abort.abort(new Error(`ended by ${name}`)));
  const code = await runTransfer(args, {
    print: (line) => void process.stdout.write(`${line}\n`),
    log: (line) => void process.stderr.write(`${line}\n`),
    signal: abort.signal,
    now: () => Date.now(),
  });
  process.exit(code);
}
