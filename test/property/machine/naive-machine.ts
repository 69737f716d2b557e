/** The machine as one would write it without care for speed: commands in, state and answers out. */
import { API_ERRORS, type ApiError } from "../../../src/api/catalogue.ts";
import {
  MembershipChangeKind,
  type CommandKind,
  type MembershipChange,
} from "../../../src/api/gen/command.ts";
import type { Compare, PutRequest, RequestOp, TxnRequest } from "../../../src/api/gen/kv.ts";
import { AlarmAction, AlarmType, type AlarmRequest } from "../../../src/api/gen/maintenance.ts";
import { type Entry, Model, showEntry, within } from "../mvcc/model.ts";

/** What an operation answered, as plain data. */
export type Shown = unknown;

export interface NaiveMember {
  readonly isLearner: boolean;
  readonly peerUrls: readonly string[];
  readonly name: string;
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** Null: one key. Empty: no end. */
function endOf(rangeEnd: Uint8Array): string | null {
  const end = latin(rangeEnd);
  if (end === "") return null;
  return end === "\0" ? "" : end;
}

export function showVersion(of: Entry | undefined): string | null {
  return of === undefined ? null : showEntry(of);
}

export class NaiveMachine {
  readonly kv: Model = new Model();
  /** TTL by id. */
  readonly leases: Map<bigint, number> = new Map();
  readonly alarms: Set<string> = new Set();
  readonly members: Map<bigint, NaiveMember> = new Map();
  readonly removed: Set<bigint> = new Set();
  clusterVersion: string | null = null;
  downgrade = { enabled: false, targetVersion: "" };
  #sub = 0;

  apply({ kind, value }: CommandKind): Shown {
    this.#sub = 0;
    const refusal = this.#refusal({ kind, value } as CommandKind);
    if (refusal !== null) return this.#error(refusal);
    switch (kind) {
      case "put":
        return this.#one({ kind: "requestPut", value });
      case "deleteRange":
        return this.#one({ kind: "requestDeleteRange", value });
      case "txn":
        return this.#one({ kind: "requestTxn", value });
      case "compaction":
        if (value.revision <= this.kv.compactRevision) return this.#error(API_ERRORS.compacted);
        if (value.revision > this.kv.revision) return this.#error(API_ERRORS.futureRevision);
        this.kv.compact(value.revision);
        return { kind: "compaction", revision: this.kv.revision };
      case "leaseGrant":
        if (value.id === 0n) return this.#error(API_ERRORS.leaseNotFound);
        if (value.ttl > 9_000_000_000) return this.#error(API_ERRORS.leaseTtlTooLarge);
        if (this.leases.has(value.id)) return this.#error(API_ERRORS.leaseExists);
        this.leases.set(value.id, value.ttl);
        return { kind: "leaseGrant", id: value.id, ttl: value.ttl, revision: this.kv.revision };
      case "leaseRevoke":
        return this.#revoke(value.id);
      case "alarm":
        return { kind: "alarm", alarms: this.#alarm(value), revision: this.kv.revision };
      case "membership":
        return this.#answer(this.#membership(value));
      case "memberAttributes": {
        const member = this.members.get(value.id);
        if (member !== undefined) this.members.set(value.id, { ...member, name: value.name });
        return this.#done();
      }
      case "clusterVersion":
        this.clusterVersion = value.version;
        return this.#done();
      case "downgrade":
        this.downgrade = value.enabled ? value : { enabled: false, targetVersion: "" };
        return this.#done();
      default:
        return this.#done();
    }
  }

  keysOf(lease: bigint): string[] {
    return this.kv
      .live(this.kv.revision)
      .filter((entry) => entry.lease === lease)
      .map((entry) => entry.key);
  }

  #refusal({ kind, value }: CommandKind): ApiError | null {
    const full = [...this.alarms].some((name) => name.startsWith(`${AlarmType.nospace}/`));
    const corrupt = [...this.alarms].some((name) => name.startsWith(`${AlarmType.corrupt}/`));
    const grows = kind === "put" || kind === "leaseGrant" || (kind === "txn" && hasPut(value));
    const shrinks =
      kind === "deleteRange" || kind === "compaction" || kind === "leaseRevoke" || kind === "txn";
    if (full && grows) return API_ERRORS.noSpace;
    return corrupt && (grows || shrinks) ? API_ERRORS.corrupt : null;
  }

