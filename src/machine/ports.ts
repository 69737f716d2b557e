/** What the machine asks of its member, and what it tells it. */
import type { CommandKind } from "../api/gen/command.ts";
import type { Backend } from "../backend/backend.ts";
import type { Later } from "../backend/buffer.ts";
import type { Clock } from "../base/ports.ts";
import type { Change } from "../mvcc/change.ts";
import type { Pace } from "../mvcc/pace.ts";
import type { CheckpointSource } from "../mvcc/restore.ts";
import type { Revision } from "../mvcc/revision.ts";
import type { Reply } from "./reply.ts";

/** An entry as the log has it; `index` and `term` are counted by Raft. */
export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface MachineOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly pace: Pace;
  /** How long small batches wait for company on their way to the store; default: not at all. */
  readonly later?: Later;
  readonly valueCacheBytes: number;
  readonly compactionBatchRevisions: number;
  readonly compactionSleepMs: number;
  /** Of the store's index (`Machine.writeCheckpoint`); without one every record is read. */
  readonly checkpoint?: CheckpointSource | null;
  /** The state is damaged or its store refuses: the process must end. */
  readonly onFatal: (error: unknown) => void;
  /** Upper 16 bits of the request ids of this member. */
  readonly requestPrefix: number;
}

/** What the machine tells its member. Called while an entry is applied, or right after. */
export interface MachineEvents {
  /** Whether somebody here waits for this request. */
  isWaiting(sequence: number): boolean;
  onReply(sequence: number, reply: Reply): void;
  /** The changes of one main revision, in order. */
  onChanges(revision: Revision, changes: readonly Change[]): void;
  onMembers(): void;
  /** Who may do what is not what it was. */
  onAuth(): void;
  /** An entry is through: what kind of command it held, and whether it ended without an error. */
  onApplied(kind: CommandKind["kind"], succeeded: boolean): void;
}
