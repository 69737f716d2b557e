/** The operator's log: one event a line, as JSON, on the standard error. */
import { destination, pino } from "pino";
import type { Logger } from "../src/base/ports.ts";

/** Synchronous: it says little, and its last words matter. */
export function openLog(level: string): Logger {
  const log = pino(
    {
      level,
      base: null,
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      messageKey: "msg",
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: 2, sync: true }),
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
  };
}
