/** What opening a member asks for, where no member is going to serve. */
import { QuorateError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/ports.ts";
import { monotonicClock } from "../clock.ts";
import type { Config } from "../config.ts";
import { MemberStats } from "../metrics/stats.ts";
import type { OpenOptions } from "../open.ts";

/** `failed` rejects when the disk or the data fail in the background: race with it. */
export function quietOptions(config: Config): {
  readonly options: OpenOptions;
  readonly failed: Promise<never>;
} {
  let onFatal: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => (onFatal = reject));
  failed.catch(() => {});
  const options: OpenOptions = {
    config,
    logger: { ...silentLogger, dropped: 0, flush() {} },
    dial: () => {
      throw new QuorateError("unavailable", "a command on files asks no other member");
    },
    birth: null,
    force: null,
    onStage: () => {},
    clock: monotonicClock,
    stats: new MemberStats(),
    onLogFull: () => onFatal(new Error("there is no room for the log")),
    onFatal: (error) => onFatal(error),
  };
  return { options, failed };
}
