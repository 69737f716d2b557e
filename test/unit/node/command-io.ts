/** A command run in this process, with what it wrote. */
import { PassThrough, Readable } from "node:stream";
import { type CommandIo, runCommand } from "../../../node/commands.ts";

export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `args` begin with the command's name. */
export async function command(
  args: readonly string[],
  options: Partial<Pick<CommandIo, "environment" | "signal" | "isTerminal">> & {
    readonly stdin?: string;
  } = {},
): Promise<CommandOutcome> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let [out, err] = ["", ""];
  stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const code = await runCommand(args, {
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    stdout,
    stderr,
    isTerminal: options.isTerminal ?? false,
    environment: options.environment ?? {},
    signal: options.signal ?? new AbortController().signal,
  });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stdout: out, stderr: err };
}
