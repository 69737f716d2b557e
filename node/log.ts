/** The member's log: one event a line, never blocking (asynchronous and bounded; what is dropped is counted). */
import { destination, multistream, pino, type DestinationStream, type Logger as Pino } from "pino";
import type { Logger } from "../src/base/ports.ts";
import { toConsoleLine } from "./log-line.ts";

const BUFFER_BYTES = 4096;
const BUFFER_MAX_BYTES = 8 * 1024 * 1024;
const FLUSH_MS = 250;

export type LogFormat = "json" | "console";

export interface MemberLog extends Logger {
  /** Lines that an output did not take in time. */
  readonly dropped: number;
  /** Writes what is buffered, synchronously: before the process ends. */
  flush(): void;
}

const LEVELS: Readonly<Record<string, string>> = { panic: "fatal" };

/** `outputs` as of --log-outputs: default and stderr are the standard error, anything else but stdout a file. */
export function openLog(
  level: string,
  outputs: readonly string[],
  format: LogFormat = "json",
): MemberLog {
  let dropped = 0;
  const streams = outputs.map((output) =>
    destination({
      dest: output === "stdout" ? 1 : output === "stderr" || output === "default" ? 2 : output,
      sync: false,
      minLength: BUFFER_BYTES,
      maxLength: BUFFER_MAX_BYTES,
      periodicFlush: FLUSH_MS,
    }),
  );
  for (const stream of streams) stream.on("drop", () => dropped++);
  const [only] = streams;
  const target: DestinationStream =
    streams.length === 1 && only !== undefined
      ? only
      : multistream(streams.map((stream) => ({ stream, level: "trace" })));
  const log = pino(
    {
      level: LEVELS[level] ?? level,
      base: null,
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      messageKey: "msg",
      formatters: { level: (label) => ({ level: label }) },
    },
    format === "console" ? { write: (line) => target.write(toConsoleLine(line)) } : target,
  );
  const flush = (): void => {
    for (const stream of streams) flushQuietly(stream);
  };
  return adapt(log, flush, () => dropped);
}

function flushQuietly(stream: { flushSync(): void }): void {
  try {
    stream.flushSync();
  } catch {
    // A closed or never opened output: there is nowhere left to say so.
  }
}

function adapt(log: Pino, flush: () => void, dropped: () => number): MemberLog {
  return {
    get dropped() {
      return dropped();
    },
    debug: (fields, message) => log.debug(plain(fields), message),
    info: (fields, message) => log.info(plain(fields), message),
    warn: (fields, message) => log.warn(plain(fields), message),
    error: (fields, message) => log.error(plain(fields), message),
    flush,
  };
}

/** Ids are bigint and print in hexadecimal, as etcd's tools show them. */
function plain(fields: object): object {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    out[name] = typeof value === "bigint" ? value.toString(16) : value;
  }
  return out;
}
