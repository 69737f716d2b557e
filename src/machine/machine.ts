/**
 * The replicated state machine: an entry in, a reply out. Applying is a function of the state and the entry alone, never of
 * who is connected, of a clock, or of an error that only this member sees: such an error ends the process instead.
 */
import { assert, unreachable } from "../base/assert.ts";
import { QuorateError } from "../base/errors.ts";
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import { decodeCommand } from "../api/gen/command.ts";
import type { Command, CommandKind } from "../api/gen/command.ts";
import type { TxnRequest } from "../api/gen/kv.ts";
import { Auth } from "../auth/auth.ts";
import type { Backend } from "../backend/backend.ts";
import { BackendBuffer } from "../backend/buffer.ts";
import { Bucket } from "../backend/buckets.ts";
import { readBucket } from "../backend/scan.ts";
import { Lessor } from "../lease/lessor.ts";
import type { CheckpointMark, CheckpointSink } from "../mvcc/checkpoint.ts";
import { SUB_MAX } from "../mvcc/key-index.ts";
import { Store } from "../mvcc/store.ts";
import type { WriteTxn } from "../mvcc/write-txn.ts";
import { Alarms } from "./alarms.ts";
import { applyAuth, AUTH_CODECS } from "./auth-commands.ts";
import { Authoriser } from "./authorise.ts";
import { readRequestId, type RequestId } from "./command.ts";
import { Members, type Member } from "./members.ts";
import type { LogEntry, MachineEvents, MachineOptions } from "./ports.ts";
import { oldestNamed, type OpReply, type Reply } from "./reply.ts";
import { Executor } from "./txn.ts";
import { Versions } from "./versions.ts";

const KEYS_REVOKED_PER_SLICE = 4_000;

export class Machine {
  readonly backend: Backend;
  readonly buffer: BackendBuffer;
  readonly store: Store;
  readonly lessor: Lessor;
  readonly members: Members;
  readonly alarms: Alarms;
  readonly versions: Versions;
  readonly auth: Auth;
  readonly authoriser: Authoriser;
  readonly #options: MachineOptions;
  readonly #executor: Executor;
  readonly #requestId: RequestId = { prefix: 0, sequence: 0 };
  #events: MachineEvents | null = null;
  /** The entry that is half-way through, with the rest of its work. */
  #running: { readonly entry: LogEntry; readonly work: Generator<undefined, Reply> } | null = null;
  #answered = false;
  /** Of the entry being applied. */
  #kind: CommandKind["kind"] = "put";

  /** Opens the state in `backend`, wherever it stands. Rebuilds the index. */
  static async open(options: MachineOptions): Promise<Machine> {
    const buffer = BackendBuffer.open(options.backend, options.later);
    buffer.onFatal(options.onFatal);
    const store = await Store.open({
      backend: options.backend,
      buffer,
      pace: options.pace,
      cacheBytesMax: options.valueCacheBytes,
      compactionRowsMax: options.compactionBatchRevisions,
      compactionPauseMs: options.compactionSleepMs,
      checkpoint: options.checkpoint ?? null,
      onFatal: options.onFatal,
    });
    const rows = (bucket: Bucket): ReturnType<typeof readBucket> =>
      readBucket(options.backend, bucket, buffer.totals(bucket));
    const lessor = new Lessor(buffer, await rows(Bucket.lease));
    for (const [key, id] of store.takeLeases()) if (lessor.has(id)) lessor.attach(id, key);
    const auth = new Auth(buffer, AUTH_CODECS, {
      auth: await rows(Bucket.auth),
      users: await rows(Bucket.users),
      roles: await rows(Bucket.roles),
    });
    const machine = new Machine(options, buffer, store, lessor, auth);
    await rows(Bucket.meta); // what was read of it by name is all that should be there
    for (const [, payload] of await rows(Bucket.members)) machine.members.load(payload);
    for (const [, payload] of await rows(Bucket.alarms)) machine.alarms.load(payload);
    store.resumeCompaction();
    return machine;
  }

  private constructor(
    options: MachineOptions,
    buffer: BackendBuffer,
    store: Store,
    lessor: Lessor,
    auth: Auth,
  ) {
    this.#options = options;
    this.backend = options.backend;
    this.buffer = buffer;
    this.store = store;
    this.lessor = lessor;
    this.members = new Members(buffer);
    this.alarms = new Alarms(buffer);
    this.auth = auth;
    this.authoriser = new Authoriser(auth, lessor);
    this.#executor = new Executor(store, this.lessor);
    this.versions = new Versions(buffer);
  }

