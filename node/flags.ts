/**
 * Every flag, as data: etcd's and ours. A flag comes from the command line, else from `QUORATE_<NAME>`, else from
 * `ETCD_<NAME>`; with `--config-file` from that YAML file alone, as with etcd.
 */
import { type Flag, flag, ignored } from "./flag.ts";
import { INTEGRITY_FLAGS } from "./integrity/flags.ts";
import { nearest } from "./nearest.ts";
import { TLS_FLAGS } from "./tls/flags.ts";

const MEMBER: readonly Flag[] = [
  flag("name", "text", "default", "name of this member"),
  flag("data-dir", "text", "", "where the member keeps its data (default: <name>.quorate)"),
  flag("wal-dir", "text", "", "a directory of its own for the log"),
  flag("listen-client-urls", "urls", "http://localhost:2379", "URLs to serve clients on"),
  flag("listen-peer-urls", "urls", "http://localhost:2380", "URLs to serve the other members on"),
  flag(
    "listen-client-http-urls",
    "urls",
    "",
    "URLs for HTTP alone; the client URLs then serve gRPC alone",
  ),
  flag("listen-metrics-urls", "urls", "", "further URLs for /metrics and the health checks"),
  flag("heartbeat-interval", "integer", "100", "milliseconds between a leader's heartbeats"),
  flag("election-timeout", "integer", "1000", "milliseconds without a leader before an election"),
  flag(
    "initial-election-tick-advance",
    "flag",
    "true",
    "shorten the first election timeout after a start",
  ),
  flag("pre-vote", "flag", "true", "ask whether an election can be won before it is called"),
  flag(
    "strict-reconfig-check",
    "flag",
    "true",
    "refuse membership changes that would cost the quorum",
  ),
  flag("max-learners", "integer", "1", "learners at one time"),
  flag(
    "unsafe-no-fsync",
    "flag",
    "false",
    "do not wait for the disk: loses data when the machine stops",
  ),
];

const CLUSTER: readonly Flag[] = [
  flag(
    "initial-advertise-peer-urls",
    "urls",
    "http://localhost:2380",
    "peer URLs told to the other members",
  ),
  flag("initial-cluster", "text", "", "members at the start: name=peer-url,name=peer-url"),
  flag("initial-cluster-state", "text", "new", "new, or existing to join a running cluster"),
  flag("initial-cluster-token", "text", "etcd-cluster", "keeps clusters with equal URLs apart"),
  flag("advertise-client-urls", "urls", "http://localhost:2379", "client URLs told to clients"),
  flag(
    "boot-dir",
    "text",
    "",
    "where an operator says, in <name>.json, how this member begins; instead of --initial-cluster",
  ),
  flag(
    "force-new-cluster",
    "flag",
    "false",
    "make this member, with what is on its disk, the only one of a new cluster; for one start",
  ),
];

const LIMITS: readonly Flag[] = [
  flag(
    "snapshot-count",
    "integer",
    "10000",
    "accepted; state is made durable by size and time instead",
  ),
  flag("snapshot-catchup-entries", "integer", "5000", "log entries kept for slow followers"),
  flag(
    "quota-backend-bytes",
    "integer",
    "0",
    "size of the database that raises NOSPACE; 0 is 2 GiB, negative is no limit",
  ),
  flag("auto-compaction-mode", "text", "periodic", "periodic or revision"),
  flag(
    "auto-compaction-retention",
    "text",
    "0",
    "a duration (periodic; a bare number is hours) or revisions; 0 is off",
  ),
  flag("max-request-bytes", "integer", "1572864", "largest request"),
  flag("max-txn-ops", "integer", "128", "operations in one transaction"),
  flag("max-concurrent-streams", "integer", "4294967295", "streams on one connection"),
  flag("grpc-keepalive-min-time", "duration", "5s", "shortest time between a client's pings"),
  flag(
    "grpc-keepalive-interval",
    "duration",
    "2h",
    "time between the server's pings on an idle connection",
  ),
  flag("grpc-keepalive-timeout", "duration", "20s", "how long a ping may stay unanswered"),
  flag("compaction-batch-limit", "integer", "1000", "revisions in one slice of a compaction"),
  flag("compaction-sleep-interval", "duration", "10ms", "pause between two slices of a compaction"),
  flag("watch-progress-notify-interval", "duration", "10m", "time between progress notifications"),
  flag("warning-apply-duration", "duration", "100ms", "log an apply that takes longer"),
  flag("warning-unary-request-duration", "duration", "300ms", "log a request that takes longer"),
];

