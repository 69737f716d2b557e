/** Metrics under etcd's names, so that its dashboards and alerts work as they are, and Quorate's own beside them. */
import { readdirSync, readFileSync } from "node:fs";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { GrpcServer } from "../src/grpc/server.ts";
import { NO_MEMBER } from "../src/raft/types.ts";
import type { CallStats, MethodStats } from "./call-stats.ts";
import {
  expose,
  exposeHistograms,
  exposeLabelled,
  type Labels,
  type Sample,
} from "./exposition.ts";
import type { HandHistogram } from "./histogram.ts";
import type { Member } from "./member.ts";
import type { ReceivedBytes } from "./peer/server.ts";
import { CLUSTER_VERSION, ETCD_VERSION } from "./version.ts";

export interface MetricsParts {
  readonly member: Member;
  readonly calls: CallStats;
  readonly clients: GrpcServer;
  readonly received: ReceivedBytes;
  readonly walWrites: HandHistogram;
  readonly commits: HandHistogram;
  readonly loopDelay: HandHistogram;
}

const STATUS_NAMES = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** A registry of its own: nothing is global. */
export function buildMetrics(parts: MetricsParts): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  exposeServer(registry, parts.member);
  exposeIdentity(registry, parts.member);
  exposeStore(registry, parts);
  exposeDisk(registry, parts);
  exposeCalls(registry, parts);
  exposePeers(registry, parts);
  exposeOwn(registry, parts);
  return registry;
}

function exposeServer(registry: Registry, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(registry, "gauge", name, help, read);
  gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", () =>
    member.leader() === NO_MEMBER ? 0 : 1,
  );
  gauge(
    "etcd_server_is_leader",
    "Whether or not this member is a leader. 1 if is, 0 otherwise.",
    () => (member.isLeader() ? 1 : 0),
  );
  gauge(
    "etcd_server_is_learner",
    "Whether or not this member is a learner. 1 if is, 0 otherwise.",
    () => (member.isLearner() ? 1 : 0),
  );
  expose(
    registry,
    "counter",
    "etcd_server_leader_changes_seen_total",
    "The number of leader changes seen.",
    () => member.leaderChanges,
  );
  expose(
    registry,
    "counter",
    "etcd_server_proposals_failed_total",
    "The total number of failed proposals seen.",
    () => member.loop.proposals.failedCount,
  );
  expose(
    registry,
    "counter",
    "etcd_server_read_indexes_failed_total",
    "The total number of failed read indexes seen.",
    () => member.loop.reads.failedCount,
  );
  gauge(
    "etcd_server_proposals_pending",
    "The current number of pending proposals to commit.",
    () => member.loop.proposals.count,
  );
  gauge(
    "etcd_server_proposals_committed_total",
    "The total number of consensus proposals committed.",
    () => member.raftStatus().commit,
  );
  gauge(
    "etcd_server_proposals_applied_total",
    "The total number of consensus proposals applied.",
    () => member.loop.applied,
  );
  gauge("etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.", () =>
    Number.isFinite(member.config.quotaBytes) ? member.config.quotaBytes : 0,
  );
}

function exposeIdentity(registry: Registry, member: Member): void {
  exposeLabelled(
    registry,
    "gauge",
    "etcd_server_id",
    "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    () => [[{ server_id: member.identity.memberId.toString(16) }, 1]],
  );
  exposeLabelled(
    registry,
    "gauge",
    "etcd_server_version",
    "Which version is running. 1 for 'server_version' label with current version.",
    () => [[{ server_version: ETCD_VERSION }, 1]],
  );
  exposeLabelled(
    registry,
    "gauge",
    "etcd_cluster_version",
    "Which version is running. 1 for 'cluster_version' label with current cluster version",
    () => [[{ cluster_version: CLUSTER_VERSION.replace(/\.\d+$/, "") }, 1]],
  );
}

function exposeStore(registry: Registry, { member }: MetricsParts): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(registry, "gauge", name, help, read);
  gauge(
    "etcd_mvcc_db_total_size_in_bytes",
    "Total size of the underlying database physically allocated in bytes.",
    () => member.dbSize(),
  );
  gauge(
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "Total size of the underlying database logically in use in bytes.",
    () => member.machine.buffer.liveBytes,
  );
  gauge(
    "etcd_debugging_mvcc_keys_total",
    "Total number of keys.",
    () => member.machine.store.keyCount,
  );
  gauge(
    "etcd_debugging_mvcc_current_revision",
    "The current revision of store.",
    () => member.machine.store.revision,
  );
  gauge(
    "etcd_debugging_mvcc_compact_revision",
    "The revision of the last compaction in store.",
    () => member.machine.store.compactRevision,
  );
  gauge(
    "etcd_debugging_mvcc_watch_stream_total",
    "Total number of watch streams.",
    () => member.watch.streamCount,
  );
  gauge(
    "etcd_debugging_mvcc_watcher_total",
    "Total number of watchers.",
    () => member.watch.watcherCount,
  );
  gauge(
    "etcd_debugging_mvcc_slow_watcher_total",
    "Total number of unsynced slow watchers.",
    () => member.watch.slowWatcherCount,
  );
  expose(
    registry,
    "counter",
    "etcd_debugging_mvcc_events_total",
    "Total number of events sent by this member.",
    () => member.watch.eventsDelivered,
  );
  expose(
    registry,
    "counter",
    "etcd_debugging_lease_renewed_total",
    "The number of renewed leases seen by the leader.",
    () => member.leases.renewedCount,
  );
  expose(
    registry,
    "counter",
    "etcd_debugging_server_lease_expired_total",
    "The total number of expired leases.",
    () => member.leases.expiredCount,
  );
}