  /** Copies the index for the next start, as of the last entry; null between the slices of one. See Store.writeCheckpoint. */
  async writeCheckpoint(sink: CheckpointSink): Promise<CheckpointMark | null> {
    if (this.#running !== null) return null;
    return await this.store.writeCheckpoint((key) => this.lessor.leaseOf(key), sink);
  }

  /** From now on, tells `events`. Before the first entry is applied. */
  connect(events: MachineEvents): void {
    this.#events = events;
  }

  /** Of the last applied entry. */
  get appliedIndex(): number {
    return this.buffer.appliedIndex;
  }

  get appliedTerm(): number {
    return this.buffer.term;
  }

  /** Voters and learners, for Raft. */
  membership(): { readonly voters: readonly bigint[]; readonly learners: readonly bigint[] } {
    const members = this.members.list();
    return {
      voters: members.filter((member) => !member.isLearner).map((member) => member.id),
      learners: members.filter((member) => member.isLearner).map((member) => member.id),
    };
  }

  /** The state a new cluster begins with, as if entry (`index`, `term`) had made it. The same on all its members. */
  bootstrap(members: readonly Member[], index: number, term: number): void {
    assert(this.appliedIndex === 0, "only an empty store is bootstrapped");
    this.members.bootstrap(members);
    this.buffer.seal(index, term);
  }

  /** `member` goes on alone, as if entry (`index`, `term`), which no log holds, had said so. See Members.leaveOnly. */
  leaveOnly(member: Member, index: number, term: number): void {
    assert(this.#running === null && index > this.appliedIndex, "it follows on whole entries");
    this.members.leaveOnly(member);
    this.alarms.leaveOnly(member.id);
    this.buffer.seal(index, term);
  }

  /** Applies one entry, or begins to: false while slices of it remain. */
  apply(entry: LogEntry): boolean {
    assert(this.#running === null, "one entry is applied at a time");
    if (entry.data.length === 0) {
      this.buffer.seal(entry.index, entry.term); // a leader opens its term
      return true;
    }
    readRequestId(entry.data, this.#requestId);
    this.#answered =
      this.#requestId.prefix === this.#options.requestPrefix &&
      (this.#events?.isWaiting(this.#requestId.sequence) ?? false);
    const outcome = this.#start(decodeCommand(entry.data));
    if ("next" in outcome) {
      this.#running = { entry, work: outcome };
      return this.resume();
    }
    this.#finish(entry, outcome);
    return true;
  }

  /** Goes on with the entry that `apply` began. */
  resume(): boolean {
    const running = this.#running;
    assert(running !== null, "an entry is half-way through");
    const step = running.work.next();
    if (step.done !== true) return false;
    this.#running = null;
    this.#finish(running.entry, step.value);
    return true;
  }

  /**
   * Waits for what was applied to reach the store, and closes it. An entry that is half-way through is ended first, since
   * the store takes whole entries alone; nobody is told of it any more.
   */
  async close(): Promise<void> {
    this.#events = null;
    while (this.#running !== null && !this.resume()) await this.#options.pace.turn();
    await this.store.close();
    await this.buffer.close();
  }

  #finish(entry: LogEntry, reply: Reply): void {
    this.buffer.seal(entry.index, entry.term);
    this.#events?.onApplied(this.#kind, reply.kind !== "error");
    if (this.#answered) this.#events?.onReply(this.#requestId.sequence, reply);
  }

  #start(command: Command): Reply | Generator<undefined, Reply> {
    const { kind } = command;
    if (kind === null) {
      throw new QuorateError(
        "storage",
        "the log holds a command that this release does not know: run the release that wrote it",
      );
    }
    this.#kind = kind.kind;
    const refusal = this.#refusal(command, kind);
    if (refusal !== null) return this.#error(refusal);
    switch (kind.kind) {
      case "put":
        return this.#put(kind);
      case "deleteRange":
        return this.#write((txn) => this.#executor.deleteRange(txn, kind.value, this.#answered));
      case "txn":
        return this.#txn(kind.value);
      case "compaction":
        return this.#compact(kind.value.revision);
      default:
        return this.#startOther(command, kind);
    }
  }

  #refusal(command: Command, kind: CommandKind): ApiError | null {
    if (this.auth.enabled && !command.own) {
      const error = this.authoriser.entry(command, kind);
      if (error !== null) return error;
    }
    return this.alarms.refusal(kind);
  }

  /** Everything that is not a write to the key space. */
  #startOther(command: Command, kind: CommandKind): Reply | Generator<undefined, Reply> {
    switch (kind.kind) {
      case "leaseGrant":
        return this.#leaseGrant(kind.value.id, kind.value.ttl);
      case "leaseRevoke":
        return this.#revoke(kind.value.id);
      case "leaseCheckpoint":
        for (const each of kind.value.leases)
          this.lessor.checkpoint(each, this.#options.clock.now());
        return this.#done();
      case "alarm":
        return {
          kind: "alarm",
          alarms: this.alarms.apply(kind.value),
          revision: this.store.revision,
        };
      case "memberAttributes":
        this.members.publish(kind.value.id, kind.value.name, kind.value.clientUrls);
        this.#events?.onMembers();
        return this.#done();
      case "membership": {
        const error = this.members.change(kind.value);
        this.#events?.onMembers();
        return error === null ? this.#done() : this.#error(error);
      }
      case "clusterVersion":
        this.versions.setCluster(kind.value.version);
        return this.#done();
      case "downgrade":
        this.versions.setDowngrade(kind.value);
        return this.#done();
      default:
        return this.#auth(command, kind);
    }
  }

  #auth(command: Command, kind: CommandKind): Reply {
    const index = this.appliedIndex + 1;
    const outcome = applyAuth(this.auth, command, index, this.#options.clock.now());
    switch (outcome?.kind) {
      case "error":
        return this.#error(outcome.error);
      case "changed":
        this.#events?.onAuth();
        return this.#done();
      case "granted":
        return { kind: "authenticated", index, revision: this.store.revision };
      default:
        throw new QuorateError(
          "storage",
          `the log holds '${kind.kind}', which this release does not apply: run the release that wrote it`,
        );
    }
  }

  #put(kind: Extract<CommandKind, { kind: "put" }>): Reply {
    const error = this.#executor.checkPut(kind.value);
    if (error !== null) return this.#error(error);
    const txn = this.store.beginWrite();
    const op = this.#executor.put(txn, kind.value, this.#answered);
    this.#end(txn);
    if (op.previous === null) return { kind: "op", op, revision: this.store.revision, pin: null };
    return this.#opReply(op, true);
  }

  #txn(request: TxnRequest): Reply | Generator<undefined, Reply> {
    const branch = this.#executor.branch(request);
    const error = this.#executor.check(branch);
    if (error !== null) return this.#error(error);
    return this.#write((txn) => this.#executor.run(txn, branch, this.#answered));
  }

  *#write(work: (txn: WriteTxn) => Generator<undefined, OpReply>): Generator<undefined, Reply> {
    const txn = this.store.beginWrite();
    const op = yield* work(txn);
    return this.#opReply(op, this.#end(txn));
  }

  /** Where a client waits, what the reply names stays readable until it was read. */
  #opReply(op: OpReply, wrote: boolean): Reply {
    const { revision } = this.store;
    if (!this.#answered) return { kind: "op", op, revision, pin: null };
    const oldest = oldestNamed(op, wrote ? revision - 1 : revision);
    return { kind: "op", op, revision, pin: this.store.pin({ main: oldest, sub: SUB_MAX }) };
  }

  /** True if it changed anything. */
  #end(txn: WriteTxn): boolean {
    const { changes } = txn;
    txn.end();
    if (changes.length > 0) this.#events?.onChanges(this.store.revision, changes);
    return changes.length > 0;
  }

