/**
 * What locks and elections are made of: every contender puts one key `<name>/<lease in hexadecimal>`; who created theirs first
 * has the lock, or leads; the others wait until the one before them is gone. As etcd's client/v3/concurrency has it, key for
 * key, so that clients which contend by themselves and clients of these services meet.
 */
import { API_ERRORS, toError } from "../../src/api/catalogue.ts";
import {
  compare,
  CompareResult,
  CompareTarget,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
  SortOrder,
  SortTarget,
} from "../../src/api/gen/kv.ts";
import type {
  Compare,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
} from "../../src/api/gen/kv.ts";
import { KV, Lease, Watch } from "../../src/api/gen/methods.ts";
import { EventType } from "../../src/api/gen/mvcc.ts";
import {
  decodeWatchResponse,
  encodeWatchRequest,
  watchCreateRequest,
  watchRequest,
} from "../../src/api/gen/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../../src/api/gen/watch.ts";
import { fromKey, keep, prefixEnd, toKey } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { Status, type ServerCall } from "../../src/grpc/service.ts";
import { NO_LEASE } from "../../src/lease/lessor.ts";
import { toCallError, type Caller, type LocalCalls } from "./local-call.ts";

/** Of the lease that is granted to a contender without one, seconds; nobody renews it. */
const SESSION_TTL = 60;
/** What may not be interrupted: its outcome decides what is to be cleaned up. It ends by itself, within the request timeout. */
export const UNINTERRUPTED: AbortSignal = new AbortController().signal;

/** What a service does its work through: our own methods, on behalf of its client. */
export interface Session {
  readonly local: LocalCalls;
  readonly caller: Caller;
}

/**
 * The session of a call. What it does for its client is no business of `hasleader`, as in etcd: the call was admitted, and
 * waits through an election.
 */
export function sessionOf(local: LocalCalls, call: ServerCall): Session {
  return {
    local,
    caller: {
      header: (name) => (name === "hasleader" ? undefined : call.header(name)),
      remoteAddress: call.remoteAddress,
      certificate: call.certificate,
    },
  };
}

/**
 * Runs a unary service's work and answers with it. `abandon` aborts it. Whatever fails inside is UNKNOWN to the client, with
 * its own text, as etcd has it.
 */
export function answerWith<Response>(
  call: ServerCall,
  encode: (response: Response) => Uint8Array,
  work: (signal: AbortSignal) => Promise<Response>,
): void {
  const abort = new AbortController();
  call.context = abort;
  work(abort.signal).then(
    (response) => call.reply(encode(response)),
    (error: unknown) => call.end(Status.unknown, QuorateError.from(error).message),
  );
}

/** The client went away, or its time has passed. */
export function abandon(call: ServerCall): void {
  if (call.context instanceof AbortController) {
    call.context.abort(toError(API_ERRORS.contextCanceled));
  }
}

/** The lease itself, or a fresh one where there is none. */
export async function sessionLease(
  { local, caller }: Session,
  lease: bigint,
  signal: AbortSignal,
): Promise<bigint> {
  if (lease !== NO_LEASE) return lease;
  const request = { id: NO_LEASE, ttl: SESSION_TTL };
  return (await local.unary(caller, Lease.leaseGrant, request, signal)).id;
}

/** `<name>/`: below it are the contenders' keys. */
export function contendersPrefix(name: Uint8Array): Uint8Array {
  return Buffer.concat([name, Buffer.from("/")]);
}

export function contenderKey(prefix: Uint8Array, lease: bigint): Uint8Array {
  return Buffer.concat([prefix, Buffer.from(lease.toString(16))]);
}

/** Holds where the key was created at that revision; 0: where there is none. */
export function createdAt(key: Uint8Array, revision: number): Compare {
  return compare({
    result: CompareResult.equal,
    target: CompareTarget.create,
    key,
    targetUnion: { kind: "createRevision", value: revision },
  });
}

