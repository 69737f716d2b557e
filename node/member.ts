/** One member: its parts, put together. Everything that decides is elsewhere; this only wires, starts and stops. */
import type { ApiError } from "../src/api/catalogue.ts";
import { HeaderIds, type HeaderFields } from "../src/api/hot.ts";
import type { Backend } from "../src/backend/backend.ts";
import type { Clock } from "../src/base/ports.ts";
import type { Machine } from "../src/machine/machine.ts";
import { WatchStore } from "../src/mvcc/watch-store.ts";
import { Raft } from "../src/raft/raft.ts";
import type { SoftState } from "../src/raft/ready.ts";
import type { RaftStatus } from "../src/raft/status.ts";
import { NO_MEMBER, type Index, type MemberId, type SnapshotMark } from "../src/raft/types.ts";
import type { Wal } from "../src/wal/wal.ts";
import { systemRandom } from "./clock.ts";
import type { Config } from "./config.ts";
import type { DataDir, Identity } from "./data-dir.ts";
import { Departure } from "./departure.ts";
import { Integrity } from "./integrity/integrity.ts";
import { keepPeers } from "./integrity/peers-file.ts";
import { Growth } from "./growth.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { MemberLog } from "./log.ts";
import type { Logins } from "./logins.ts";
import { Loop, type LoopEvents } from "./loop.ts";
import type { MemberStats } from "./metrics/stats.ts";
import { systemPace } from "./pace.ts";
import { PeerCalls } from "./peer/calls.ts";
import type { PeerConnector, PeerDialer } from "./peer/dialer.ts";
import { Links } from "./peer/links.ts";
import { Publisher } from "./publisher.ts";
import { MemberRaftStorage, REPLICATION_LIMITS } from "./raft-storage.ts";
import { activeMembers, reconfigurationRefusal } from "./reconfiguration.ts";
import type { RequestIds } from "./request-ids.ts";
import { Retention } from "./retention.ts";
import type { Host } from "./rpc/host.ts";
import { ResponseBudget } from "./rpc/response-budget.ts";
import { Snapshots } from "./snapshots.ts";
import { StoreSpace } from "./store-space.ts";
import { Ticker } from "./ticker.ts";
import type { Opened } from "./open.ts";

/** After a transfer was ordered, how long until it counts as failed: etcd's, in election timeouts. */
const TRANSFER_ELECTIONS = 2;
/** Links to a removed member stay open for so long, in election timeouts, so that it hears of its removal. */
const FAREWELL_ELECTIONS = 10;
const POLL_TRANSFER_MS = 10;

export interface MemberOptions {
  readonly config: Config;
  readonly opened: Opened;
  readonly logins: Logins;
  readonly clock: Clock;
  readonly logger: MemberLog;
  readonly stats: MemberStats;
  readonly dial: PeerDialer;
  readonly connect: PeerConnector;
  /** Writes to the client sockets what the turn said. */
  readonly flushClients: () => void;
  /** The member is no part of the cluster any more, or cannot go on: the process should end. */
  readonly onEnd: (reason: string) => void;
  readonly onFatal: (error: unknown) => void;
}

export class Member implements Host {
  readonly config: Config;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: MemberLog;
  readonly headerIds: HeaderIds;
  readonly requestIds: RequestIds;
  readonly loop: Loop;
  readonly watch: WatchStore;
  readonly leases: LeaseKeeper;
  readonly logins: Logins;
  readonly peers: PeerCalls;
  readonly responses: ResponseBudget;
  readonly links: Links;
  readonly wal: Wal;
  readonly snapshots: Snapshots;
  readonly space: StoreSpace;
  readonly stats: MemberStats;
  readonly dataDir: DataDir;
  readonly integrity: Integrity;
  readonly openMachine: (backend: Backend) => Promise<Machine>;
  readonly #options: MemberOptions;
  readonly #raft: Raft;
  readonly #storage: MemberRaftStorage;
  readonly #retention: Retention;
  readonly #departure: Departure;
  readonly #growth: Growth;
  readonly #ticker: Ticker;
  #machine: Machine;
  readonly #publisher: Publisher = new Publisher(this);
  /** Once so much is applied, the only voter campaigns. */
  #campaignAt: Index | null = null;
  leaderChanges = 0;