  #compact(at: number): Reply {
    const outcome = this.store.compact(at);
    switch (outcome.kind) {
      case "compacted":
        return this.#error(API_ERRORS.compacted);
      case "future":
        return this.#error(API_ERRORS.futureRevision);
      case "scheduled":
        return { kind: "compaction", revision: this.store.revision, physical: outcome.done };
      default:
        return unreachable(outcome);
    }
  }

  #leaseGrant(id: bigint, ttl: number): Reply {
    const outcome = this.lessor.grant(id, ttl, this.#options.clock.now());
    switch (outcome.kind) {
      case "granted":
        return { kind: "leaseGrant", id, ttl: outcome.ttl, revision: this.store.revision };
      case "exists":
        return this.#error(API_ERRORS.leaseExists);
      case "tooLarge":
        return this.#error(API_ERRORS.leaseTtlTooLarge);
      case "notFound":
        return this.#error(API_ERRORS.leaseNotFound);
      default:
        return unreachable(outcome);
    }
  }

  /** One revision deletes all keys of the lease, in key order. */
  *#revoke(id: bigint): Generator<undefined, Reply> {
    const outcome = this.lessor.revoke(id);
    if (outcome.kind === "notFound") return this.#error(API_ERRORS.leaseNotFound);
    const txn = this.store.beginWrite();
    this.store.counts.deletes += outcome.keys.length;
    for (const [at, key] of outcome.keys.entries()) {
      txn.deleteRange(key, null, 1);
      if ((at + 1) % KEYS_REVOKED_PER_SLICE === 0) yield undefined;
    }
    this.#end(txn);
    return this.#done();
  }

  #done(): Reply {
    return { kind: "done", revision: this.store.revision };
  }

  #error(error: ApiError): Reply {
    return { kind: "error", error, revision: this.store.revision };
  }
}