const BUDGETS: readonly Flag[] = [
  flag(
    "proposal-budget-bytes",
    "integer",
    "67108864",
    "proposals in flight; beyond it: too many requests",
  ),
  flag(
    "store-buffer-bytes",
    "integer",
    "67108864",
    "writes not yet in the store; beyond it: too many requests",
  ),
  flag("raft-cache-bytes", "integer", "8388608", "log entries kept in memory"),
  flag("value-cache-bytes", "integer", "8388608", "newest values kept in memory"),
  flag(
    "response-budget-bytes",
    "integer",
    "268435456",
    "large range responses being built; further ones wait",
  ),
  flag("watch-stream-bytes", "integer", "1048576", "events waiting on one watch stream"),
  flag("wal-segment-bytes", "integer", "67108864", "size of one file of the log"),
];

const USERS: readonly Flag[] = [
  flag(
    "auth-token",
    "text",
    "simple",
    "simple, or jwt,sign-method=RS256,priv-key=FILE,pub-key=FILE,ttl=5m",
  ),
  flag("auth-token-ttl", "integer", "300", "seconds that an unused simple token is good for"),
  flag("bcrypt-cost", "integer", "10", "cost of a password's hash, 4 to 31: each step doubles it"),
];

const OBSERVE: readonly Flag[] = [
  flag("metrics", "text", "basic", "basic or extensive (adds grpc_server_handling_seconds)"),
  flag("log-level", "text", "info", "debug, info, warn, error, fatal or panic"),
  flag("log-format", "text", "json", "json, or console for lines that people read"),
  flag("log-outputs", "list", "default", "default, stdout, stderr or file paths, comma-separated"),
  flag("host-whitelist", "list", "*", "host names that plain HTTP requests may name"),
  flag("cors", "list", "*", "origins allowed to use the HTTP API"),
  flag("enable-grpc-gateway", "flag", "true", "serve JSON under /v3 on the client port"),
  flag(
    "config-file",
    "text",
    "",
    "a YAML file with these names; flags and environment are then not read",
  ),
];

/** What this release does not do and must not pretend to. */
const REFUSED: readonly Flag[] = [
  ...ignored("text", "discovery-endpoints", "discovery-token", "discovery-srv", "discovery"),
];

const IGNORED: readonly Flag[] = [
  ...ignored("text", "backend-bbolt-freelist-type"),
  ...ignored("text", "logger", "log-rotation-config-json", "v2-deprecation", "discovery-srv-name"),
  ...ignored("text", "distributed-tracing-address", "distributed-tracing-service-name"),
  ...ignored("text", "distributed-tracing-instance-id", "discovery-proxy", "discovery-fallback"),
  ...ignored("integer", "backend-batch-limit", "max-snapshots", "max-wals"),
  ...ignored(
    "integer",
    "bootstrap-defrag-threshold-megabytes",
    "distributed-tracing-sampling-rate",
  ),
  ...ignored("duration", "backend-batch-interval"),
  ...ignored("duration", "raft-read-timeout", "raft-write-timeout", "downgrade-check-time"),
  ...ignored("flag", "enable-pprof", "enable-distributed-tracing", "enable-log-rotation"),
  ...ignored("flag", "memory-mlock", "socket-reuse-address", "socket-reuse-port"),
];

/** Sections of --help, in its order. */
export const FLAG_SECTIONS: readonly (readonly [title: string, flags: readonly Flag[]])[] = [
  ["Member", MEMBER],
  ["Cluster", CLUSTER],
  ["TLS", TLS_FLAGS],
  ["Limits", LIMITS],
  ["Memory budgets", BUDGETS],
  ["Integrity", INTEGRITY_FLAGS],
  ["Users", USERS],
  ["Logs, metrics, HTTP", OBSERVE],
];

/** Flags that would weaken security or change the cluster if they were ignored: refused until they are served. */
export const REFUSED_FLAGS: ReadonlySet<string> = new Set(REFUSED.map((each) => each.name));

export const FLAGS: ReadonlyMap<string, Flag> = new Map(
  [...FLAG_SECTIONS.flatMap(([, flags]) => flags), ...REFUSED, ...IGNORED].map((each) => [
    each.name,
    each,
  ]),
);

/** The known flag nearest to `name`, for the error of an unknown one. */
export function nearestFlag(name: string): string {
  return nearest(name, FLAGS.keys());
}
