/**
 * Transactions: compare, then else. All compares, nested ones too, see the state before; the operations of the chosen
 * branches run in order and see what earlier ones did; every precondition is checked before the first change, so that a
 * transaction either happens or does not.
 */
import { compareBytes, EMPTY, toKey, type Key } from "../base/bytes.ts";
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import { CompareResult, CompareTarget } from "../api/gen/kv.ts";
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../api/gen/kv.ts";
import { NO_LEASE, type Lessor } from "../lease/lessor.ts";
import { SUB_MAX } from "../mvcc/key-index.ts";
import { leaseOf, valueOf } from "../mvcc/record.ts";
import type { Position } from "../mvcc/pins.ts";
import type { Store } from "../mvcc/store.ts";
import type { Version } from "../mvcc/version.ts";
import type { WriteTxn } from "../mvcc/write-txn.ts";
import { toRangeEnd } from "./bounds.ts";
import type { DeleteRangeReply, OpReply, PutReply, TxnReply } from "./reply.ts";

/** Keys that one slice of a deletion takes: some ten milliseconds. */
const DELETED_KEYS_PER_SLICE = 4_000;

/** Which branch each transaction of a tree takes: decided once, before anything changes. */
export interface Branch {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** One for each nested transaction of `ops`, in order. */
  readonly nested: readonly Branch[];
}

/** Runs requests against the store and the leases. Every method is deterministic: state and request decide. */
export class Executor {
  readonly #store: Store;
  readonly #lessor: Lessor;

  constructor(store: Store, lessor: Lessor) {
    this.#store = store;
    this.#lessor = lessor;
  }

  /** Evaluates every compare of the tree. */
  branch(request: TxnRequest): Branch {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const ops = succeeded ? request.success : request.failure;
    const nested: Branch[] = [];
    for (const op of ops) {
      if (op.request?.kind === "requestTxn") nested.push(this.branch(op.request.value));
    }
    return { succeeded, ops, nested };
  }

  /** What forbids the chosen branches; null if nothing does. */
  check(branch: Branch): ApiError | null {
    let nested = 0;
    for (const { request } of branch.ops) {
      const error = this.#checkOp(request, branch.nested[nested]);
      if (request?.kind === "requestTxn") nested++;
      if (error !== null) return error;
    }
    return null;
  }

