/** The KV service: check, propose or read, answer. */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeCompactionResponse,
} from "../../src/api/gen/kv.ts";
import type { RequestOp, TxnRequest } from "../../src/api/gen/kv.ts";
import { encodePutResponseRaw } from "../../src/api/hot.ts";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "../../src/api/validate.ts";
import { keep } from "../../src/base/bytes.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { Reply } from "../../src/machine/reply.ts";
import { corruptRefusal, fail, failWith, proposeCall } from "./answer.ts";
import type { Host } from "./host.ts";
import { RangeCall, serveRange, toQuery } from "./range.ts";
import type { Principal } from "./principal.ts";
import { readOnlyTxn } from "./read-txn.ts";
import { answerWith } from "./txn-response.ts";
import { headerOf } from "./headers.ts";

/** What one put adds to the database besides its key and value, as etcd reckons. */
const PUT_OVERHEAD_BYTES = 256;

export function range(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const request = decodeRangeRequest(message);
  const error = checkRange(request) ?? corruptRefusal(host);
  if (error !== null) {
    fail(call, error);
    return;
  }
  const query = toQuery(request);
  if (request.serializable) serveRange(host, call, query, who);
  else if (host.isLearner()) fail(call, API_ERRORS.notSupportedForLearner);
  else host.loop.linearize(new RangeCall(host, call, query, who));
}

export function put(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const request = decodePutRequest(message);
  const error =
    checkPut(request) ??
    host.growthRefusal(PUT_OVERHEAD_BYTES + request.key.length + request.value.length);
  if (error !== null) fail(call, error);
  else proposeCall(host, call, CommandField.put, message, answerPut, who);
}

export function deleteRange(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const error = checkDeleteRange(decodeDeleteRangeRequest(message));
  if (error !== null) fail(call, error);
  else proposeCall(host, call, CommandField.deleteRange, message, answerOp, who);
}

export function txn(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const request = decodeTxnRequest(message);
  const invalid = checkTxn(request, host.config.maxTxnOps) ?? corruptRefusal(host);
  if (invalid !== null) {
    fail(call, invalid);
    return;
  }
  if (isReadOnly(request)) {
    readOnlyTxn(host, call, decodeTxnRequest(keep(message)), who);
    return;
  }
  const growth = txnGrowth(request);
  const error = growth > 0 ? host.growthRefusal(growth) : null;
  if (error !== null) fail(call, error);
  else proposeCall(host, call, CommandField.txn, message, answerOp, who);
}

export function compact(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const { physical } = decodeCompactionRequest(message);
  proposeCall(
    host,
    call,
    CommandField.compaction,
    message,
    physical ? answerPhysicalCompaction : answerCompaction,
    who,
  );
}

function answerPut(host: Host, call: ServerCall, reply: Reply): void {
  if (reply.kind === "op" && reply.op.kind === "put" && reply.op.previous === null) {
    call.reply(encodePutResponseRaw(host.header(reply.revision), null));
  } else {
    answerOp(host, call, reply);
  }
}

function answerOp(host: Host, call: ServerCall, reply: Reply): void {
  if (reply.kind !== "op") return;
  answerWith(host, call, reply.op, reply.revision, () => reply.pin?.release());
}

function answerCompaction(host: Host, call: ServerCall, reply: Reply): void {
  call.reply(encodeCompactionResponse({ header: headerOf(host, reply.revision) }));
}

function answerPhysicalCompaction(host: Host, call: ServerCall, reply: Reply): void {
  if (reply.kind !== "compaction") return;
  reply.physical.then(
    () => answerCompaction(host, call, reply),
    (error: unknown) => failWith(call, error),
  );
}

/** Ranges alone, none nested: such a transaction needs no log entry. */
function isReadOnly(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange);
}

function isRange(op: RequestOp): boolean {
  return op.request?.kind === "requestRange";
}

/** Bytes that the larger branch would add; 0 if neither puts anything. */
function txnGrowth(request: TxnRequest): number {
  return Math.max(branchGrowth(request.success), branchGrowth(request.failure));
}

function branchGrowth(ops: readonly RequestOp[]): number {
  let bytes = 0;
  for (const { request } of ops) {
    if (request?.kind === "requestPut") {
      bytes += PUT_OVERHEAD_BYTES + request.value.key.length + request.value.value.length;
    } else if (request?.kind === "requestTxn") {
      bytes += txnGrowth(request.value);
    }
  }
  return bytes;
}
