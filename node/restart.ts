/** The process starts itself anew in place, under its own id: every socket is closed in the same moment. */
import type { MemberLog } from "./log.ts";

/** Returns only where that is not possible: then the caller ends the process, and whoever supervises it starts it. */
export function restartInPlace(logger: MemberLog): void {
  logger.flush();
  const [, ...args] = process.argv;
  try {
    const again = [process.execPath, ...process.execArgv, ...args];
    process.execve?.(process.execPath, again, process.env);
  } catch (cause) {
    logger.error({ cause: String(cause) }, "the process could not be started anew in place");
  }
}