  /** What forbids a put; null if nothing does. */
  checkPut(request: PutRequest): ApiError | null {
    if (
      (request.ignoreValue || request.ignoreLease) &&
      this.#store.current(toKey(request.key)) === null
    ) {
      return API_ERRORS.keyNotFound;
    }
    if (request.lease !== NO_LEASE && !this.#lessor.has(request.lease))
      return API_ERRORS.leaseNotFound;
    return null;
  }

  /** What forbids a read at a revision, which all members must see alike. */
  checkRange(request: RangeRequest): ApiError | null {
    const { revision, compactRevision } = this.#store;
    if (request.revision > revision) return API_ERRORS.futureRevision;
    if (request.revision > 0 && request.revision < compactRevision) return API_ERRORS.compacted;
    return null;
  }

  put(txn: WriteTxn, request: PutRequest, answered: boolean): PutReply {
    const key = toKey(request.key);
    let { value, lease } = request;
    if (request.ignoreValue || request.ignoreLease) {
      const now = txn.current(key);
      const record = now === null ? null : this.#store.recordSync(now);
      if (request.ignoreValue && record !== null) value = valueOf(record);
      if (request.ignoreLease && record !== null) lease = leaseOf(record);
    }
    const previous = txn.put(key, value, lease);
    this.#lessor.detach(key);
    if (lease !== NO_LEASE) this.#lessor.attach(lease, key);
    return {
      kind: "put",
      revision: txn.revision,
      previous: answered && request.prevKv ? previous : null,
    };
  }

  /** Yields between slices. */
  *deleteRange(
    txn: WriteTxn,
    request: DeleteRangeRequest,
    answered: boolean,
  ): Generator<undefined, DeleteRangeReply> {
    const end = toRangeEnd(request.rangeEnd);
    this.#store.counts.deletes++;
    const previous: Version[] = [];
    let deleted = 0;
    let from: Key = toKey(request.key);
    for (;;) {
      const slice = txn.deleteRange(from, end, DELETED_KEYS_PER_SLICE);
      deleted += slice.deleted.length;
      for (const version of slice.deleted) {
        this.#lessor.detach(version.key);
        if (answered && request.prevKv) previous.push(version);
      }
      if (slice.next === null)
        return { kind: "deleteRange", revision: txn.revision, deleted, previous };
      from = slice.next;
      yield undefined;
    }
  }

  /** Runs the chosen branches. Yields between slices. */
  *run(txn: WriteTxn, branch: Branch, answered: boolean): Generator<undefined, TxnReply> {
    const responses: OpReply[] = [];
    let nested = 0;
    if (branch.ops.length > 1) this.#store.counts.txns++;
    for (const { request } of branch.ops) {
      if (request === null) continue; // refused by validation
      switch (request.kind) {
        case "requestRange":
          if (answered) this.#store.counts.ranges++;
          responses.push({
            kind: "range",
            revision: txn.revision,
            request: request.value,
            position: positionOf(request.value, txn.position),
          });
          break;
        case "requestPut":
          responses.push(this.put(txn, request.value, answered));
          break;
        case "requestDeleteRange":
          responses.push(yield* this.deleteRange(txn, request.value, answered));
          break;
        case "requestTxn": {
          const inner = branch.nested[nested++];
          if (inner !== undefined) responses.push(yield* this.run(txn, inner, answered));
          break;
        }
      }
    }
    return { kind: "txn", revision: txn.revision, succeeded: branch.succeeded, responses };
  }

  /** Now, for a transaction that reads. */
  here(): Position {
    return { main: this.#store.revision, sub: SUB_MAX };
  }

  /** A transaction of ranges alone, none nested: opens no write. */
  read(branch: Branch): TxnReply {
    const { revision } = this.#store;
    const responses: OpReply[] = [];
    if (branch.ops.length > 1) this.#store.counts.txns++;
    for (const { request } of branch.ops) {
      if (request?.kind === "requestRange") {
        this.#store.counts.ranges++;
        const position = positionOf(request.value, this.here());
        responses.push({ kind: "range", revision, request: request.value, position });
      }
    }
    return { kind: "txn", revision, succeeded: branch.succeeded, responses };
  }

  #checkOp(request: RequestOp["request"], nested: Branch | undefined): ApiError | null {
    switch (request?.kind) {
      case "requestRange":
        return this.checkRange(request.value);
      case "requestPut":
        return this.checkPut(request.value);
      case "requestTxn":
        return nested === undefined ? null : this.check(nested);
      case "requestDeleteRange":
        return null;
      default:
        return API_ERRORS.keyNotFound;
    }
  }

  /** Whether a compare holds for its key, or for every key of its range. */
  #holds(compare: Compare): boolean {
    const key = toKey(compare.key);
    const end = toRangeEnd(compare.rangeEnd);
    if (end === null) return this.#holdsFor(compare, this.#store.current(key));
    let found = false;
    let holds = true;
    this.#store.forEachCurrent(key, end, (version) => {
      found = true;
      holds = this.#holdsFor(compare, version);
      return holds;
    });
    return found ? holds : this.#holdsFor(compare, null);
  }

  #holdsFor(compare: Compare, version: Version | null): boolean {
    const order = this.#order(compare, version);
    if (order === null) return false;
    switch (compare.result) {
      case CompareResult.equal:
        return order === 0;
      case CompareResult.notEqual:
        return order !== 0;
      case CompareResult.greater:
        return order > 0;
      case CompareResult.less:
        return order < 0;
      default:
        return true; // etcd ignores a result that it does not know
    }
  }

  /** How what is stored compares with what was given; null where nothing can be compared. */
  #order(compare: Compare, version: Version | null): number | null {
    const union = compare.targetUnion;
    switch (compare.target) {
      case CompareTarget.version:
        return (version?.version ?? 0) - (union?.kind === "version" ? union.value : 0);
      case CompareTarget.create:
        return (version?.create ?? 0) - (union?.kind === "createRevision" ? union.value : 0);
      case CompareTarget.mod:
        return (version?.main ?? 0) - (union?.kind === "modRevision" ? union.value : 0);
      case CompareTarget.lease: {
        const given = union?.kind === "lease" ? union.value : NO_LEASE;
        const stored = version === null ? NO_LEASE : leaseOf(this.#store.recordSync(version));
        return stored === given ? 0 : stored < given ? -1 : 1;
      }
      case CompareTarget.value:
        return this.#orderOfValue(union?.kind === "value" ? union.value : null, version);
      default:
        return 0;
    }
  }

  #orderOfValue(given: Uint8Array | null, version: Version | null): number | null {
    if (version === null) return null; // a value is never compared with an absent one
    const stored = valueOf(this.#store.recordSync(version));
    return compareBytes(stored, given ?? EMPTY);
  }
}

/** Where a range of a transaction reads: at its own revision, or after what the transaction did by then. */
function positionOf(request: RangeRequest, now: Position): Position {
  return request.revision > 0 ? { main: request.revision, sub: SUB_MAX } : now;
}
