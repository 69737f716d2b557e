/** The entry of `kubectl quorate`, which kubectl finds as `kubectl-quorate` on PATH. */
import { writeFile } from "node:fs/promises";
import { QuorateError } from "../../src/base/errors.ts";
import { QUORATE_VERSION } from "../../src/base/version.ts";
import { KubeClient } from "../kube/client.ts";
import { Credentials } from "../kube/credentials.ts";
import { systemTime } from "../time.ts";
import { helpText, readArguments } from "./arguments.ts";
import { run } from "./run.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const words = process.argv.slice(2);
if (words.length === 0 || words.includes("--help") || words.includes("-h"))
  process.stdout.write(helpText());
else if (words.includes("--version")) process.stdout.write(`kubectl-quorate ${QUORATE_VERSION}\n`);
else await main();

async function main(): Promise<void> {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  try {
    const args = readArguments(words);
    const credentials = new Credentials(
      {
        ...(args.kubeconfig === null ? {} : { kubeconfig: args.kubeconfig }),
        ...(args.context === null ? {} : { context: args.context }),
      },
      systemTime,
    );
    const api = new KubeClient({
      credentials,
      time: systemTime,
      userAgent: `kubectl-quorate/${QUORATE_VERSION}`,
      fieldManager: "kubectl-quorate",
    });
    const session = {
      api,
      namespace: args.namespace ?? credentials.namespace ?? "default",
      time: systemTime,
      signal: stop.signal,
      out: (text: string): void => void process.stdout.write(text),
      note: (line: string): void => void process.stderr.write(`${line}\n`),
      writeFile,
    };
    await run(session, args);
    await credentials.close();
  } catch (thrown) {
    const { code, message } = QuorateError.from(thrown);
    process.stderr.write(`kubectl-quorate: ${message}\n`);
    process.exitCode = code === "configuration" ? EXIT_USAGE : EXIT_FAILURE;
  }
}
