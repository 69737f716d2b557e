/** A machine over the store in memory, driven entry by entry as the loop drives it. */
import { setImmediate } from "node:timers/promises";

import { command, encodeCommand, type CommandKind } from "../../../src/api/gen/command.ts";
import {
  compactionRequest,
  deleteRangeRequest,
  putRequest,
  txnRequest,
} from "../../../src/api/gen/kv.ts";
import type {
  DeleteRangeRequest,
  PutRequest,
  RequestOpRequest,
  TxnRequest,
} from "../../../src/api/gen/kv.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { present } from "../../../src/base/assert.ts";
import { toKey } from "../../../src/base/bytes.ts";
import { Machine } from "../../../src/machine/machine.ts";
import type { LogEntry, MachineEvents } from "../../../src/machine/ports.ts";
import type { Reply } from "../../../src/machine/reply.ts";
import type { Change } from "../../../src/mvcc/change.ts";
import { plainQuery } from "../../../src/mvcc/range.ts";
import { keyOf, RecordReader, valueOf } from "../../../src/mvcc/record.ts";
import { testPace } from "../mvcc/fixture.ts";

export const PREFIX = 0x1234;

export interface MachineFixtureOptions {
  readonly backend?: MemoryBackend;
  readonly cacheBytes?: number;
  readonly compactionRows?: number;
  /** Whether a client waits for the entry at this index. */
  readonly waits?: (index: number) => boolean;
}

/** One entry's data: the command with the id that its index makes. */
export function entryData(index: number, kind: CommandKind): Uint8Array {
  const requestId = (BigInt(PREFIX) << 48n) | BigInt(index);
  return Buffer.from(encodeCommand(command({ requestId, kind }))); // the encoder keeps its bytes
}

export class MachineFixture implements MachineEvents {
  readonly backend: MemoryBackend;
  readonly machine: Machine;
  readonly fatal: unknown[];
  /** By index, of the entries somebody waited for. */
  readonly replies: Map<number, Reply> = new Map();
  /** Keys changed, by main revision. */
  readonly changes: Map<number, readonly Change[]> = new Map();
  membersChanged = 0;
  readonly applied: string[] = [];
  authChanged = 0;
  readonly #waits: (index: number) => boolean;

  static async open(options: MachineFixtureOptions = {}): Promise<MachineFixture> {
    const backend = options.backend ?? new MemoryBackend();
    const fatal: unknown[] = [];
    const machine = await Machine.open({
      backend,
      clock: { now: () => 0 },
      pace: testPace,
      valueCacheBytes: options.cacheBytes ?? 1 << 20,
      compactionBatchRevisions: options.compactionRows ?? 1000,
      compactionSleepMs: 0,
      onFatal: (error) => fatal.push(error),
      requestPrefix: PREFIX,
    });
    return new MachineFixture(backend, machine, fatal, options.waits ?? (() => true));
  }

  private constructor(
    backend: MemoryBackend,
    machine: Machine,
    fatal: unknown[],
    waits: (index: number) => boolean,
  ) {
    this.backend = backend;
    this.machine = machine;
    this.fatal = fatal;
    this.#waits = waits;
    machine.connect(this);
  }

  isWaiting(sequence: number): boolean {
    return this.#waits(sequence);
  }

  onReply(sequence: number, reply: Reply): void {
    this.replies.set(sequence, reply);
  }

  onChanges(revision: number, changes: readonly Change[]): void {
    this.changes.set(revision, [...changes]);
  }

  onMembers(): void {
    this.membersChanged++;
  }

  onApplied(kind: string, succeeded: boolean): void {
    this.applied.push(succeeded ? kind : `${kind} failed`);
  }

  onAuth(): void {
    this.authChanged++;
  }

  get nextIndex(): number {
    return this.machine.appliedIndex + 1;
  }

  /** Applies one entry to its end at once. */
  applyData(data: Uint8Array, term = 1): number {
    const index = this.nextIndex;
    const entry: LogEntry = { index, term, data };
    let done = this.machine.apply(entry);
    while (!done) done = this.machine.resume();
    return index;
  }

  /** Applies a command that somebody waits for. */
  apply(kind: CommandKind): Reply {
    const index = this.applyData(entryData(this.nextIndex, kind));
    return present(this.replies.get(index), "the entry was answered");
  }

  put(key: string, value = "", more: Partial<PutRequest> = {}): Reply {
    return this.apply({
      kind: "put",
      value: putRequest({ key: text(key), value: text(value), ...more }),
    });
  }

  deleteRange(key: string, end = "", more: Partial<DeleteRangeRequest> = {}): Reply {
    return this.apply({ kind: "deleteRange", value: deletion(key, end, more) });
  }

  txn(request: Partial<TxnRequest>): Reply {
    return this.apply({ kind: "txn", value: txnRequest(request) });
  }

  compact(revision: number): Reply {
    return this.apply({ kind: "compaction", value: compactionRequest({ revision }) });
  }

  /** `key=value` of everything live now. */
  async live(): Promise<string[]> {
    return await this.liveAt(this.machine.store.revision);
  }

  async liveAt(revision: number): Promise<string[]> {
    const outcome = await this.machine.store.range(
      plainQuery(toKey(Buffer.from([0])), toKey(Buffer.alloc(0)), revision),
    );
    if (outcome.kind !== "rows") throw new Error(outcome.kind);
    return outcome.rows.map(
      (row) => `${keyOf(row)}=${Buffer.from(valueOf(row)).toString("latin1")}`,
    );
  }

  async hash(): Promise<number> {
    const outcome = await this.machine.store.hash(0, new AbortController().signal);
    if (outcome.kind !== "hash") throw new Error(outcome.kind);
    return outcome.hash.hash;
  }

  /** The process dies: of the batches that are not flushed, `lost` are gone. */
  async crashed(lost: number, options: MachineFixtureOptions = {}): Promise<MachineFixture> {
    const kept = Math.max(0, this.backend.unflushedBatches - lost);
    return await MachineFixture.open({ ...options, backend: this.backend.crash(kept) });
  }

  /** Lets background work and the store have some turns. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await setImmediate();
  }
}

export function text(of: string): Uint8Array {
  return Buffer.from(of, "latin1");
}

export function deletion(
  key: string,
  end = "",
  more: Partial<DeleteRangeRequest> = {},
): DeleteRangeRequest {
  return deleteRangeRequest({ key: text(key), rangeEnd: text(end), ...more });
}

export function op(request: RequestOpRequest): { readonly request: RequestOpRequest } {
  return { request };
}

/** A stored KeyValue as text. */
export function showRecord(record: Uint8Array): string {
  const reader = new RecordReader();
  reader.read(record);
  const value = Buffer.from(valueOf(record)).toString("latin1");
  return `${keyOf(record)}=${value} ${reader.create}/${reader.mod}/${reader.version}`;
}
