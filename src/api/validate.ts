/**
 * What a request must satisfy before it is proposed or read, in etcd's order, so that a request with two faults gets the
 * same answer (etcd v3.6, server/etcdserver/api/v3rpc/key.go). Each check answers null, or what to tell the client.
 */
import { successor, toKey } from "../base/bytes.ts";
import type { Key } from "../base/bytes.ts";
import { API_ERRORS, WATCH_REASONS } from "./catalogue.ts";
import type { ApiError } from "./catalogue.ts";
import { SortOrder, SortTarget } from "./gen/kv.ts";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "./gen/kv.ts";
import type { LeaseGrantRequest } from "./gen/lease.ts";
import type { WatchCreateRequest } from "./gen/watch.ts";
import { Intervals } from "./intervals.ts";

/** Seconds (etcd, server/lease/lessor.go: MaxLeaseTTL). */
export const LEASE_TTL_MAX = 9_000_000_000;

export function checkRange(request: RangeRequest): ApiError | null {
  if (request.key.length === 0) return API_ERRORS.emptyKey;
  const { sortOrder, sortTarget } = request;
  if (sortOrder < SortOrder.none || sortOrder > SortOrder.descend) {
    return API_ERRORS.invalidSortOption;
  }
  if (sortTarget < SortTarget.key || sortTarget > SortTarget.value) {
    return API_ERRORS.invalidSortOption;
  }
  return null;
}

export function checkPut(request: PutRequest): ApiError | null {
  if (request.key.length === 0) return API_ERRORS.emptyKey;
  if (request.ignoreValue && request.value.length > 0) return API_ERRORS.valueProvided;
  if (request.ignoreLease && request.lease !== 0n) return API_ERRORS.leaseProvided;
  return null;
}

export function checkDeleteRange(request: DeleteRangeRequest): ApiError | null {
  return request.key.length === 0 ? API_ERRORS.emptyKey : null;
}

/** `opsMax` is --max-txn-ops: what the longest list of a Txn leaves of it is what the Txns within may have. */
export function checkTxn(request: TxnRequest, opsMax: number): ApiError | null {
  const fault = checkTxnShape(request, opsMax);
  if (fault !== null) return fault;
  // Only now: the shape bounds what the overlap check has to look at.
  if (!hasNested(request)) {
    return hasFlatDuplicate(request.success) || hasFlatDuplicate(request.failure)
      ? API_ERRORS.duplicateKey
      : null;
  }
  return collectWrites(request.success) === null || collectWrites(request.failure) === null
    ? API_ERRORS.duplicateKey
    : null;
}

function checkTxnShape(request: TxnRequest, opsMax: number): ApiError | null {
  const { compare, success, failure } = request;
  const ops = Math.max(compare.length, success.length, failure.length);
  if (ops > opsMax) return API_ERRORS.tooManyOps;
  for (const { key } of compare) if (key.length === 0) return API_ERRORS.emptyKey;
  return checkOps(success, opsMax - ops) ?? checkOps(failure, opsMax - ops);
}

function checkOps(ops: readonly RequestOp[], nestedMax: number): ApiError | null {
  for (const op of ops) {
    const fault = checkOp(op, nestedMax);
    if (fault !== null) return fault;
  }
  return null;
}

function checkOp({ request }: RequestOp, nestedMax: number): ApiError | null {
  if (request === null) return API_ERRORS.keyNotFound;
  switch (request.kind) {
    case "requestRange":
      return checkRange(request.value);
    case "requestPut":
      return checkPut(request.value);
    case "requestDeleteRange":
      return checkDeleteRange(request.value);
    case "requestTxn":
      return checkTxnShape(request.value, nestedMax);
  }
}

function hasNested({ success, failure }: TxnRequest): boolean {
  for (const { request } of success) if (request?.kind === "requestTxn") return true;
  for (const { request } of failure) if (request?.kind === "requestTxn") return true;
  return false;
}

/** The common case: no Txn within. One put or less cannot collide unless something is deleted. */
function hasFlatDuplicate(ops: readonly RequestOp[]): boolean {
  let puts = 0;
  let deletes = 0;
  for (const { request } of ops) {
    if (request?.kind === "requestPut") puts++;
    else if (request?.kind === "requestDeleteRange") deletes++;
  }
  if (puts === 0 || puts + deletes < 2) return false;
  return collectWrites(ops) === null;
}

/** What a branch writes. */
interface Writes {
  readonly puts: Set<Key>;
  readonly deletes: Intervals;
}

/**
 * The writes of a branch and of all Txns within, or null if a key is put twice or put and deleted.
 *
 * As in etcd, a delete's end is compared as it stands: one with the end "\0" (no end) collides with nothing. And a nested
 * Txn's puts are compared with this branch's own deletes and those of the nested Txns before it, not after it.
 */
function collectWrites(ops: readonly RequestOp[]): Writes | null {
  const deletes = new Intervals();
  for (const { request } of ops) {
    if (request?.kind !== "requestDeleteRange") continue;
    const from = toKey(request.value.key);
    const { rangeEnd } = request.value;
    deletes.add(from, rangeEnd.length === 0 ? successor(from) : toKey(rangeEnd));
  }
  let puts = new Set<Key>();
  for (const { request } of ops) {
    if (request?.kind !== "requestTxn") continue;
    const then = collectWrites(request.value.success);
    if (then === null) return null;
    const otherwise = collectWrites(request.value.failure);
    if (otherwise === null) return null;
    if (collides(then.puts, puts, deletes) || collides(otherwise.puts, puts, deletes)) return null;
    // Both branches may put one key: only one of them runs.
    puts = union(puts, union(then.puts, otherwise.puts));
    deletes.addAll(then.deletes);
    deletes.addAll(otherwise.deletes);
  }
  for (const { request } of ops) {
    if (request?.kind !== "requestPut") continue;
    const key = toKey(request.value.key);
    if (puts.has(key) || deletes.covers(key)) return null;
    puts.add(key);
  }
  return { puts, deletes };
}

function collides(added: ReadonlySet<Key>, puts: ReadonlySet<Key>, deletes: Intervals): boolean {
  const [small, large] = added.size < puts.size ? [added, puts] : [puts, added];
  for (const key of small) if (large.has(key)) return true;
  if (deletes.empty) return false;
  for (const key of added) if (deletes.covers(key)) return true;
  return false;
}

/** The smaller goes into the larger, so that depth does not multiply the work. Both are used up. */
function union(a: Set<Key>, b: Set<Key>): Set<Key> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const key of small) large.add(key);
  return large;
}

export function checkLeaseGrant(request: LeaseGrantRequest): ApiError | null {
  return request.ttl > LEASE_TTL_MAX ? API_ERRORS.leaseTtlTooLarge : null;
}

/** Why a watch is refused whatever the store holds: the cancel reason, or null. */
export function checkWatchCreate(request: WatchCreateRequest): string | null {
  const { key, rangeEnd, startRevision } = request;
  if (startRevision < 0) return WATCH_REASONS.compacted;
  const openEnd = rangeEnd.length === 1 && rangeEnd[0] === 0;
  if (rangeEnd.length === 0 || openEnd) return null;
  // An empty key stands for the least one, "\0".
  const from = key.length === 0 ? ("\0" as Key) : toKey(key);
  return from >= toKey(rangeEnd) ? WATCH_REASONS.emptyRange : null;
}
