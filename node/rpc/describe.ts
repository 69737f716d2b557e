/** Requests in sizes and shapes, for the log of slow ones: never a key, never a value. */
import { decodeCommand } from "../../src/api/gen/command.ts";
import type { RequestOp, TxnRequest } from "../../src/api/gen/kv.ts";
import { EMPTY, type Key } from "../../src/base/bytes.ts";
import type { RangeQuery } from "../../src/mvcc/range.ts";
import { OPEN_END } from "../../src/mvcc/tree-walk.ts";

const TO_THE_END = new Uint8Array(1);

/** An entry as it was proposed. */
export function describeCommand(data: Uint8Array): object {
  try {
    const { kind } = decodeCommand(data);
    switch (kind?.kind) {
      case "put":
        return {
          op: "put",
          bytes: data.length,
          keyBytes: kind.value.key.length,
          valueBytes: kind.value.value.length,
          leased: kind.value.lease !== 0n,
          prevKv: kind.value.prevKv,
        };
      case "deleteRange":
        return {
          op: "deleteRange",
          bytes: data.length,
          keyBytes: kind.value.key.length,
          range: shapeOf(kind.value.key.length, kind.value.rangeEnd),
          prevKv: kind.value.prevKv,
        };
      case "txn":
        return { op: "txn", bytes: data.length, ...describeTxn(kind.value) };
      default:
        return { op: kind?.kind, bytes: data.length };
    }
  } catch {
    return { bytes: data.length, undecodable: true };
  }
}

/** A transaction by what it holds, nested ones included. */
export function describeTxn(request: TxnRequest): object {
  const counts = { compares: 0, ranges: 0, puts: 0, deletes: 0, nested: 0 };
  const visit = (txn: TxnRequest): void => {
    counts.compares += txn.compare.length;
    for (const op of txn.success) count(op);
    for (const op of txn.failure) count(op);
  };
  const count = ({ request: op }: RequestOp): void => {
    switch (op?.kind) {
      case "requestRange":
        counts.ranges++;
        break;
      case "requestPut":
        counts.puts++;
        break;
      case "requestDeleteRange":
        counts.deletes++;
        break;
      case "requestTxn":
        counts.nested++;
        visit(op.value);
        break;
      default:
        break;
    }
  };
  visit(request);
  return counts;
}

/** A range as the index is asked for it. */
export function describeRange(query: RangeQuery): object {
  return {
    op: "range",
    keyBytes: query.key.length,
    range: shapeOf(query.key.length, toRangeEndBytes(query.end)),
    limit: query.limit,
    atRevision: query.revision,
    countOnly: query.countOnly,
    keysOnly: query.keysOnly,
    sorted: query.sortOrder !== "none" || query.sortTarget !== "key",
  };
}

/** As the request had it. Keys are latin1 strings, one byte a character. */
function toRangeEndBytes(end: Key | null): Uint8Array {
  if (end === null) return EMPTY;
  return end === OPEN_END ? TO_THE_END : Buffer.from(end, "latin1");
}

/** One key, everything from one on, or up to another of so many bytes: a prefix has an end as long as itself. */
function shapeOf(keyBytes: number, rangeEnd: Uint8Array): string {
  if (rangeEnd.length === 0) return "one key";
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return "to the end";
  return rangeEnd.length === keyBytes ? "prefix or interval" : "interval";
}
