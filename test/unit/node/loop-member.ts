/** Members in one process: the real loop, Raft, log and machine, over disks in memory, a clock that stands, and cut links. */
import { setImmediate } from "node:timers/promises";

import { Loop } from "../../../node/loop.ts";
import { MemberStats } from "../../../node/metrics/stats.ts";
import type { ProposalFailure } from "../../../node/proposals.ts";
import { MemberRaftStorage } from "../../../node/raft-storage.ts";
import { storedMember, type CommandKind } from "../../../src/api/gen/command.ts";
import { putRequest } from "../../../src/api/gen/kv.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { toKey } from "../../../src/base/bytes.ts";
import { Machine } from "../../../src/machine/machine.ts";
import { Raft } from "../../../src/raft/raft.ts";
import {
  EntryKind,
  type HardState,
  type Index,
  type MemberId,
  type Term,
} from "../../../src/raft/types.ts";
import type { Wal } from "../../../src/wal/wal.ts";
import { LogDisk } from "../../sim/log-device.ts";
import { entryData, PREFIX, text } from "../machine/fixture.ts";
import { testPace } from "../mvcc/fixture.ts";
import { openOn, seeded } from "../wal/harness.ts";

export const TIMEOUT_MS = 7_000;
const BIRTH: HardState = { term: 1 as Term, vote: 0n as MemberId, commit: 1 as Index };

/** How a proposal ended: `applied`, or why it was not answered. */
export type Ending = "applied" | "refused" | ProposalFailure;

/** Several members and the links between them. Time passes only by `tick`. */
export class Cluster {
  readonly members: Member[] = [];
  /** `from>to`: what is sent there is lost. */
  readonly cut: Set<string> = new Set();
  nowMs = 0;
  /** How long each entry takes to apply. */
  applyMs = 0;

  static async of(count: number): Promise<Cluster> {
    const cluster = new Cluster();
    const ids = Array.from({ length: count }, (_, at) => BigInt(at + 1) as MemberId);
    for (const id of ids) cluster.members.push(await Member.open(cluster, id, ids));
    return cluster;
  }

  member(at: number): Member {
    const member = this.members[at];
    if (member === undefined) throw new Error(`no member ${at}`);
    return member;
  }

  /** Runs turns until none is due anywhere. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await setImmediate();
      quiet++;
      for (const member of this.members) if (member.runTurns()) quiet = 0;
    }
  }

  /** Everybody's timer fires `count` times, 100 ms apart. */
  async tick(count: number, only: readonly Member[] = this.members): Promise<void> {
    for (let at = 0; at < count; at++) {
      this.nowMs += 100;
      for (const member of only) member.loop.tick();
      await this.settle();
    }
  }

  /** `at` becomes leader. */
  async elect(at: number): Promise<Member> {
    const member = this.member(at);
    member.loop.campaign();
    await this.settle();
    return member;
  }

  isolate(member: Member): void {
    for (const other of this.members) {
      this.cut.add(`${member.id}>${other.id}`).add(`${other.id}>${member.id}`);
    }
  }

  heal(): void {
    this.cut.clear();
  }

  async close(): Promise<void> {
    for (const { loop } of this.members) loop.stop();
    for (const { machine } of this.members) await machine.close();
  }
}

export class Member {
  readonly id: MemberId;
  readonly machine: Machine;
  readonly stats: MemberStats = new MemberStats();
  readonly loop: Loop;
  readonly raft: Raft;
  readonly wal: Wal;
  /** Told at once when its role changes, as a member tells its lease keeper. */
  onRole: (leads: boolean) => void = () => {};
  /** Ends of turns there were. */
  turns = 0;
  readonly #due: (() => void)[] = [];
  #sequence: number;