  constructor(options: MemberOptions) {
    const { config, opened, clock, logger } = options;
    this.#options = options;
    this.config = config;
    this.clock = clock;
    this.logger = logger;
    this.stats = options.stats;
    this.logins = options.logins;
    this.identity = opened.identity;
    this.dataDir = opened.dataDir;
    this.openMachine = opened.openMachine;
    this.wal = opened.wal;
    this.requestIds = opened.requestIds;
    this.#machine = opened.machine;
    this.headerIds = new HeaderIds(this.identity.clusterId, this.identity.memberId);
    this.responses = new ResponseBudget(config.responseBudgetBytes);
    this.#storage = new MemberRaftStorage(opened.wal, () => this.#machine, opened.hardState);
    this.#raft = this.#makeRaft();
    this.loop = this.#makeLoop();
    this.peers = new PeerCalls((id) => this.#machine.members.get(id), options.dial);
    this.snapshots = new Snapshots(this);
    this.space = new StoreSpace(() => this.#machine);
    this.#departure = new Departure(this, options.onEnd);
    this.links = new Links(
      this.identity,
      options.connect,
      {
        onUnreachable: (peer) => this.loop.onUnreachable(peer),
        onRefused: (peer) => this.#departure.onRefused(peer),
        onSnapshot: (message) => this.snapshots.send(message),
      },
      logger,
      FAREWELL_ELECTIONS * config.electionMs,
    );
    this.watch = new WatchStore({
      history: this.#machine.store,
      pace: systemPace,
      random: systemRandom,
      progressIntervalMs: config.watchProgressMs,
      onFatal: options.onFatal,
      streamBytesMax: config.watchStreamBytes,
    });
    this.#growth = new Growth(this);
    this.integrity = new Integrity(this, opened.rebuilt, options.onFatal);
    this.leases = new LeaseKeeper(this, config.electionMs);
    this.#retention = new Retention({
      wal: this.wal,
      machine: () => this.#machine,
      storePath: () => this.dataDir.storePath(),
      catchUpEntries: config.snapshotCatchUpEntries,
      logger,
      onFatal: options.onFatal,
    });
    this.#ticker = new Ticker(this, this.#departure, this.#retention);
    this.#connect(this.#machine);
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** Begins to take part. */
  start(): void {
    this.#onMembers();
    this.#ticker.start();
    this.integrity.start();
    const { voters } = this.#machine.membership();
    const alone = voters.length === 1 && voters[0] === this.identity.memberId;
    if (alone) this.#campaignAt = this.#options.opened.hardState.commit;
    else if (this.config.initialElectionTickAdvance)
      this.loop.advanceElection(this.#electionTicks() - 2);
    this.loop.schedule();
  }

  /** The only voter waits for nobody but for what it committed before: Raft would refuse. */
  #maybeCampaign(applied: Index): void {
    if (this.#campaignAt === null || applied < this.#campaignAt) return;
    this.#campaignAt = null;
    this.loop.campaign();
  }

  /** Answers what waits, and closes the log and the store. */
  async stop(): Promise<void> {
    this.#ticker.stop();
    this.integrity.stop();
    this.loop.stop();
    this.snapshots.close();
    this.links.close();
    this.peers.close();
    this.logins.passwords.close();
    await this.#retention.settle();
    await this.wal.close();
    await this.#machine.close();
    this.#options.opened.life.over();
    await this.#options.opened.unlock();
  }

  header(revision: number): HeaderFields {
    return { ids: this.headerIds, revision, raftTerm: this.loop.softState.term };
  }

  raftStatus(): RaftStatus {
    return this.#raft.status();
  }

  trimLogCache(bytesMax: number): void {
    this.#raft.trim(bytesMax);
  }

  isLeader(): boolean {
    return this.loop.softState.role === "leader";
  }

  isLearner(): boolean {
    return this.#machine.members.get(this.identity.memberId)?.isLearner ?? true;
  }

  leader(): MemberId {
    return this.loop.softState.leader;
  }

  dbSize(): number {
    return this.space.bytes;
  }

  growthRefusal(bytes: number): ApiError | null {
    return this.#growth.refusal(bytes);
  }

  /** The log found no room for its next file, or found it again. */
  setLogFull(full: boolean): void {
    this.#growth.setLogFull(full);
  }

  async transferLeadership(target: MemberId): Promise<boolean> {
    this.loop.transfer(target);
    const deadline = this.clock.now() + TRANSFER_ELECTIONS * this.config.electionMs;
    while (this.leader() !== target && this.clock.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_TRANSFER_MS));
    }
    return this.leader() === target;
  }

