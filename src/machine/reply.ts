/** What applying an entry answered. Values are not in it: handles are, whose records the caller reads where a client waits. */
import type { ApiError } from "../api/catalogue.ts";
import type { AlarmMember } from "../api/gen/maintenance.ts";
import type { RangeRequest } from "../api/gen/kv.ts";
import { unreachable } from "../base/assert.ts";
import type { Pin, Position } from "../mvcc/pins.ts";
import type { Revision } from "../mvcc/revision.ts";
import type { Version } from "../mvcc/version.ts";

export interface PutReply {
  readonly kind: "put";
  /** Of the nested header, where the operation is one of a transaction. */
  readonly revision: Revision;
  /** The version before, where it was asked for and there was one. */
  readonly previous: Version | null;
}

export interface DeleteRangeReply {
  readonly kind: "deleteRange";
  readonly revision: Revision;
  readonly deleted: number;
  /** The versions before, in key order, where they were asked for. */
  readonly previous: readonly Version[];
}

/** A range of a transaction: what it saw is named by its position, and read later. */
export interface RangeReply {
  readonly kind: "range";
  readonly revision: Revision;
  readonly request: RangeRequest;
  /** What it saw. Pinned until the reply is released. */
  readonly position: Position;
}

export interface TxnReply {
  readonly kind: "txn";
  readonly revision: Revision;
  readonly succeeded: boolean;
  readonly responses: readonly OpReply[];
}

export type OpReply = PutReply | DeleteRangeReply | RangeReply | TxnReply;

/** How an entry ended. `revision` is the store's after it. */
export type Reply =
  | { readonly kind: "error"; readonly error: ApiError; readonly revision: Revision }
  | {
      readonly kind: "op";
      readonly op: OpReply;
      readonly revision: Revision;
      /** Keeps the revisions that `op` names from compaction until they were read; null if it names none. */
      readonly pin: Pin | null;
    }
  | {
      readonly kind: "compaction";
      readonly revision: Revision;
      /** Settles once the compacted revisions are gone from the store. */
      readonly physical: Promise<void>;
    }
  | {
      readonly kind: "leaseGrant";
      readonly id: bigint;
      readonly ttl: number;
      readonly revision: Revision;
    }
  | { readonly kind: "alarm"; readonly alarms: readonly AlarmMember[]; readonly revision: Revision }
  /** A token is known from the entry at `index` on. */
  | { readonly kind: "authenticated"; readonly index: number; readonly revision: Revision }
  | { readonly kind: "done"; readonly revision: Revision };

/** The oldest revision that reading a reply will need, at most `newest`. */
export function oldestNamed(op: OpReply, newest: number): number {
  switch (op.kind) {
    case "range":
      return op.request.revision > 0 ? Math.min(op.request.revision, newest) : newest;
    case "txn":
      return op.responses.reduce(
        (oldest, each) => Math.min(oldest, oldestNamed(each, newest)),
        newest,
      );
    case "put":
    case "deleteRange":
      return newest;
    default:
      return unreachable(op);
  }
}
