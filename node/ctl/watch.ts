/** watch: prints changes as they come, runs a program for each, or takes further watches from standard input. */
import type { WatchResponse } from "../../src/api/gen/watch.ts";
import { EventType } from "../../src/api/gen/mvcc.ts";
import type { Event, KeyValue as WireKeyValue } from "../../src/api/gen/mvcc.ts";
import { encodeWatchResponse, watchResponse } from "../../src/api/gen/watch.ts";
import type { Client, KeyRange, Watch, WatchBatch } from "../../src/client/client.ts";
import { type Context, type CtlCommand, headerFields } from "./context.ts";
import { badArgs, CtlError, Exit, messageOf } from "./exit.ts";
import { type Flag, type Flags, parseFlags } from "./flags.ts";
import { messageJson } from "./go-json.ts";
import { quote, splitLine } from "./go-text.ts";
import { bytesOf, fieldsRow, simpleRow } from "./kv-text.ts";
import { runProgram } from "./lock.ts";

const WATCH_FLAGS: readonly Flag[] = [
  { name: "interactive", short: "i", kind: "bool", help: "take watches from standard input" },
  { name: "prefix", kind: "bool", help: "all keys that begin with the key" },
  { name: "rev", kind: "int", initial: "0", help: "from this revision on" },
  { name: "prev-kv", kind: "bool", help: "print what was there before" },
  { name: "progress-notify", kind: "bool", help: "tell from time to time how far all was seen" },
];

const BAD_NUMBER = "bad number of arguments";

interface Wanted {
  readonly range: KeyRange;
  /** What to run for each event; empty: nothing. */
  readonly program: readonly string[];
}

async function watch(ctl: Context): Promise<number> {
  const { environment } = ctl.io;
  const key = fromEnvironment(environment, "WATCH_KEY");
  const end = fromEnvironment(environment, "WATCH_RANGE_END");
  if (key === "" && end !== "")
    throw badArgs(`ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=${quote(end)}`);
  const given = key === "" ? [] : end === "" ? [key] : [key, end];
  if (ctl.flags.bool("interactive")) return await interact(ctl, given);
  const wanted = wantedOf(ctl.flags, given);
  const client = await ctl.client();
  await follow(ctl, begin(client, wanted.range, ctl.flags), wanted.program);
  if (ctl.io.signal.aborted) return Exit.success;
  throw new CtlError(Exit.interrupted, "watch is canceled by the server");
}

function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): string {
  return environment[`QUORATECTL_${name}`] ?? environment[`ETCDCTL_${name}`] ?? "";
}

/** The range and the program that follow the flags, or stand in the environment. */
function wantedOf(flags: Flags, given: readonly string[]): Wanted {
  const { argsBeforeDashes } = flags;
  const ranges = flags.args.slice(0, argsBeforeDashes ?? flags.args.length);
  const program = argsBeforeDashes === null ? [] : flags.args.slice(argsBeforeDashes);
  if (argsBeforeDashes !== null && program.length === 0)
    throw badArgs(`${BAD_NUMBER} (found separator --, but no commands)`);
  if (given.length > 0 && ranges.length > 0)
    throw badArgs(`${BAD_NUMBER} (found conflicting environment key)`);
  const [key, end] = given.length > 0 ? given : ranges;
  if (key === undefined) throw badArgs(BAD_NUMBER);
  const isPrefix = flags.bool("prefix");
  if (end !== undefined && isPrefix)
    throw badArgs("`range_end` and `--prefix` are mutually exclusive");
  if (isPrefix) return { range: { prefix: key }, program };
  return { range: end === undefined ? key : { from: key, end }, program };
}

function begin(client: Client, range: KeyRange, flags: Flags): Watch {
  return client.watch(range, {
    fromRevision: flags.int("rev"),
    previous: flags.bool("prev-kv"),
    progress: flags.bool("progress-notify"),
  });
}