  /** One operation as an entry of its own. */
  #one(request: NonNullable<RequestOp["request"]>): Shown {
    const plan: (() => Shown)[] = [];
    const error = this.#plan({ request }, plan);
    if (error !== null) return this.#error(error);
    const op = plan.map((step) => step())[0];
    if (this.#sub > 0) this.kv.revision++;
    return { kind: "op", op, revision: this.kv.revision };
  }

  /** Decides and checks now; what is pushed to `plan` does it. */
  #plan({ request }: RequestOp, plan: (() => Shown)[]): ApiError | null {
    switch (request?.kind) {
      case "requestPut": {
        const { value } = request;
        const now = this.#live().find((entry) => entry.key === latin(value.key));
        if ((value.ignoreValue || value.ignoreLease) && now === undefined)
          return API_ERRORS.keyNotFound;
        if (value.lease !== 0n && !this.leases.has(value.lease)) return API_ERRORS.leaseNotFound;
        plan.push(() => this.#put(value));
        return null;
      }
      case "requestDeleteRange":
        plan.push(() => {
          const [key, end] = [latin(request.value.key), endOf(request.value.rangeEnd)];
          const previous = this.#live().filter((entry) => within(entry.key, key, end));
          this.kv.deleteRange(this.kv.revision + 1, this.#sub, key, end);
          this.#sub += previous.length;
          return {
            kind: "deleteRange",
            revision: this.#revisionNow(),
            deleted: previous.length,
            previous: request.value.prevKv ? previous.map(showEntry) : [],
          };
        });
        return null;
      case "requestRange": {
        const { revision, key, rangeEnd } = request.value;
        if (revision > this.kv.revision) return API_ERRORS.futureRevision;
        if (revision > 0 && revision < this.kv.compactRevision) return API_ERRORS.compacted;
        plan.push(() => {
          const rows = revision > 0 ? this.kv.live(revision) : this.#live();
          const found = rows.filter((entry) => within(entry.key, latin(key), endOf(rangeEnd)));
          return { kind: "range", revision: this.#revisionNow(), rows: found.map(showEntry) };
        });
        return null;
      }
      case "requestTxn":
        return this.#planTxn(request.value, plan);
      default:
        return API_ERRORS.keyNotFound;
    }
  }

  #planTxn(request: TxnRequest, plan: (() => Shown)[]): ApiError | null {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const steps: (() => Shown)[] = [];
    for (const op of succeeded ? request.success : request.failure) {
      const error = this.#plan(op, steps);
      if (error !== null) return error;
    }
    plan.push(() => {
      const responses = steps.map((step) => step());
      return { kind: "txn", revision: this.#revisionNow(), succeeded, responses };
    });
    return null;
  }

  #put(request: PutRequest): Shown {
    const key = latin(request.key);
    const before = this.#live().find((entry) => entry.key === key);
    const value = request.ignoreValue ? (before?.value ?? "") : latin(request.value);
    const lease = request.ignoreLease ? (before?.lease ?? 0n) : request.lease;
    this.kv.put(this.kv.revision + 1, this.#sub++, key, value, lease);
    return {
      kind: "put",
      revision: this.#revisionNow(),
      previous: request.prevKv ? showVersion(before) : null,
    };
  }

  #holds(compare: Compare): boolean {
    const [key, end] = [latin(compare.key), endOf(compare.rangeEnd)];
    const found = this.#live().filter((entry) => within(entry.key, key, end));
    if (found.length > 0) return found.every((entry) => holdsFor(compare, entry));
    return holdsFor(compare, undefined);
  }

  #live(): Entry[] {
    return this.kv.live(this.kv.revision + 1);
  }