export function putOp(key: Uint8Array, value: Uint8Array, lease: bigint): RequestOp {
  return { request: { kind: "requestPut", value: putRequest({ key, value, lease }) } };
}

export function rangeOp(value: RangeRequest): RequestOp {
  return { request: { kind: "requestRange", value } };
}

export function deleteOp(key: Uint8Array): RequestOp {
  return { request: { kind: "requestDeleteRange", value: deleteRangeRequest({ key }) } };
}

/** The rows that a range of a transaction has found. */
export function rowsOf(op: ResponseOp | undefined): RangeResponse["kvs"] {
  return op?.response?.kind === "responseRange" ? op.response.value.kvs : [];
}

/** Asks for the contender that came first. */
export function firstCreated(prefix: Uint8Array): RangeRequest {
  return rangeRequest({
    key: prefix,
    rangeEnd: endOf(prefix),
    limit: 1,
    sortOrder: SortOrder.ascend,
    sortTarget: SortTarget.create,
  });
}

function endOf(prefix: Uint8Array): Uint8Array {
  const end = prefixEnd(toKey(prefix));
  return end === null ? new Uint8Array(1) : fromKey(end);
}

/** Resolves once no contender is left that was created at `revision` or before. */
export async function waitForEarlier(
  session: Session,
  prefix: Uint8Array,
  revision: number,
  signal: AbortSignal,
): Promise<void> {
  const before = rangeRequest({
    ...firstCreated(prefix),
    sortOrder: SortOrder.descend,
    maxCreateRevision: revision,
  });
  for (;;) {
    const { header, kvs } = await session.local.unary(session.caller, KV.range, before, signal);
    const [last] = kvs;
    if (last === undefined) return;
    const watch = { key: last.key, startRevision: header?.revision ?? 0 };
    await watchUntil(session, watch, signal, ({ events }, taken) => {
      taken();
      return events.some(({ type }) => type === EventType.delete);
    });
  }
}

/** Of a prefix, from a revision on. */
export function watchOf(prefix: Uint8Array, startRevision: number): Partial<WatchCreateRequest> {
  return { key: prefix, rangeEnd: endOf(prefix), startRevision };
}

/**
 * Watches until `visit` has seen what it waits for, and answers true. It says with `taken` that it has disposed of a response;
 * until then the response counts against the stream's bound. Rejects with whatever ends the watch.
 */
export function watchUntil(
  { local, caller }: Session,
  request: Partial<WatchCreateRequest>,
  signal: AbortSignal,
  visit: (response: WatchResponse, taken: () => void) => boolean,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  const finish = (): void => {
    signal.removeEventListener("abort", onAbort);
    stream.cancel(Status.cancelled);
  };
  const onAbort = (): void => {
    finish();
    reject(signal.reason);
  };
  const stream = local.openStream(caller, Watch.watch.path, {
    onMessage: (message) => {
      const response = decodeWatchResponse(message);
      const refusal = response.canceled ? watchRefusal(response) : null;
      if (refusal === null && !visit(response, () => stream.taken(message.length))) return;
      finish();
      if (refusal === null) resolve();
      else reject(refusal);
    },
    onEnd: (status, text) => {
      signal.removeEventListener("abort", onAbort);
      reject(status === Status.ok ? new QuorateError("unknown", LOST) : toCallError(status, text));
    },
  });
  signal.addEventListener("abort", onAbort, { once: true });
  const create = watchCreateRequest(request);
  stream.write(
    keep(
      encodeWatchRequest(watchRequest({ requestUnion: { kind: "createRequest", value: create } })),
    ),
  );
  return promise;
}

const LOST = "lost watcher waiting for delete";

/** Why a watcher was canceled. */
function watchRefusal({ compactRevision, cancelReason }: WatchResponse): QuorateError {
  if (compactRevision !== 0) return toError(API_ERRORS.compacted);
  return cancelReason === ""
    ? toError(API_ERRORS.futureRevision)
    : new QuorateError("unknown", cancelReason);
}
