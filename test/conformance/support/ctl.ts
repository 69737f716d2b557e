/** The judgement of `quorate ctl`: the same script through etcdctl and through it, at fresh clusters, gives the same text. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { PassThrough, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { run as runCtl } from "../../../node/ctl/ctl.ts";
import { type CtlTool, type Step, transcript } from "./script.ts";
import type { Finished } from "./tools.ts";
import { type TwinOptions, differences, withQuorate } from "./twins.ts";

const MAIN = fileURLToPath(new URL("../../../node/main.ts", import.meta.url));
const COMMAND = [process.execPath, "--disable-warning=ExperimentalWarning", MAIN, "ctl"];

/** A command in this process: no start of a Node for each. */
async function runHere(args: readonly string[], stdin: string): Promise<Finished> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await runCtl(args, {
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    isTerminal: false,
    environment: process.env,
    signal: new AbortController().signal,
  });
  const textOf = (stream: PassThrough): string => String((stream.read() as Buffer | null) ?? "");
  return { code, stdout: textOf(stdout), stderr: textOf(stderr) };
}

export const QUORATE_CTL: CtlTool = { command: COMMAND, run: runHere };

/** Without what etcdctl logs beside its errors, and the usage that it prints with them. */
function told(block: string): string {
  return (
    block
      .replace(/^\{"level":.*\n?/gm, "")
      .replace(/^(?:NAME|Usage):\n[\s\S]*?(?=^Error:|^exit code)/gm, "")
      .replace(/^Run '.*' for usage\.\n?/gm, "")
      .replace(/^(Error: unknown command \S+).*(?:\n\n?(?:Did you mean.*|\t.*))*\n*/gm, "$1\n")
      .replace(/^\n+(?=Error:)/gm, "")
      // We say why as well.
      .replace(/(context deadline exceeded): no connection to .*/g, "$1")
      .trimEnd()
  );
}

/** Claims that both tools print the same and end with the same codes. */
export function sameAsEtcdctl(
  claim: string,
  script: readonly Step[],
  options: TwinOptions = {},
): void {
  it(claim, async () => {
    const transcripts: string[][] = [];
    const play = (tool?: CtlTool): Promise<void> =>
      withQuorate(options, async (cluster) => {
        transcripts.push((await transcript(cluster, script, tool)).map(told));
      });
    await play();
    await play(QUORATE_CTL);
    const [expected = [], actual = []] = transcripts;
    assert.ok(expected.length > 0, "etcdctl said something");
    assert.equal(differences(expected, actual, ["etcdctl", "quorate ctl"]), "");
  });
}
