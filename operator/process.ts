/** The operator's process: arguments in, exit code out. `main.ts` starts it. */
import { readFileSync } from "node:fs";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/ports.ts";
import { Prng } from "../src/base/prng.ts";
import { QUORATE_VERSION } from "../src/base/version.ts";
import { type OperatorConfig, helpText, readConfig, readCredentialFlags } from "./config.ts";
import { CONTROLLERS } from "./controllers.ts";
import { KubeClient } from "./kube/client.ts";
import { Credentials } from "./kube/credentials.ts";
import { openLog } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { Operator } from "./operator.ts";
import { systemTime } from "./time.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** Within a pod's default grace. What is journaled is taken up again by whoever leads next. */
const STOP_MS_MAX = 20_000;

export async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText());
    return;
  }
  if (args.includes("--version")) {
    process.stdout.write(`quorate-operator ${QUORATE_VERSION}\nnode ${process.version}\n`);
    return;
  }
  try {
    const credentials = new Credentials(readCredentialFlags(args, process.env), systemTime);
    const { namespace } = credentials;
    const config = readConfig(args, { env: process.env, resolvConf: resolvConf(), namespace });
    await run(config, credentials);
  } catch (thrown) {
    const { code, message } = QuorateError.from(thrown);
    process.stderr.write(`quorate-operator: ${message}\n`);
    process.exit(code === "configuration" ? EXIT_USAGE : EXIT_FAILURE);
  }
}

async function run(config: OperatorConfig, credentials: Credentials): Promise<void> {
  const logger = openLog(config.logLevel);
  const die = dying(logger);
  process.on("uncaughtException", (thrown) => die("a fatal error: the process ends", thrown));
  process.on("unhandledRejection", (thrown) => die("a fatal error: the process ends", thrown));
  const metrics = new Metrics(QUORATE_VERSION);
  const api = new KubeClient({
    credentials,
    time: systemTime,
    userAgent: `quorate-operator/${QUORATE_VERSION}`,
    onCall: (report) => metrics.onCall(report),
  });
  const operator = new Operator({
    config,
    api,
    time: systemTime,
    random: new Prng(Date.now()),
    logger,
    metrics,
    controllers: CONTROLLERS,
    onLost: (reason) => die("the lease is lost: the process ends", new Error(reason)),
  });
  const { namespaces, clusterDomain, instance } = config;
  logger.info({ version: QUORATE_VERSION, namespaces, clusterDomain, instance }, "starting");
  await operator.start();
  logger.info({ port: operator.port }, "serves probes and metrics");
  stopOnSignals(operator, credentials, logger, die);
}

type Die = (message: string, thrown: unknown) => never;

function dying(logger: Logger): Die {
  return (message, thrown) => {
    const { message: reason, stack } = QuorateError.from(thrown);
    logger.error({ reason, stack }, message);
    process.exit(EXIT_FAILURE);
  };
}

/** The first signal stops in order, a second one at once. */
function stopOnSignals(
  operator: Operator,
  credentials: Credentials,
  logger: Logger,
  die: Die,
): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) die("ends at once", new Error(signal));
    stopping = true;
    logger.info({ signal }, "stopping");
    const late = setTimeout(() => die("did not stop in time", new Error(signal)), STOP_MS_MAX);
    late.unref();
    operator
      .stop()
      .then(() => credentials.close())
      .then(
        () => {
          logger.info({}, "stopped");
          process.exit(0);
        },
        (thrown: unknown) => die("cannot stop", thrown),
      );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function resolvConf(): string {
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return "";
  }
}
