/** get, put and del as command lines: arguments and flags to requests. Used by the commands, and by the lines of `txn`. */
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  SortOrder,
  SortTarget,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
} from "../../src/api/gen/kv.ts";
import { EMPTY } from "../../src/base/bytes.ts";
import { type WireRange, toWireRange } from "../../src/client/bytes.ts";
import { badArgs, CtlError, Exit } from "./exit.ts";
import type { Flag, Flags } from "./flags.ts";
import { bytesOfWord, parseInt64 } from "./go-text.ts";

const PREFIX: Flag = { name: "prefix", kind: "bool", help: "all keys that begin with the key" };
const FROM_KEY: Flag = { name: "from-key", kind: "bool", help: "all keys from the key on" };

export const GET_FLAGS: readonly Flag[] = [
  {
    name: "consistency",
    kind: "string",
    initial: "l",
    help: "l: linearizable; s: what the member knows",
  },
  { name: "order", kind: "string", help: "ASCEND or DESCEND" },
  { name: "sort-by", kind: "string", help: "CREATE, KEY, MODIFY, VALUE or VERSION" },
  { name: "limit", kind: "int", initial: "0", help: "at most so many" },
  PREFIX,
  FROM_KEY,
  { name: "rev", kind: "int", initial: "0", help: "as of this revision" },
  { name: "keys-only", kind: "bool", help: "without values" },
  { name: "count-only", kind: "bool", help: "only how many there are" },
  { name: "print-value-only", kind: "bool", help: 'only values, in the format "simple"' },
  { name: "min-create-rev", kind: "int", initial: "0", help: "created at or after" },
  { name: "max-create-rev", kind: "int", initial: "0", help: "created at or before" },
  { name: "min-mod-rev", kind: "int", initial: "0", help: "changed at or after" },
  { name: "max-mod-rev", kind: "int", initial: "0", help: "changed at or before" },
];

export const PUT_FLAGS: readonly Flag[] = [
  { name: "lease", kind: "string", initial: "0", help: "the lease's id, in hexadecimal" },
  { name: "prev-kv", kind: "bool", help: "print what was there before" },
  { name: "ignore-value", kind: "bool", help: "leave the value as it is" },
  { name: "ignore-lease", kind: "bool", help: "leave the lease as it is" },
];

export const DEL_FLAGS: readonly Flag[] = [
  PREFIX,
  { name: "prev-kv", kind: "bool", help: "print what was there" },
  FROM_KEY,
  { name: "range", kind: "bool", help: "delete a range of keys without the pause to think" },
];

const ONE_OF_TWO = "`--prefix` and `--from-key` cannot be set at the same time, choose one";
const TOO_MANY =
  "too many arguments, only accept one argument when `--prefix` or `--from-key` is set";

const TARGETS: Readonly<Record<string, number>> = {
  CREATE: SortTarget.create,
  KEY: SortTarget.key,
  MODIFY: SortTarget.mod,
  VALUE: SortTarget.value,
  VERSION: SortTarget.version,
  "": SortTarget.key,
};
const ORDERS: Readonly<Record<string, number>> = {
  ASCEND: SortOrder.ascend,
  DESCEND: SortOrder.descend,
  "": SortOrder.none,
};

/** `l` or `s`. */
export function isSerializable(flags: Flags): boolean {
  const consistency = flags.string("consistency");
  if (consistency === "s" || consistency === "l") return consistency === "s";
  throw new CtlError(Exit.badFeature, `unknown consistency flag "${consistency}"`);
}

function keyRange(flags: Flags, what: string): WireRange {
  const [key, end] = flags.args;
  if (key === undefined) {
    throw badArgs(
      `${what} command needs one argument as key and an optional argument as range_end`,
    );
  }
  const [isPrefix, isFrom] = [flags.bool("prefix"), flags.bool("from-key")];
  if (isPrefix && isFrom) throw badArgs(ONE_OF_TWO);
  if (end !== undefined && (isPrefix || isFrom)) throw badArgs(TOO_MANY);
  if (isPrefix) return toWireRange({ prefix: bytesOfWord(key) });
  if (isFrom) return toWireRange({ from: bytesOfWord(key) });
  return { key: bytesOfWord(key), rangeEnd: bytesOfWord(end ?? "") };
}