/** Prints until the watch ends. */
async function follow(ctl: Context, watched: Watch, program: readonly string[]): Promise<void> {
  const stop = (): void => void watched.close();
  ctl.io.signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const batch of watched) {
      if (batch.events.length === 0) ctl.print(`progress notify: ${batch.header.revision}\n`);
      showBatch(ctl, batch);
      if (program.length > 0) await runForEach(ctl, batch, program);
    }
  } catch (thrown) {
    if (thrown instanceof CtlError) throw thrown;
    ctl.warn(`watch was canceled (${messageOf(thrown)})`);
  } finally {
    ctl.io.signal.removeEventListener("abort", stop);
  }
}

function showBatch(ctl: Context, batch: WatchBatch): void {
  const events = batch.events.map(toWire);
  const answer: WatchResponse = watchResponse({ header: batch.header, events });
  const style = { isHex: ctl.isHex, isValueOnly: false };
  const rows = (event: Event): readonly WireKeyValue[] =>
    [event.prevKv, event.kv].filter((row) => row !== null);
  const typeOf = (event: Event): string => (event.type === EventType.put ? "PUT" : "DELETE");
  ctl.show({
    simple: () =>
      bytesOf(
        events
          .map((event) => {
            const shown = rows(event).map((row) => simpleRow(row, style));
            return `${typeOf(event)}\n${shown.join("")}`;
          })
          .join(""),
      ),
    fields: () =>
      headerFields(batch.header, ctl.isHex) +
      events
        .map((event) => {
          const shown = rows(event).map((row) =>
            fieldsRow(row === event.kv ? "" : "Prev", row, ctl.isHex),
          );
          return `"Type" : ${typeOf(event)}\n${shown.join("")}`;
        })
        .join(""),
    json: () => {
      const all = events.map((event) => messageJson("Event", event)).join(",");
      const list = events.length === 0 ? "null" : `[${all}]`;
      const header = messageJson("ResponseHeader", batch.header);
      return `{"Header":${header},"Events":${list},"CompactRevision":0,"Canceled":false,"Created":false}`;
    },
    protobuf: () => encodeWatchResponse(answer),
  });
}

function toWire({ kind, row, previous }: WatchBatch["events"][number]): Event {
  const type = kind === "put" ? EventType.put : EventType.delete;
  return { type, kv: row, prevKv: previous };
}

async function runForEach(
  ctl: Context,
  batch: WatchBatch,
  program: readonly string[],
): Promise<void> {
  for (const { kind, row } of batch.events) {
    const code = await runProgram(ctl, program, {
      ETCD_WATCH_REVISION: String(batch.header.revision),
      ETCD_WATCH_EVENT_TYPE: quote(kind === "put" ? "PUT" : "DELETE"),
      ETCD_WATCH_KEY: quote(row.key),
      ETCD_WATCH_VALUE: quote(row.value),
    });
    if (code === 0) continue;
    const words = program.map((word) => quote(word)).join(" ");
    ctl.warn(`command [${words}] error (exit status ${code})`);
    throw new CtlError(Exit.error, "");
  }
}

/** A watch, or a question for progress, a line. */
async function interact(ctl: Context, given: readonly string[]): Promise<number> {
  const client = await ctl.client();
  const watches: Watch[] = [];
  for (;;) {
    const line = await ctl.input.line();
    if (line === null) {
      throw new CtlError(Exit.invalidInput, "error reading watch request line: EOF");
    }
    const [name, ...args] = splitLine(line);
    if (name === "progress") for (const one of watches) one.requestProgress();
    else if (name === undefined)
      ctl.warn(`Invalid command: ${line} (watch and progress supported)`);
    else if (name !== "watch") ctl.warn(`Invalid command ${line} (only support watch)`);
    else if (args.length === 0 && given.length === 0)
      ctl.warn(`Invalid command ${line} (command type or key is not provided)`);
    else {
      const flags = parseFlags(WATCH_FLAGS, args);
      const wanted = wantedOf(flags, given);
      const one = begin(client, wanted.range, flags);
      watches.push(one);
      void follow(ctl, one, wanted.program);
      // The next line may be about what this one began.
      await one.started.catch(() => {});
    }
  }
}

export const WATCH_COMMAND: CtlCommand = {
  usage: "KEY [RANGE_END] [-- PROGRAM ARGUMENTS]",
  help: "prints changes as they come",
  flags: WATCH_FLAGS,
  run: watch,
};