  static async open(cluster: Cluster, id: MemberId, ids: readonly MemberId[]): Promise<Member> {
    const { wal } = await openOn(new LogDisk(), { segmentBytes: 256 * 1024 });
    const machine = await Machine.open({
      backend: new MemoryBackend(),
      clock: { now: () => cluster.nowMs },
      pace: testPace,
      valueCacheBytes: 1 << 20,
      compactionBatchRevisions: 1000,
      compactionSleepMs: 0,
      onFatal: (error) => {
        throw error;
      },
      requestPrefix: PREFIX,
    });
    machine.bootstrap(
      ids.map((of) => storedMember({ id: of, peerUrls: [`http://${of}`] })),
      1,
      1,
    );
    await new Promise<void>((resolve) => wal.reset(1 as Index, 1 as Term, BIRTH, resolve));
    return new Member(cluster, id, wal, machine);
  }

  private constructor(cluster: Cluster, id: MemberId, wal: Wal, machine: Machine) {
    this.id = id;
    this.wal = wal;
    this.machine = machine;
    this.#sequence = Number(id) * 1_000_000;
    this.raft = new Raft({
      id,
      storage: new MemberRaftStorage(wal, () => machine, BIRTH),
      random: seeded(Number(id)),
      logger: silentLogger,
      electionTicks: 10,
      heartbeatTicks: 1,
      preVote: true,
      checkQuorum: true,
      applied: 1 as Index,
      appendBytesMax: 1 << 20,
      inflightMessagesMax: 64,
      inflightBytesMax: 1 << 20,
      uncommittedBytesMax: 1 << 20,
      cachedBytesMax: 1 << 20,
    });
    this.loop = new Loop({
      raft: this.raft,
      log: wal,
      machine: () => machine,
      events: {
        send: (messages) => {
          for (const message of messages) {
            if (cluster.cut.has(`${id}>${message.to}`)) continue;
            cluster.members.find((of) => of.id === message.to)?.loop.receive(message);
          }
        },
        onSoftState: ({ role }) => this.onRole(role === "leader"),
        adopt: () => {
          throw new Error("no state is sent here");
        },
        endOfTurn: () => {
          this.turns++;
        },
      },
      clock: { now: () => cluster.nowMs },
      logger: silentLogger,
      soon: (turn) => this.#due.push(turn),
      applied: 1 as Index,
      hardState: BIRTH,
      proposalBudgetBytes: 10_000,
      requestTimeoutMs: TIMEOUT_MS,
      warnApplyMs: 100,
      stats: this.stats,
    });
    machine.connect({
      isWaiting: (sequence) => this.loop.proposals.isWaiting(sequence),
      onReply: (sequence, reply) =>
        this.loop.proposals.settle(sequence, reply, this.loop.applied + 1),
      onChanges: () => {},
      onMembers: () => {},
      onApplied: (kind, succeeded) => {
        this.stats.applies.onApplied(kind, succeeded);
        cluster.nowMs += cluster.applyMs;
      },
      onAuth: () => {},
    });
  }

  /** Runs what is due; false if nothing was. */
  runTurns(): boolean {
    const due = this.#due.splice(0);
    for (const turn of due) turn();
    return due.length > 0;
  }

  get dueTurns(): number {
    return this.#due.length;
  }

  /** Proposes a put; the array gets each answer, so that one too many shows. */
  put(key: string, value = "", kind: EntryKind = EntryKind.normal): Ending[] {
    const command: CommandKind = {
      kind: "put",
      value: putRequest({ key: text(key), value: text(value) }),
    };
    const sequence = ++this.#sequence;
    const endings: Ending[] = [];
    this.loop.propose({
      sequence,
      kind,
      data: entryData(sequence, command),
      sentAtMs: -1,
      index: 0,
      onReply: (reply) => endings.push(reply.kind === "error" ? "refused" : "applied"),
      onFailure: (failure) => endings.push(failure),
    });
    return endings;
  }

  /** A linearizable read: the array gets the version of `key` at the moment it may be read. */
  read(key: string): (number | string)[] {
    const seen: (number | string)[] = [];
    this.loop.linearize({
      onReadable: () => seen.push(this.version(key)),
      onReadFailure: (failure) => seen.push(failure),
    });
    return seen;
  }

  /** How often `key` was put; 0 if it is not there. */
  version(key: string): number {
    return this.machine.store.current(toKey(text(key)))?.version ?? 0;
  }
}
