/** TxnResponse and its likes, from what apply named: rows and earlier values are read here, where a client waits. */
import type { ApiError } from "../../src/api/catalogue.ts";
import { openWriter, type Writer } from "../../src/api/wire.ts";
import {
  appendDeleteRangeBody,
  appendHeader,
  appendNestedHeader,
  appendPutBody,
  appendRangeBody,
} from "../../src/api/hot.ts";
import type { DeleteRangeReply, OpReply, RangeReply, TxnReply } from "../../src/machine/reply.ts";
import type { RangeRows } from "../../src/mvcc/range.ts";
import type { Store } from "../../src/mvcc/store.ts";
import type { HeaderFields } from "../../src/api/hot.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { fail, failWith } from "./answer.ts";
import type { Host } from "./host.ts";
import { toQuery } from "./range.ts";

/** What an operation named, read. */
type Loaded = RangeRows | readonly Uint8Array[];
type LoadedMap = ReadonlyMap<OpReply, Loaded>;

/** Field tags: number * 8 + wire type. */
const TAG = { succeeded: 16, responses: 26, range: 10, put: 18, deleteRange: 26, txn: 34 } as const;

/** Reads what `op` names, answers, and lets go of it. `refusal` is asked again where reading took time. */
export function answerWith(
  host: Host,
  call: ServerCall,
  op: OpReply,
  revision: number,
  release: () => void,
  refusal: (() => ApiError | null) | null = null,
): void {
  const header = host.header(revision);
  const loaded = new Map<OpReply, Loaded>();
  const waiting: Promise<void>[] = [];
  // Encoded where it is answered: the shared output is valid until the next encode, which may come before another callback.
  const reply = (): void => call.reply(encode(header, op, loaded));
  try {
    load(host.machine.store, op, loaded, waiting);
    if (waiting.length === 0) reply();
  } catch (error) {
    failWith(call, error);
    waiting.length = 0;
  }
  if (waiting.length === 0) {
    release();
    return;
  }
  Promise.all(waiting)
    .then(() => {
      const error = refusal === null ? null : refusal();
      if (error === null) reply();
      else fail(call, error);
    })
    .catch((error: unknown) => failWith(call, error))
    .finally(release);
}

function encode(header: HeaderFields, op: OpReply, loaded: LoadedMap): Uint8Array {
  const writer = openWriter();
  appendBody(writer, op, loaded);
  appendHeader(writer, header.ids, header.revision, header.raftTerm);
  return writer.finish();
}

/** Reads everything that `op` names into `loaded`; what takes time is added to `waiting`. */
function load(
  store: Store,
  op: OpReply,
  loaded: Map<OpReply, Loaded>,
  waiting: Promise<void>[],
): void {
  switch (op.kind) {
    case "range": {
      const rows = store.rangeAt(toQuery(op.request), op.position);
      settle(op, rows, loaded, waiting);
      break;
    }
    case "put":
      if (op.previous !== null) {
        const { record } = op.previous;
        settle(op, record === null ? store.records([op.previous]) : [record], loaded, waiting);
      }
      break;
    case "deleteRange":
      if (op.previous.length > 0) settle(op, store.records(op.previous), loaded, waiting);
      break;
    case "txn":
      for (const each of op.responses) load(store, each, loaded, waiting);
      break;
  }
}

function settle(
  op: OpReply,
  value: Loaded | Promise<Loaded>,
  loaded: Map<OpReply, Loaded>,
  waiting: Promise<void>[],
): void {
  if (value instanceof Promise) {
    waiting.push(
      value.then((found) => {
        loaded.set(op, found);
      }),
    );
  } else {
    loaded.set(op, value);
  }
}

/** Everything but the header, in the order of an encoder that writes backwards. */
function appendBody(writer: Writer, op: OpReply, loaded: LoadedMap): void {
  switch (op.kind) {
    case "range":
      appendRange(writer, op, loaded);
      break;
    case "put":
      appendPutBody(writer, records(op, loaded)[0] ?? null);
      break;
    case "deleteRange":
      appendDelete(writer, op, loaded);
      break;
    case "txn":
      appendTxn(writer, op, loaded);
      break;
  }
}

function appendRange(writer: Writer, op: RangeReply, loaded: LoadedMap): void {
  const rows = loaded.get(op);
  if (rows === undefined || !("kind" in rows)) return;
  appendRangeBody(writer, rows.rows, rows.more, rows.count);
}

function appendDelete(writer: Writer, op: DeleteRangeReply, loaded: LoadedMap): void {
  appendDeleteRangeBody(writer, op.deleted, records(op, loaded));
}

function appendTxn(writer: Writer, op: TxnReply, loaded: LoadedMap): void {
  for (let at = op.responses.length - 1; at >= 0; at--) {
    const response = op.responses[at];
    if (response === undefined) continue;
    const before = writer.size;
    appendBody(writer, response, loaded);
    // A nested transaction's header is present and empty; the others' carry the revision alone.
    appendNestedHeader(writer, response.kind === "txn" ? 0 : response.revision);
    writer.wrap(TAG[response.kind], before);
    writer.wrap(TAG.responses, before);
  }
  if (op.succeeded) writer.bool(TAG.succeeded, true);
}

function records(op: OpReply, loaded: LoadedMap): readonly Uint8Array[] {
  const found = loaded.get(op);
  return found === undefined || "kind" in found ? [] : found;
}
