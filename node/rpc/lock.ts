/** The Lock service: a lock is held by whoever's key below its name was created first. */
import { API_ERRORS, toError } from "../../src/api/catalogue.ts";
import { deleteRangeRequest, rangeRequest, txnRequest } from "../../src/api/gen/kv.ts";
import {
  decodeLockRequest,
  decodeUnlockRequest,
  encodeLockResponse,
  encodeUnlockResponse,
} from "../../src/api/gen/lock.ts";
import type { LockRequest, LockResponse } from "../../src/api/gen/lock.ts";
import { KV } from "../../src/api/gen/methods.ts";
import { EMPTY, keep } from "../../src/base/bytes.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import {
  answerWith,
  contenderKey,
  contendersPrefix,
  createdAt,
  firstCreated,
  putOp,
  rangeOp,
  rowsOf,
  sessionLease,
  sessionOf,
  UNINTERRUPTED,
  waitForEarlier,
  type Session,
} from "./contender.ts";
import type { LocalCalls } from "./local-call.ts";

export function lock(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const request = decodeLockRequest(keep(message));
  const session = sessionOf(local, call);
  answerWith(call, encodeLockResponse, (signal) => acquire(session, request, signal));
}

async function acquire(
  session: Session,
  request: LockRequest,
  signal: AbortSignal,
): Promise<LockResponse> {
  const { local, caller } = session;
  const lease = await sessionLease(session, request.lease, signal);
  const prefix = contendersPrefix(request.name);
  const key = contenderKey(prefix, lease);
  const mine = rangeRequest({ key });
  const owner = rangeOp(firstCreated(prefix));
  const txn = txnRequest({
    compare: [createdAt(key, 0)],
    success: [putOp(key, EMPTY, lease), owner],
    failure: [rangeOp(mine), owner],
  });
  const { header, succeeded, responses } = await local.unary(caller, KV.txn, txn, UNINTERRUPTED);
  const since = succeeded
    ? (header?.revision ?? 0)
    : (rowsOf(responses[0])[0]?.createRevision ?? 0);
  const [first] = rowsOf(responses[1]);
  if (first === undefined || first.createRevision === since) return { header, key };
  try {
    await waitForEarlier(session, prefix, since - 1, signal);
    const held = await local.unary(caller, KV.range, mine, signal);
    if (held.kvs.length > 0) return { header: held.header, key };
  } catch (error) {
    await local
      .unary(caller, KV.deleteRange, deleteRangeRequest({ key }), UNINTERRUPTED)
      .catch(() => {
        // Then the key goes with its lease.
      });
    throw error;
  }
  throw toError(API_ERRORS.lockSessionExpired);
}

export function unlock(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const { key } = decodeUnlockRequest(keep(message));
  const { caller } = sessionOf(local, call);
  answerWith(call, encodeUnlockResponse, async (signal) => {
    const { header } = await local.unary(
      caller,
      KV.deleteRange,
      deleteRangeRequest({ key }),
      signal,
    );
    return { header };
  });
}
