/** txn: comparisons, then what to do, then what to do otherwise, each list ended by an empty line on standard input. */
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type CompareTargetUnion,
  type RequestOp,
} from "../../src/api/gen/kv.ts";
import { KV } from "../../src/api/gen/methods.ts";
import { EMPTY } from "../../src/base/bytes.ts";
import type { Context, CtlCommand } from "./context.ts";
import { badArgs, CtlError, Exit } from "./exit.ts";
import { parseFlags } from "./flags.ts";
import { parseInt64, quote, splitLine, unquote } from "./go-text.ts";
import {
  DEL_FLAGS,
  GET_FLAGS,
  PUT_FLAGS,
  delRequest,
  getRequest,
  putRequestOf,
} from "./kv-requests.ts";
import { bytesOf, fieldsTxn, simpleTxn } from "./kv-text.ts";

const RESULTS: Readonly<Record<string, number>> = {
  "=": CompareResult.equal,
  "!=": CompareResult.notEqual,
  ">": CompareResult.greater,
  "<": CompareResult.less,
};

async function txn(ctl: Context): Promise<void> {
  if (ctl.args.length > 0) throw badArgs("txn command does not accept argument");
  const client = await ctl.client();
  const prompt = (text: string): void => {
    if (ctl.flags.bool("interactive")) ctl.print(`${text}\n`);
  };
  prompt("compares:");
  const compare = (await readList(ctl)).map(parseCompare);
  prompt("success requests (get, put, del):");
  const success = await readOps(ctl);
  prompt("failure requests (get, put, del):");
  const failure = await readOps(ctl);
  const answer = await client.call(KV.txn, { compare, success, failure }, kindOf(success, failure));
  ctl.show({
    message: ["TxnResponse", answer],
    simple: () => bytesOf(simpleTxn(answer, { isHex: ctl.isHex, isValueOnly: false })),
    fields: () => fieldsTxn(answer, ctl.isHex),
  });
}

function kindOf(...lists: readonly (readonly RequestOp[])[]): "read" | "write" {
  const isRead = lists.flat().every(({ request }) => request?.kind === "requestRange");
  return isRead ? "read" : "write";
}

async function readList(ctl: Context): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = await ctl.input.line();
    if (line === null) throw new CtlError(Exit.invalidInput, "EOF");
    if (line.trim() === "") return lines;
    lines.push(line.trim());
  }
}

async function readOps(ctl: Context): Promise<RequestOp[]> {
  const ops: RequestOp[] = [];
  for (const line of await readList(ctl)) ops.push(await parseOp(line));
  return ops;
}

async function parseOp(line: string): Promise<RequestOp> {
  const [name, ...args] = splitLine(line);
  if (args.length === 0)
    throw new CtlError(Exit.invalidInput, `invalid txn compare request: ${line}`);
  const parse = (known: typeof GET_FLAGS): ReturnType<typeof parseFlags> => {
    try {
      return parseFlags(known, args);
    } catch {
      throw new CtlError(Exit.invalidInput, `invalid txn request: ${line}`);
    }
  };
  switch (name) {
    case "get":
      return { request: { kind: "requestRange", value: getRequest(parse(GET_FLAGS)) } };
    case "put": {
      const value = await putRequestOf(parse(PUT_FLAGS), () => Promise.resolve(EMPTY));
      return { request: { kind: "requestPut", value } };
    }
    case "del":
      return { request: { kind: "requestDeleteRange", value: delRequest(parse(DEL_FLAGS)) } };
    default:
      throw new CtlError(Exit.invalidInput, `invalid txn request: ${line}`);
  }
}

/** `"…"` or backquotes, an operator, and another. Each part is kept as far as it is right. */
const KEY = /^("(?:[^"\\]|\\.)*"|`[^`]*`)\)\s+(\S+)\s+(.*)$/s;
const VALUE = /^("(?:[^"\\]|\\.)*"|`[^`]*`)/;

/** `mod("key") > "0"`. */
export function parseCompare(line: string): Compare {
  const [, target, rest] = /^([^(]*)\((.*)$/s.exec(line) ?? [];
  const malformed = (why: string): CtlError =>
    new CtlError(Exit.invalidInput, `malformed comparison: ${line}${why}`);
  if (target === undefined || rest === undefined) throw malformed("");
  const [, quotedKey = "", operator = "", after = ""] = KEY.exec(rest) ?? [];
  const [key, value] = [unquote(quotedKey), unquote(VALUE.exec(after)?.[1] ?? "")];
  if (key === null || value === null) {
    const got = `${target}(${quote(key ?? "")}) ${operator} ${quote(value ?? "")}`;
    throw malformed(`; got ${got}`);
  }
  const result = RESULTS[operator];
  if (result === undefined) throw malformed(` (unknown operator ${operator})`);
  const { wire, union } = targetOf(target, value, line, malformed);
  return { result, target: wire, key, rangeEnd: EMPTY, targetUnion: union };
}

function targetOf(
  target: string,
  value: Buffer,
  line: string,
  malformed: (why: string) => CtlError,
): { readonly wire: number; readonly union: CompareTargetUnion } {
  const integer = (base: 10 | 16): bigint => {
    try {
      return parseInt64(value.toString(), base);
    } catch {
      throw new CtlError(Exit.invalidInput, `invalid txn compare request: ${line}`);
    }
  };
  const counter = (): number => Number(integer(10));
  switch (target) {
    case "ver":
    case "version":
      return { wire: CompareTarget.version, union: { kind: "version", value: counter() } };
    case "c":
    case "create":
      return { wire: CompareTarget.create, union: { kind: "createRevision", value: counter() } };
    case "m":
    case "mod":
      return { wire: CompareTarget.mod, union: { kind: "modRevision", value: counter() } };
    case "val":
    case "value":
      return { wire: CompareTarget.value, union: { kind: "value", value } };
    // In hexadecimal, as everywhere on the command line; etcdctl ends in a panic here.
    case "lease":
      return { wire: CompareTarget.lease, union: { kind: "lease", value: integer(16) } };
    default:
      throw malformed(` (unknown target ${target})`);
  }
}

export const TXN_COMMAND: CtlCommand = {
  usage: "",
  help: "compares and acts in one transaction, read from standard input",
  flags: [{ name: "interactive", short: "i", kind: "bool", help: "say what is expected next" }],
  run: txn,
};