function exposeDisk(registry: Registry, parts: MetricsParts): void {
  const { member } = parts;
  exposeHistograms(
    registry,
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of durable writes of the log.",
    () => [[{}, parts.walWrites]],
  );
  exposeHistograms(
    registry,
    "etcd_disk_backend_commit_duration_seconds",
    "The latency distributions of commit called by backend.",
    () => [[{}, parts.commits]],
  );
  expose(
    registry,
    "counter",
    "etcd_disk_wal_write_bytes_total",
    "Total number of bytes written in WAL.",
    () => member.wal.counters.bytes,
  );
}

function exposeCalls(registry: Registry, { calls, clients }: MetricsParts): void {
  const labels = (stats: MethodStats): Labels => ({
    grpc_type: stats.type,
    grpc_service: stats.service,
    grpc_method: stats.method,
  });
  exposeLabelled(
    registry,
    "counter",
    "grpc_server_started_total",
    "Total number of RPCs started on the server.",
    () => [...calls.byPath.values()].map((stats): Sample => [labels(stats), stats.started]),
  );
  exposeLabelled(
    registry,
    "counter",
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.",
    () =>
      [...calls.byPath.values()].flatMap((stats) =>
        stats.handled.map((count, code): Sample => [
          { ...labels(stats), grpc_code: STATUS_NAMES[code] ?? "Unknown" },
          count,
        ]),
      ),
  );
  exposeHistograms(
    registry,
    "grpc_server_handling_seconds",
    "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
    () =>
      [...calls.byPath.values()].flatMap((stats) =>
        stats.handling === null ? [] : [[labels(stats), stats.handling] as const],
      ),
  );
  expose(
    registry,
    "counter",
    "etcd_network_client_grpc_received_bytes_total",
    "The total number of bytes received from grpc clients.",
    () => clients.counters.bytesReceived,
  );
  expose(
    registry,
    "counter",
    "etcd_network_client_grpc_sent_bytes_total",
    "The total number of bytes sent to grpc clients.",
    () => clients.counters.bytesSent,
  );
}

function exposePeers(registry: Registry, { member, received }: MetricsParts): void {
  const hex = (id: bigint): string => id.toString(16);
  exposeLabelled(
    registry,
    "counter",
    "etcd_network_peer_sent_bytes_total",
    "The total number of bytes sent to peers.",
    () => member.links.all().map((link): Sample => [{ To: hex(link.peer) }, link.bytesSent]),
  );
  exposeLabelled(
    registry,
    "counter",
    "etcd_network_peer_sent_failures_total",
    "The total number of send failures from peers.",
    () => member.links.all().map((link): Sample => [{ To: hex(link.peer) }, link.failures]),
  );
  exposeLabelled(
    registry,
    "counter",
    "etcd_network_peer_received_bytes_total",
    "The total number of bytes received from peers.",
    () => Array.from(received, ([from, bytes]): Sample => [{ From: hex(from) }, bytes]),
  );
  exposeHistograms(
    registry,
    "etcd_network_peer_round_trip_time_seconds",
    "Round-Trip-Time histogram between peers",
    () => member.links.all().map((link) => [{ To: hex(link.peer) }, link.roundTrips] as const),
  );
}

function exposeOwn(registry: Registry, { member, clients, loopDelay }: MetricsParts): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(registry, "gauge", name, help, read);
  exposeHistograms(
    registry,
    "quorate_loop_delay_seconds",
    "How late the loop's clock ticks.",
    () => [[{}, loopDelay]],
  );
  gauge(
    "quorate_proposals_in_flight_bytes",
    "Bytes of proposals not yet answered.",
    () => member.loop.proposals.bytes,
  );
  gauge(
    "quorate_store_buffer_bytes",
    "Bytes applied and not yet in the store.",
    () => member.machine.buffer.pendingBytes,
  );
  gauge(
    "quorate_value_cache_bytes",
    "Bytes of newest values in memory.",
    () => member.machine.store.cacheBytes,
  );
  gauge(
    "quorate_responses_being_built_bytes",
    "Bytes of large range responses being built or sent.",
    () => member.responses.bytes,
  );
  gauge(
    "quorate_apply_backlog_entries",
    "Entries committed and not yet applied.",
    () => member.loop.applyBacklog,
  );
  gauge("quorate_log_bytes", "Bytes of the log's files.", () => member.wal.bytesOnDisk);
  gauge(
    "quorate_client_connections",
    "Open client connections.",
    () => clients.counters.connections,
  );
  gauge("os_fd_used", "The number of used file descriptors.", () => countDescriptors());
  gauge("os_fd_limit", "The file descriptor limit.", () => descriptorLimit());
}

function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

function descriptorLimit(): number {
  try {
    return Number(
      /Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0,
    );
  } catch {
    return 0;
  }
}
