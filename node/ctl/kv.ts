/** get, put, del and compaction. */
import { KV } from "../../src/api/gen/methods.ts";
import type { RangeResponse } from "../../src/api/gen/kv.ts";
import type { Context, CtlCommand } from "./context.ts";
import { badArgs, CtlError, Exit } from "./exit.ts";
import { parseInt64, quote } from "./go-text.ts";
import {
  DEL_FLAGS,
  GET_FLAGS,
  PUT_FLAGS,
  delRequest,
  getRequest,
  putRequestOf,
} from "./kv-requests.ts";
import {
  bytesOf,
  fieldsDelete,
  fieldsPut,
  fieldsRange,
  simpleDelete,
  simplePut,
  simpleRange,
} from "./kv-text.ts";

const PAUSE_MS = 2_000;

export function showRange(ctl: Context, answer: RangeResponse, isValueOnly = false): void {
  ctl.show({
    message: ["RangeResponse", answer],
    simple: () => bytesOf(simpleRange(answer, { isHex: ctl.isHex, isValueOnly })),
    fields: () => fieldsRange(answer, ctl.isHex),
  });
}

async function get(ctl: Context): Promise<void> {
  const request = getRequest(ctl.flags);
  const client = await ctl.client();
  const kind = request.serializable ? "local" : "read";
  const answer = await client.call(KV.range, request, kind);
  if (request.countOnly && ctl.format !== "fields")
    throw badArgs("--count-only is only for `--write-out=fields`");
  const isValueOnly = ctl.flags.bool("print-value-only");
  if (isValueOnly && ctl.format !== "simple")
    throw badArgs("print-value-only is only for `--write-out=simple`");
  showRange(ctl, answer, isValueOnly);
}

async function put(ctl: Context): Promise<void> {
  const request = await putRequestOf(ctl.flags, () => ctl.input.all());
  const answer = await (await ctl.client()).call(KV.put, request, "write");
  ctl.show({
    message: ["PutResponse", answer],
    simple: () => bytesOf(simplePut(answer, { isHex: ctl.isHex, isValueOnly: false })),
    fields: () => fieldsPut(answer, ctl.isHex),
  });
}

async function del(ctl: Context): Promise<void> {
  const request = delRequest(ctl.flags);
  const [key = "", end] = ctl.args;
  if (end !== undefined && !ctl.flags.bool("range")) {
    ctl.warn(
      `Warning: Keys between ${quote(key)} and ${quote(end)} will be deleted. Please interrupt the command within ` +
        "next 2 seconds to cancel. You can provide `--range` flag to avoid the delay.",
    );
    await pause(ctl);
  }
  const answer = await (await ctl.client()).call(KV.deleteRange, request, "write");
  ctl.show({
    message: ["DeleteRangeResponse", answer],
    simple: () => bytesOf(simpleDelete(answer, { isHex: ctl.isHex, isValueOnly: false })),
    fields: () => fieldsDelete(answer, ctl.isHex),
  });
}

async function pause(ctl: Context): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MS);
    ctl.io.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  if (ctl.io.signal.aborted) throw new CtlError(Exit.interrupted, "interrupted");
}

async function compaction(ctl: Context): Promise<void> {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1)
    throw badArgs("compaction command needs 1 argument");
  const revision = Number(parseInt64(text, 10));
  const request = { revision, physical: ctl.flags.bool("physical") };
  await (await ctl.client()).call(KV.compact, request, "write");
  ctl.print(`compacted revision ${revision}\n`);
}

export const KV_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  get: { usage: "KEY [RANGE_END]", help: "reads a key or a range", flags: GET_FLAGS, run: get },
  put: {
    usage: "KEY [VALUE]",
    help: "writes a key; the value may come from standard input",
    flags: PUT_FLAGS,
    run: put,
  },
  del: { usage: "KEY [RANGE_END]", help: "deletes a key or a range", flags: DEL_FLAGS, run: del },
  compaction: {
    usage: "REVISION",
    help: "forgets what was overwritten or deleted before a revision",
    flags: [
      { name: "physical", kind: "bool", help: "wait until it is gone from the members' disks" },
    ],
    run: compaction,
  },
};