export function getRequest(flags: Flags): RangeRequest {
  const range = keyRange(flags, "get");
  if (flags.bool("keys-only") && flags.bool("count-only")) {
    throw badArgs("`--keys-only` and `--count-only` cannot be set at the same time, choose one");
  }
  const serializable = isSerializable(flags);
  const sortOrder = ORDERS[flags.string("order").toUpperCase()];
  if (sortOrder === undefined)
    throw new CtlError(Exit.badFeature, `bad sort order ${flags.string("order")}`);
  const sortTarget = TARGETS[flags.string("sort-by").toUpperCase()];
  if (sortTarget === undefined)
    throw new CtlError(Exit.badFeature, `bad sort target ${flags.string("sort-by")}`);
  return rangeRequest({
    ...range,
    limit: flags.int("limit"),
    revision: Math.max(0, flags.int("rev")),
    serializable,
    keysOnly: flags.bool("keys-only"),
    countOnly: flags.bool("count-only"),
    ...bounds(flags, "create", "Create"),
    ...bounds(flags, "mod", "Mod"),
    // As etcdctl's library does: ascending keys are the order anyway.
    ...(sortTarget === SortTarget.key && sortOrder === SortOrder.ascend
      ? { sortOrder: SortOrder.none, sortTarget }
      : { sortOrder, sortTarget }),
  });
}

function bounds(flags: Flags, flag: string, field: "Create" | "Mod"): Partial<RangeRequest> {
  const [min, max] = [flags.int(`min-${flag}-rev`), flags.int(`max-${flag}-rev`)];
  if (max > 0 && min > max) {
    const [a, b] = [`getMin${field}Rev`, `getMax${field}Rev`];
    throw new CtlError(Exit.badFeature, `${a}(=${min}) > ${b}(=${max})`);
  }
  const [from, to] = [Math.max(0, min), Math.max(0, max)];
  return field === "Create"
    ? { minCreateRevision: from, maxCreateRevision: to }
    : { minModRevision: from, maxModRevision: to };
}

/** `readValue` is asked where the value is no argument. */
export async function putRequestOf(
  flags: Flags,
  readValue: () => Promise<Uint8Array>,
): Promise<PutRequest> {
  const [key, given] = flags.args;
  const needs = "put command needs 1 argument and input from stdin or 2 arguments";
  if (key === undefined) throw badArgs(needs);
  const ignoreValue = flags.bool("ignore-value");
  if (ignoreValue && given !== undefined)
    throw badArgs("put command needs only 1 argument when 'ignore-value' is set");
  let value = EMPTY;
  if (!ignoreValue) {
    value = given === undefined ? await readValue() : bytesOfWord(given);
    if (given === undefined && value.length === 0) throw badArgs(needs);
  }
  return putRequest({
    key: bytesOfWord(key),
    value,
    lease: leaseOf(flags.string("lease"), "bad lease ID"),
    prevKv: flags.bool("prev-kv"),
    ignoreValue,
    ignoreLease: flags.bool("ignore-lease"),
  });
}

/** A lease's id in hexadecimal. */
export function leaseOf(text: string, complaint: string): bigint {
  try {
    return parseInt64(text, 16);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw badArgs(`${complaint} (${why}), expecting ID in Hex`);
  }
}

export function delRequest(flags: Flags): DeleteRangeRequest {
  if (flags.args.length > 2) {
    throw badArgs("del command needs one argument as key and an optional argument as range_end");
  }
  const prevKv = flags.bool("prev-kv");
  return deleteRangeRequest({ ...keyRange(flags, "del"), prevKv });
}
