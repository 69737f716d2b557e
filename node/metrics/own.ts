/** quorate_…: what an operator needs to know and etcd does not tell. ARCHITECTURE.md has the table of them. */
import type { GrpcServer } from "../../src/grpc/server.ts";
import { AlarmType } from "../../src/api/gen/maintenance.ts";
import {
  expose,
  exposeHistograms,
  exposeLabelled,
  type Exposition,
  type Sample,
} from "../exposition.ts";
import type { HandHistogram } from "../histogram.ts";
import type { Member } from "../member.ts";
import type { SlowRequests } from "../slow-requests.ts";
import { QUORATE_VERSION } from "../version.ts";
import type { Transfers } from "./transfer-stats.ts";

export interface OwnParts {
  readonly member: Member;
  readonly clients: GrpcServer;
  readonly slow: SlowRequests;
}

type Read = () => number;

export function exposeOwn(exposition: Exposition, parts: OwnParts): void {
  exposeBudgets(exposition, parts.member);
  exposeLoop(exposition, parts);
  exposeRaft(exposition, parts.member);
  exposeLog(exposition, parts.member);
  exposeStore(exposition, parts.member);
  exposeClients(exposition, parts);
  exposePeers(exposition, parts.member);
}

/** What can grow, beside its bound: the flags of the same names. */
function exposeBudgets(exposition: Exposition, member: Member): void {
  const { config } = member;
  const budgets: readonly (readonly [budget: string, limit: number, used: Read])[] = [
    ["proposals", config.proposalBudgetBytes, () => member.loop.proposals.bytes],
    ["store-buffer", config.storeBufferBytes, () => member.machine.buffer.pendingBytes],
    ["raft-cache", config.raftCacheBytes, () => member.raftStatus().cachedBytes],
    ["value-cache", config.valueCacheBytes, () => member.machine.store.cacheBytes],
    ["responses", config.responseBudgetBytes, () => member.responses.bytes],
  ];
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_budget_used_bytes",
    "Bytes of a memory budget that are in use. Caches fill theirs and stay there; the others are full when requests are refused or wait.",
    () => budgets.map(([budget, , used]): Sample => [{ budget }, used()]),
  );
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_budget_limit_bytes",
    "The bound of each memory budget.",
    () => budgets.map(([budget, limit]): Sample => [{ budget }, limit]),
  );
}

function exposeLoop(exposition: Exposition, { member, slow }: OwnParts): void {
  const { stats } = member;
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_info",
    "1, with the version of this build and of its runtime.",
    () => [[{ node: process.versions.node, version: QUORATE_VERSION }, 1]],
  );
  const histogram = (name: string, help: string, of: HandHistogram): void =>
    exposeHistograms(exposition, `quorate_${name}`, help, () => [[{}, of]]);
  histogram("loop_delay_seconds", "How late the loop's clock ticks.", stats.loopDelay);
  histogram(
    "turn_proposals",
    "Writes handed to Raft in one turn of the loop.",
    stats.proposalsATurn,
  );
  histogram(
    "commit_seconds",
    "From taking the newest entries of a turn into the log until they are known to be committed.",
    stats.commits,
  );
  histogram(
    "read_index_seconds",
    "From asking for a read index until a quorum has confirmed it.",
    stats.readIndexes,
  );
  expose(
    exposition,
    "gauge",
    "quorate_reads_waiting",
    "Batches of linearizable reads that wait for their read index.",
    () => member.loop.reads.waitingCount,
  );
  expose(
    exposition,
    "gauge",
    "quorate_apply_backlog_entries",
    "Entries committed and not yet applied.",
    () => member.loop.applyBacklog,
  );
  expose(
    exposition,
    "counter",
    "quorate_log_lines_dropped_total",
    "Lines of the member's own log that an output did not take in time.",
    () => member.logger.dropped,
  );
  exposeLabelled(
    exposition,
    "counter",
    "quorate_slow_requests_total",
    "Unary requests beyond --warning-unary-request-duration, by the phase that took most of their time.",
    () =>
      Array.from(slow.counts, ({ method, phase, count }): Sample => [
        { grpc_method: method, phase },
        count,
      ]),
  );
}

