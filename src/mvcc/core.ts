/** What the parts of the store share: the index, what is on its way, and where the history stands. */
import type { Backend } from "../backend/backend.ts";
import type { BackendBuffer } from "../backend/buffer.ts";
import { SUB_MAX } from "./key-index.ts";
import { QuorateError } from "../base/errors.ts";
import type { Pace } from "./pace.ts";
import { PendingChanges } from "./pending.ts";
import { Pins, type Position } from "./pins.ts";
import { FIRST_REVISION, type Revision } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";
import { Values } from "./values.ts";

/** Before the first compaction. */
export const NEVER_COMPACTED = -1;

/** What was asked of the store since it was opened: plain numbers, which only grow. */
export interface StoreCounts {
  /** Ranges, of transactions too, where a client waits for them. */
  ranges: number;
  puts: number;
  /** Requests to delete, however many keys they name. */
  deletes: number;
  /** Transactions of more than one operation. */
  txns: number;
  /** Bytes of the keys and values that were put. */
  putBytes: number;
  /** Records that compactions removed. */
  compactedRecords: number;
}

export class Core {
  readonly backend: Backend;
  readonly buffer: BackendBuffer;
  readonly pace: Pace;
  readonly index: TreeIndex;
  readonly pending: PendingChanges = new PendingChanges();
  readonly pins: Pins = new Pins();
  readonly values: Values;
  readonly counts: StoreCounts = {
    ranges: 0,
    puts: 0,
    deletes: 0,
    txns: 0,
    putBytes: 0,
    compactedRecords: 0,
  };
  /** Of the last write that ended. */
  revision: Revision = FIRST_REVISION;
  /** Set when a compaction is applied, before it is done physically. Invariant: <= revision. */
  compactRevision: number = NEVER_COMPACTED;
  /** The newest change in the index: that of a write in progress is above `revision`. */
  headMain: number = FIRST_REVISION;
  headSub: number = SUB_MAX;
  /** A write has begun and not ended; a long one spans turns. */
  writing = false;
  closed = false;

  /** Called where a read found the store damaged: the process must end. */
  readonly onDamage: (error: unknown) => void;

  constructor(
    backend: Backend,
    buffer: BackendBuffer,
    pace: Pace,
    index: TreeIndex,
    onFatal: (error: unknown) => void,
  ) {
    this.backend = backend;
    this.buffer = buffer;
    this.pace = pace;
    this.index = index;
    this.onDamage = (error) => {
      if (error instanceof QuorateError && error.code === "corruption" && !this.closed) {
        onFatal(error);
      }
    };
    this.values = new Values(backend, this.pending, this.onDamage);
    buffer.onCommitted((index) => this.pending.arrived(index));
  }

  /** Whether the state at `position` is what the index holds as newest. */
  isHead(position: Position): boolean {
    return (
      position.main > this.headMain ||
      (position.main === this.headMain && position.sub >= this.headSub)
    );
  }
}