  /** As it stands within the entry: of the writes so far. */
  #revisionNow(): number {
    return this.#sub > 0 ? this.kv.revision + 1 : this.kv.revision;
  }

  #revoke(id: bigint): Shown {
    if (!this.leases.has(id)) return this.#error(API_ERRORS.leaseNotFound);
    const keys = this.keysOf(id);
    this.leases.delete(id);
    for (const [at, key] of keys.entries()) {
      this.kv.deleteRange(this.kv.revision + 1, at, key, null);
    }
    if (keys.length > 0) this.kv.revision++;
    return this.#done();
  }

  #alarm({ action, alarm, memberId }: AlarmRequest): Shown {
    const name = `${alarm}/${memberId}`;
    switch (action) {
      case AlarmAction.get:
        return [...this.alarms].filter((of) => alarm === 0 || of.startsWith(`${alarm}/`));
      case AlarmAction.activate:
        if (alarm === AlarmType.none) return [];
        this.alarms.add(name);
        return [name];
      default:
        return this.alarms.delete(name) ? [name] : [];
    }
  }

  #membership({ kind, member }: MembershipChange): ApiError | null {
    if (member === null) return API_ERRORS.memberNotFound;
    const { id, peerUrls } = member;
    const present = this.members.get(id);
    const taken = [...this.members].some(
      ([other, of]) => other !== id && of.peerUrls.some((url) => peerUrls.includes(url)),
    );
    if (kind === MembershipChangeKind.addVoter || kind === MembershipChangeKind.addLearner) {
      if (present !== undefined || this.removed.has(id)) return API_ERRORS.memberExists;
      if (taken) return API_ERRORS.peerUrlExists;
      const isLearner = kind === MembershipChangeKind.addLearner;
      this.members.set(id, { isLearner, peerUrls, name: "" });
      return null;
    }
    if (present === undefined) return API_ERRORS.memberNotFound;
    if (kind === MembershipChangeKind.promote) {
      if (!present.isLearner) return API_ERRORS.memberNotLearner;
      this.members.set(id, { ...present, isLearner: false });
    } else if (kind === MembershipChangeKind.remove) {
      const voters = [...this.members.values()].filter((of) => !of.isLearner);
      if (!present.isLearner && voters.length === 1) return API_ERRORS.notEnoughStarted;
      this.members.delete(id);
      this.removed.add(id);
    } else {
      if (taken) return API_ERRORS.peerUrlExists;
      this.members.set(id, { ...present, peerUrls });
    }
    return null;
  }

  #answer(error: ApiError | null): Shown {
    return error === null ? this.#done() : this.#error(error);
  }

  #done(): Shown {
    return { kind: "done", revision: this.kv.revision };
  }

  #error(error: ApiError): Shown {
    return { kind: "error", error: error.text, revision: this.kv.revision };
  }
}

function hasPut(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(
    ({ request: op }) =>
      op?.kind === "requestPut" || (op?.kind === "requestTxn" && hasPut(op.value)),
  );
}

/** etcd's compareKV: an absent key has zeroes and no lease, and no value to compare. */
function holdsFor({ target, result, targetUnion: union }: Compare, of: Entry | undefined): boolean {
  if (target === 3 && of === undefined) return false;
  const given = union?.value instanceof Uint8Array ? latin(union.value) : (union?.value ?? 0);
  const stored = [
    of?.version ?? 0,
    of?.create ?? 0,
    of?.main ?? 0,
    of?.value ?? "",
    of?.lease ?? 0n,
  ];
  const a = stored[target] ?? 0;
  switch (result) {
    case 0:
      return String(a) === String(given);
    case 1:
      return a > given;
    case 2:
      return a < given;
    default:
      return String(a) !== String(given);
  }
}