  reconfigurationRefusal(change: "addVoter" | "remove", id: MemberId): ApiError | null {
    if (!this.config.strictReconfigCheck) return null;
    const members = this.#machine.members.list();
    const active = activeMembers(this.identity.memberId, members, this.raftStatus());
    return reconfigurationRefusal(change, id, { members, active });
  }

  #electionTicks(): number {
    return Math.max(2, Math.round(this.config.electionMs / this.config.heartbeatMs));
  }

  #makeRaft(): Raft {
    const { config } = this;
    return new Raft({
      id: this.identity.memberId,
      storage: this.#storage,
      random: systemRandom,
      logger: this.logger,
      electionTicks: this.#electionTicks(),
      heartbeatTicks: 1,
      preVote: config.preVote,
      checkQuorum: true,
      applied: this.#machine.appliedIndex as Index,
      removed: this.#machine.members.isRemoved(this.identity.memberId),
      ...REPLICATION_LIMITS,
      uncommittedBytesMax: config.proposalBudgetBytes,
      cachedBytesMax: config.raftCacheBytes,
    });
  }

  #makeLoop(): Loop {
    const events: LoopEvents = {
      send: (messages) => this.links.send(messages),
      onSoftState: (next, before) => this.#onSoftState(next, before),
      adopt: (mark) => this.#adopt(mark),
      endOfTurn: (applied) => {
        this.#maybeCampaign(applied);
        this.watch.flush();
        this.#options.flushClients();
        this.links.flush();
      },
    };
    return new Loop({
      raft: this.#raft,
      log: this.wal,
      machine: () => this.#machine,
      events,
      clock: this.clock,
      logger: this.logger,
      soon: (turn) => setImmediate(turn),
      applied: this.#machine.appliedIndex as Index,
      hardState: this.#options.opened.hardState,
      proposalBudgetBytes: this.config.proposalBudgetBytes,
      requestTimeoutMs: 5_000 + 2 * this.config.electionMs,
      warnApplyMs: this.config.warnApplyMs,
      stats: this.stats,
    });
  }

  #connect(machine: Machine): void {
    machine.connect({
      isWaiting: (sequence) => this.loop.proposals.isWaiting(sequence),
      onReply: (sequence, reply) =>
        this.loop.proposals.settle(sequence, reply, this.loop.applied + 1),
      onChanges: (revision, changes) => this.watch.onChanges(revision, changes),
      onMembers: () => {
        this.#storage.membershipIndex = this.loop.applied + 1;
        this.#onMembers();
      },
      onApplied: (kind, succeeded) => this.stats.applies.onApplied(kind, succeeded),
      onAuth: () => {
        const { enabled, revision: authRevision } = this.#machine.auth;
        this.logger.info({ enabled, authRevision }, "users, roles or permissions changed");
        this.logins.sessions.recheck();
      },
    });
  }

  #adopt(mark: SnapshotMark): void {
    const { path, machine } = this.snapshots.take(mark);
    const old = this.#machine;
    this.dataDir.adoptStore(path);
    machine.auth.inheritTokens(old.auth);
    this.#machine = machine;
    this.#connect(machine);
    this.watch.rebase(machine.store);
    this.logins.sessions.recheck();
    this.#onMembers();
    void old.close().then(() => this.dataDir.dropUnusedStores(), this.#options.onFatal);
  }

  #onMembers(): void {
    const members = this.#machine.members.list();
    const known = members.length === 0 ? this.#options.opened.peers : members;
    this.links.update(known);
    this.peers.update(known);
    keepPeers(this.dataDir, known, this.identity.memberId);
    this.#departure.onMembers();
  }

  #onSoftState(next: SoftState, before: SoftState): void {
    if (next.leader !== before.leader && next.leader !== NO_MEMBER) {
      this.leaderChanges++;
      this.logger.info({ leader: next.leader, term: next.term }, "elected leader");
    } else if (next.leader === NO_MEMBER && before.leader !== NO_MEMBER) {
      this.logger.warn({ leader: before.leader, term: next.term }, "lost leader");
    }
    if (next.role === "leader" && before.role !== "leader") this.leases.onLeading();
    if (next.role !== "leader" && before.role === "leader") {
      this.leases.onFollowing();
      this.#ticker.onFollowing();
    }
    if (next.leader !== NO_MEMBER) void this.#publisher.publish();
  }
}
