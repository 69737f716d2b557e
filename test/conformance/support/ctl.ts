/** The judgement of `quorate ctl`: the same script through etcdctl and through it, at fresh clusters of ours, gives the same text. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Step, transcript } from "./script.ts";
import { type TwinOptions, differences, withQuorate } from "./twins.ts";

const MAIN = fileURLToPath(new URL("../../../node/main.ts", import.meta.url));
export const QUORATE_CTL: readonly string[] = [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  MAIN,
  "ctl",
];

/** Without what etcdctl logs beside its errors, and the usage that it prints after them. */
function told(block: string): string {
  return block
    .replace(/^\{"level":.*\n?/gm, "")
    .replace(/\nNAME:\n[\s\S]*?(?=\nexit code|$)/, "")
    .replace(/\nRun '\w+ ?\w* --help' for usage\./, "")
    .replace(/^(Error: unknown command \S+).*(?:\n\n?(?:Did you mean.*|\t.*))*/gm, "$1")
    .trimEnd();
}

/** Claims that both tools print the same and end with the same codes. */
export function sameAsEtcdctl(
  claim: string,
  script: readonly Step[],
  options: TwinOptions = {},
): void {
  it(claim, async () => {
    const transcripts: string[][] = [];
    const play = (tool?: readonly string[]): Promise<void> =>
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