function exposeRaft(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: Read): void =>
    expose(exposition, "gauge", `quorate_${name}`, help, read);
  gauge("raft_term", "The Raft term of this member.", () => member.raftStatus().term);
  gauge(
    "raft_last_index",
    "The last entry in this member's log.",
    () => member.raftStatus().lastIndex,
  );
  gauge(
    "members",
    "Members of the cluster as this one knows it, learners included.",
    () => member.machine.members.list().length,
  );
  gauge("learners", "Learners of the cluster.", () => member.machine.membership().learners.length);
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_alarm",
    "1 for each kind of alarm that some member has raised, 0 for the others.",
    () =>
      (
        [
          ["NOSPACE", AlarmType.nospace],
          ["CORRUPT", AlarmType.corrupt],
        ] as const
      ).map(([alarm, type]): Sample => [{ alarm }, member.machine.alarms.isRaised(type) ? 1 : 0]),
  );
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_follower_lag_entries",
    "On the leader: entries that a member has not acknowledged yet.",
    () => {
      const { lastIndex, progress } = member.raftStatus();
      return progress.map(({ id, match }): Sample => [{ To: id.toString(16) }, lastIndex - match]);
    },
  );
}

function exposeLog(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: Read): void =>
    expose(exposition, "gauge", `quorate_${name}`, help, read);
  exposeHistograms(
    exposition,
    "quorate_log_batch_bytes",
    "Bytes of one durable write of the log: what arrived during the write before.",
    () => [[{}, member.stats.logBatchBytes]],
  );
  gauge(
    "log_queue_appends",
    "Appends that wait for the log's write under way.",
    () => member.wal.queued,
  );
  gauge("log_bytes", "Bytes of the log's files.", () => member.wal.bytesOnDisk);
  gauge("log_entries", "Entries that the log still holds.", () =>
    Math.max(0, member.wal.lastIndex() - member.wal.firstIndex() + 1),
  );
  gauge(
    "log_unreleased_entries",
    "Entries that a restart would apply again: applied, and not yet durable in the store.",
    () => member.machine.buffer.appliedIndex - member.machine.buffer.durableIndex,
  );
  gauge(
    "log_full",
    "1 while there is no room for the log's next file and writes are refused.",
    () => (member.wal.full ? 1 : 0),
  );
}

function exposeStore(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: Read): void =>
    expose(exposition, "gauge", `quorate_${name}`, help, read);
  exposeHistograms(
    exposition,
    "quorate_store_flush_seconds",
    "How long the store took to make durable what it had.",
    () => [[{}, member.stats.storeFlushes]],
  );
  gauge("compaction_running", "1 while revisions of a compaction are being removed.", () =>
    member.machine.store.isCompacting ? 1 : 0,
  );
  gauge("leases", "Leases that exist.", () => member.machine.lessor.size);
  gauge(
    "watch_queued_bytes",
    "Bytes that watch streams have taken and clients have not read.",
    () => member.watch.backlog().queuedBytes,
  );
  gauge(
    "watch_backlog_revisions",
    "Revisions that the watcher furthest behind has still to read.",
    () => member.watch.backlog().revisions,
  );
}

function exposeClients(exposition: Exposition, { clients }: OwnParts): void {
  const gauge = (name: string, help: string, read: Read): void =>
    expose(exposition, "gauge", `quorate_client_${name}`, help, read);
  const counter = (name: string, help: string, read: Read): void =>
    expose(exposition, "counter", `quorate_client_${name}`, help, read);
  const { counters } = clients;
  gauge("connections", "Open client connections.", () => counters.connections);
  gauge(
    "streams",
    "Calls of clients that are under way, watches and keep-alives included.",
    () => counters.streams,
  );
  gauge(
    "held_bytes",
    "Bytes of requests that clients have sent in part.",
    () => counters.heldBytes,
  );
  counter(
    "connections_accepted_total",
    "Client connections that were accepted.",
    () => counters.connectionsAccepted,
  );
  counter(
    "connections_refused_total",
    "Client connections beyond the bound, closed at once.",
    () => counters.connectionsRefused,
  );
  counter(
    "connection_errors_total",
    "Connections ended because the client broke HTTP/2.",
    () => counters.connectionErrors,
  );
  counter(
    "slow_readers_total",
    "Connections ended because the client did not read.",
    () => counters.slowReaders,
  );
}

function exposePeers(exposition: Exposition, member: Member): void {
  exposeLabelled(
    exposition,
    "gauge",
    "quorate_peer_queued_bytes",
    "Bytes for a peer that its socket has not taken yet.",
    () =>
      member.links.all().map((link): Sample => [{ To: link.peer.toString(16) }, link.queuedBytes]),
  );
  const bytes = (verb: string, of: ReadonlyMap<bigint, Transfers>, help: string): void =>
    expose(exposition, "counter", `quorate_snapshot_${verb}_bytes_total`, help, () =>
      [...of.values()].reduce((sum, each) => sum + each.bytes, 0),
    );
  bytes("sent", member.stats.sent.byPeer, "Bytes of whole states that peers have taken.");
  bytes("received", member.stats.received.byPeer, "Bytes of whole states that came from peers.");
}
