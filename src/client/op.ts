/** Operations: what each asks, and how its answer reads. Used alone by kv.ts, and together in transactions by txn.ts. */
import {
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseOp,
  SortOrder,
  SortTarget,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
} from "../api/gen/kv.ts";
import { EMPTY } from "../base/bytes.ts";
import { type Bytes, type KeyRange, toBytes, toWireRange } from "./bytes.ts";
import { ClientError } from "./error.ts";
import { KeyValue, toKeyValue } from "./key-value.ts";

/** One operation of a transaction; `Result` is what it answers. */
export interface Op<Result> {
  readonly request: RequestOp;
  /** It changes nothing. */
  readonly isRead: boolean;
  readonly read: (response: ResponseOp) => Result;
}

export interface GetOptions {
  /** As of this revision; the newest unless given. */
  readonly revision?: number | undefined;
  /** What the asked member knows, which may be old; needs no majority. */
  readonly serializable?: boolean | undefined;
}

export interface RangeOptions extends GetOptions {
  /** At most so many. */
  readonly limit?: number | undefined;
  /** Values stay empty. */
  readonly keysOnly?: boolean | undefined;
  /** No rows at all, `count` alone. */
  readonly countOnly?: boolean | undefined;
  /** Ascending keys unless given. */
  readonly sort?: {
    readonly by: keyof typeof SortTarget;
    readonly order?: "ascend" | "descend" | undefined;
  };
  /** Bounds of the rows, both inclusive; `count` is of the whole range all the same. */
  readonly minModRevision?: number | undefined;
  readonly maxModRevision?: number | undefined;
  readonly minCreateRevision?: number | undefined;
  readonly maxCreateRevision?: number | undefined;
}

export interface RangeResult {
  readonly rows: readonly KeyValue[];
  /** All keys of the range, whatever the limit. */
  readonly count: number;
  /** The limit cut the rows. */
  readonly more: boolean;
  /** The store's revision when it was read. */
  readonly revision: number;
}

export interface PutOptions {
  /** The key goes when this lease does. Without, it is freed of the lease it had. */
  readonly lease?: bigint | undefined;
  /** Answer what was there before. */
  readonly previous?: boolean | undefined;
  /** Leave the value, and give only the lease; `value` must then be empty. */
  readonly keepValue?: boolean | undefined;
  /** Leave the lease, and give only the value. */
  readonly keepLease?: boolean | undefined;
}

export interface PutResult {
  readonly revision: number;
  /** Null where there was none, or it was not asked for. */
  readonly previous: KeyValue | null;
}

export interface DeleteOptions {
  /** Answer what was there. */
  readonly previous?: boolean | undefined;
}

export interface DeleteResult {
  readonly revision: number;
  readonly deleted: number;
  /** Empty unless it was asked for. */
  readonly previous: readonly KeyValue[];
}

export function toRangeRequest(range: KeyRange, options: RangeOptions = {}): RangeRequest {
  const { sort } = options;
  return rangeRequest({
    ...toWireRange(range),
    limit: options.limit ?? 0,
    revision: options.revision ?? 0,
    serializable: options.serializable ?? false,
    keysOnly: options.keysOnly ?? false,
    countOnly: options.countOnly ?? false,
    sortTarget: sort === undefined ? SortTarget.key : SortTarget[sort.by],
    sortOrder: sort === undefined ? SortOrder.none : SortOrder[sort.order ?? "ascend"],
    minModRevision: options.minModRevision ?? 0,
    maxModRevision: options.maxModRevision ?? 0,
    minCreateRevision: options.minCreateRevision ?? 0,
    maxCreateRevision: options.maxCreateRevision ?? 0,
  });
}

export function toRangeResult(response: RangeResponse): RangeResult {
  return {
    rows: response.kvs.map((kv) => new KeyValue(kv)),
    count: response.count,
    more: response.more,
    revision: response.header?.revision ?? 0,
  };
}

export function toPutRequest(key: Bytes, value: Bytes, options: PutOptions = {}): PutRequest {
  return putRequest({
    key: toBytes(key),
    value: options.keepValue === true ? EMPTY : toBytes(value),
    lease: options.lease ?? 0n,
    prevKv: options.previous ?? false,
    ignoreValue: options.keepValue ?? false,
    ignoreLease: options.keepLease ?? false,
  });
}

export function toPutResult(response: PutResponse): PutResult {
  return { revision: response.header?.revision ?? 0, previous: toKeyValue(response.prevKv) };
}

export function toDeleteRequest(range: KeyRange, options: DeleteOptions = {}): DeleteRangeRequest {
  return deleteRangeRequest({ ...toWireRange(range), prevKv: options.previous ?? false });
}

export function toDeleteResult(response: DeleteRangeResponse): DeleteResult {
  return {
    revision: response.header?.revision ?? 0,
    deleted: response.deleted,
    previous: response.prevKvs.map((kv) => new KeyValue(kv)),
  };
}

/** A server that answers an operation with another's answer is not to be trusted with the rest. */
export function mismatched(): ClientError {
  return new ClientError("internal", "the answers of a transaction do not fit its operations");
}

/** The operations of a transaction. */
export const op = {
  /** Answers the key's row, or null. */
  get(key: Bytes, options: GetOptions = {}): Op<KeyValue | null> {
    const { request, isRead, read } = op.range(key, options);
    return { request, isRead, read: (response) => read(response).rows[0] ?? null };
  },

  range(range: KeyRange, options: RangeOptions = {}): Op<RangeResult> {
    return {
      request: { request: { kind: "requestRange", value: toRangeRequest(range, options) } },
      isRead: true,
      read: ({ response }) => {
        if (response?.kind !== "responseRange") throw mismatched();
        return toRangeResult(response.value);
      },
    };
  },

  put(key: Bytes, value: Bytes, options: PutOptions = {}): Op<PutResult> {
    return {
      request: { request: { kind: "requestPut", value: toPutRequest(key, value, options) } },
      isRead: false,
      read: ({ response }) => {
        if (response?.kind !== "responsePut") throw mismatched();
        return toPutResult(response.value);
      },
    };
  },

  delete(range: KeyRange, options: DeleteOptions = {}): Op<DeleteResult> {
    return {
      request: { request: { kind: "requestDeleteRange", value: toDeleteRequest(range, options) } },
      isRead: false,
      read: ({ response }) => {
        if (response?.kind !== "responseDeleteRange") throw mismatched();
        return toDeleteResult(response.value);
      },
    };
  },
};
