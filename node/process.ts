/** The process of a member: arguments in, exit code out. `main.ts` starts it. */
import { AssertionError } from "../src/base/assert.ts";
import { QuorateError } from "../src/base/errors.ts";
import { loadConfig, type Config } from "./config.ts";
import { helpText } from "./help.ts";
import { describeFinding, findingOf, restartToRebuild } from "./integrity/damage.ts";
import type { Finding } from "./integrity/order.ts";
import { openLog, type MemberLog } from "./log.ts";
import { serve, type Running } from "./serve.ts";
import { versionText } from "./version.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** A member that cannot stop in time stops anyway: its log is durable at every moment. */
const STOP_MS_MAX = 20_000;

export async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText());
    return;
  }
  if (args.includes("--version")) {
    process.stdout.write(versionText());
    return;
  }
  let config: Config;
  try {
    config = loadConfig(args, process.env);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    process.stderr.write(`quorate: ${error.message}\n`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  await run(config);
}

async function run(config: Config): Promise<void> {
  const logger = openLog(config.logLevel, config.logOutputs, config.logFormat);
  let running: Running | null = null;
  let stopping = false;
  const fatal = (error: unknown): never => {
    const finding = findingOf(error);
    // A member that is to stop stops: the next start finds the damage again.
    if (finding !== null && !stopping) restartToRebuild(config, logger, finding);
    return die(logger, finding === null ? error : named(config, finding, error));
  };
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, "stopping");
    setTimeout(
      () => die(logger, new Error("the member did not stop in time")),
      STOP_MS_MAX,
    ).unref();
    void (running?.stop() ?? Promise.resolve()).then(() => {
      logger.info({}, "stopped");
      logger.flush();
      process.exit(0);
    }, fatal);
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  try {
    running = await serve({ config, logger, onEnd: stop, onFatal: fatal });
  } catch (error) {
    const finding = findingOf(error);
    if (finding !== null) restartToRebuild(config, logger, finding);
    const known = finding === null ? QuorateError.from(error) : named(config, finding, error);
    logger.error(
      { code: known.code, reason: known.message, cause: causeOf(known) },
      "cannot start",
    );
    logger.flush();
    process.stderr.write(`quorate: ${known.message}\n`);
    process.exit(known.code === "configuration" ? EXIT_USAGE : EXIT_FAILURE);
  }
}

/** The error of damaged data, with the way out. */
function named(config: Config, finding: Finding, error: unknown): QuorateError {
  return new QuorateError("corruption", describeFinding(config, finding), error);
}

/** A broken invariant, a failed write, a damaged record: what is durable is right, so the process ends at once. */
function die(logger: MemberLog, error: unknown): never {
  const known = QuorateError.from(error);
  const kind = error instanceof AssertionError ? "broken invariant" : "fatal error";
  const stack = error instanceof Error ? error.stack : undefined;
  logger.error(
    { reason: known.message, cause: causeOf(known), stack },
    `${kind}: the process ends`,
  );
  logger.flush();
  process.exit(EXIT_FAILURE);
}

function causeOf(error: Error): string | undefined {
  const { cause } = error;
  return cause instanceof Error ? cause.message : undefined;
}
