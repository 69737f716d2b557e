/** The member's configuration: typed, checked, and complete. Made once, at the start. */
import { readFileSync } from "node:fs";
import { QuorateError } from "../src/base/errors.ts";
import { readAuth, type AuthConfig } from "./auth-token.ts";
import { parseDuration } from "./duration.ts";
import { type IntegrityConfig, readIntegrity } from "./integrity/settings.ts";
import { parseInitialCluster } from "./initial-cluster.ts";
import { Reader, refuse, toPlainUrl } from "./reader.ts";
import { readSettings, type Settings, type SettingsSource } from "./settings.ts";
import { readTlsSettings, type TlsSettings } from "./tls/settings.ts";

export interface Config extends AuthConfig {
  readonly name: string;
  readonly dataDir: string;
  /** Null: below the data directory. */
  readonly walDir: string | null;
  readonly listenClientUrls: readonly URL[];
  readonly listenPeerUrls: readonly URL[];
  readonly listenClientHttpUrls: readonly URL[];
  readonly listenMetricsUrls: readonly URL[];
  readonly advertiseClientUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  /** Peer URLs by member name, sorted as given. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>;
  readonly initialClusterState: "new" | "existing";
  readonly initialClusterToken: string;
  /** Where an operator puts this member's boot file; null: the flags say how it begins. */
  readonly bootDir: string | null;
  /** What is on this disk becomes a cluster of its own, of one member. */
  readonly forceNewCluster: boolean;
  readonly clientTls: TlsSettings;
  readonly peerTls: TlsSettings;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly initialElectionTickAdvance: boolean;
  readonly preVote: boolean;
  readonly strictReconfigCheck: boolean;
  readonly maxLearners: number;
  readonly fsync: boolean;
  readonly snapshotCatchUpEntries: number;
  /** Bytes; Infinity where there is no limit. */
  readonly quotaBytes: number;
  readonly autoCompaction:
    | { readonly mode: "off" }
    | { readonly mode: "periodic"; readonly periodMs: number }
    | { readonly mode: "revision"; readonly revisions: number };
  readonly maxRequestBytes: number;
  readonly maxTxnOps: number;
  readonly maxConcurrentStreams: number;
  readonly keepaliveMinTimeMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly compactionBatchRevisions: number;
  readonly compactionSleepMs: number;
  readonly watchProgressMs: number;
  readonly warnApplyMs: number;
  readonly warnRequestMs: number;
  readonly proposalBudgetBytes: number;
  readonly storeBufferBytes: number;
  readonly raftCacheBytes: number;
  readonly valueCacheBytes: number;
  readonly responseBudgetBytes: number;
  readonly watchStreamBytes: number;
  readonly walSegmentBytes: number;
  readonly integrity: IntegrityConfig;
  /** Rebuild this member from its peers where its data are damaged. */
  readonly corruptionRepair: boolean;
  readonly extensiveMetrics: boolean;
  readonly logLevel: string;
  readonly logFormat: "json" | "console";
  readonly logOutputs: readonly string[];
  readonly hostWhitelist: readonly string[];
  readonly corsOrigins: readonly string[];
  /** JSON under /v3. */
  readonly gateway: boolean;
  /** To be logged once there is a log. */
  readonly warnings: readonly string[];
}

const QUOTA_DEFAULT_BYTES = 2 * 1024 ** 3;
const QUOTA_ADVISED_BYTES = 8 * 1024 ** 3;

/** Reads and checks everything; throws QuorateError "configuration" with one line that says what to change. */
export function loadConfig(
  args: readonly string[],
  environment: SettingsSource["environment"],
): Config {
  return buildConfig(readSettings({ args, environment, readFile: readConfigFile }));
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new QuorateError("configuration", `--config-file=${path} cannot be read`, error);
  }
}

/** Settings to configuration. Pure. */
export function buildConfig(settings: Settings): Config {
  const read = new Reader(settings);
  const warnings = [...settings.warnings, ...read.warnIgnored()];
  const name = read.text("name");
  const listenClientUrls = read.urls("listen-client-urls");
  if (read.given("listen-client-urls") && !read.given("advertise-client-urls")) {
    refuse("--advertise-client-urls is required when --listen-client-urls is set: add it");
  }
  const advertisePeerUrls = read.peerUrls("initial-advertise-peer-urls").map(toPlainUrl);
  const quota = read.integer("quota-backend-bytes");
  if (quota > QUOTA_ADVISED_BYTES) {
    warnings.push(`--quota-backend-bytes=${quota} exceeds the 8 GiB that etcd advises`);
  }
  return {
    ...memberFields(read, name),
    ...clusterFields(read, name, advertisePeerUrls),
    ...limitFields(read),
    ...budgetFields(read),
    ...readAuth(read),
    ...tlsFields(read, warnings),
    listenClientUrls,
    advertiseClientUrls: read.urls("advertise-client-urls").map(toPlainUrl),
    advertisePeerUrls,
    integrity: readIntegrity(read),
    corruptionRepair: read.flag("corruption-repair"),
    quotaBytes: quota === 0 ? QUOTA_DEFAULT_BYTES : quota < 0 ? Number.POSITIVE_INFINITY : quota,
    warnings,
  };
}

function tlsFields(read: Reader, warnings: string[]): Pick<Config, "clientTls" | "peerTls"> {
  const urls = (...flags: readonly string[]): Record<string, URL[]> =>
    Object.fromEntries(flags.map((flag) => [flag, read.urls(flag)]));
  const clients = urls("listen-client-urls", "listen-client-http-urls", "listen-metrics-urls");
  return {
    clientTls: readTlsSettings(read, "client", clients, warnings),
    peerTls: readTlsSettings(read, "peer", urls("listen-peer-urls"), warnings),
  };
}

type MemberFields = Pick<
  Config,
  | "name"
  | "dataDir"
  | "walDir"
  | "listenPeerUrls"
  | "listenClientHttpUrls"
  | "listenMetricsUrls"
  | "heartbeatMs"
  | "electionMs"
  | "initialElectionTickAdvance"
  | "preVote"
  | "strictReconfigCheck"
  | "maxLearners"
  | "fsync"
  | "extensiveMetrics"
  | "logLevel"
  | "logFormat"
  | "logOutputs"
  | "hostWhitelist"
  | "corsOrigins"
  | "gateway"
>;

const LOG_LEVELS: ReadonlySet<string> = new Set([
  "debug",
  "info",
  "warn",
  "error",
  "fatal",
  "panic",
]);

function memberFields(read: Reader, name: string): MemberFields {
  const heartbeatMs = read.atLeast("heartbeat-interval", 1);
  const electionMs = read.atLeast("election-timeout", 1);
  if (electionMs < 5 * heartbeatMs) {
    refuse(
      `--election-timeout=${electionMs} must be at least 5 times --heartbeat-interval=${heartbeatMs}: raise it to ${5 * heartbeatMs}`,
    );
  }
  if (electionMs > 50_000)
    refuse(`--election-timeout=${electionMs} must not exceed 50000: lower it`);
  const metrics = read.oneOf("metrics", ["basic", "extensive"]);
  const level = read.text("log-level");
  if (!LOG_LEVELS.has(level))
    refuse(`--log-level=${level} is not one of ${[...LOG_LEVELS].join(", ")}`);
  const walDir = read.text("wal-dir");
  if (name === "") refuse("--name must not be empty");
  const dataDir = read.text("data-dir");
  return {
    name,
    dataDir: dataDir === "" ? `${name}.quorate` : dataDir,
    walDir: walDir === "" ? null : walDir,
    listenPeerUrls: read.peerUrls("listen-peer-urls"),
    listenClientHttpUrls: read.urls("listen-client-http-urls"),
    listenMetricsUrls: read.urls("listen-metrics-urls"),
    heartbeatMs,
    electionMs,
    initialElectionTickAdvance: read.flag("initial-election-tick-advance"),
    preVote: read.flag("pre-vote"),
    strictReconfigCheck: read.flag("strict-reconfig-check"),
    maxLearners: read.atLeast("max-learners", 1),
    fsync: !read.flag("unsafe-no-fsync"),
    extensiveMetrics: metrics === "extensive",
    logLevel: level,
    logFormat: read.oneOf("log-format", ["json", "console"]),
    logOutputs: read.list("log-outputs"),
    hostWhitelist: read.list("host-whitelist"),
    corsOrigins: read.list("cors"),
    gateway: read.flag("enable-grpc-gateway"),
  };
}

type ClusterFields = Pick<
  Config,
  "initialCluster" | "initialClusterState" | "initialClusterToken" | "bootDir" | "forceNewCluster"
>;

function clusterFields(read: Reader, name: string, advertised: readonly string[]): ClusterFields {
  const bootDir = read.text("boot-dir");
  if (bootDir !== "") refuseBesideBootDir(read);
  const text = read.text("initial-cluster");
  const initialCluster =
    text === ""
      ? new Map([[name, [...advertised]]])
      : parseInitialCluster("--initial-cluster", text);
  return {
    initialCluster,
    initialClusterState: read.oneOf("initial-cluster-state", ["new", "existing"]),
    initialClusterToken: read.text("initial-cluster-token"),
    bootDir: bootDir === "" ? null : bootDir,
    forceNewCluster: read.flag("force-new-cluster"),
  };
}

/** Two who say how a new member begins are one too many. */
function refuseBesideBootDir(read: Reader): void {
  for (const name of ["initial-cluster", "initial-cluster-state", "initial-cluster-token"]) {
    if (read.given(name)) {
      refuse(`--boot-dir holds what a new member needs to know: remove --${name}`);
    }
  }
  if (read.flag("force-new-cluster")) {
    refuse("--force-new-cluster is for a ticket to say where there is --boot-dir: remove it");
  }
}

type LimitFields = Pick<
  Config,
  | "snapshotCatchUpEntries"
  | "autoCompaction"
  | "maxRequestBytes"
  | "maxTxnOps"
  | "maxConcurrentStreams"
  | "keepaliveMinTimeMs"
  | "keepaliveIntervalMs"
  | "keepaliveTimeoutMs"
  | "compactionBatchRevisions"
  | "compactionSleepMs"
  | "watchProgressMs"
  | "warnApplyMs"
  | "warnRequestMs"
>;

function limitFields(read: Reader): LimitFields {
  return {
    snapshotCatchUpEntries: read.atLeast("snapshot-catchup-entries", 0),
    autoCompaction: autoCompaction(read),
    maxRequestBytes: read.atLeast("max-request-bytes", 1),
    maxTxnOps: read.atLeast("max-txn-ops", 1),
    maxConcurrentStreams: read.atLeast("max-concurrent-streams", 1),
    keepaliveMinTimeMs: read.duration("grpc-keepalive-min-time"),
    keepaliveIntervalMs: read.duration("grpc-keepalive-interval"),
    keepaliveTimeoutMs: read.duration("grpc-keepalive-timeout"),
    compactionBatchRevisions: read.atLeast("compaction-batch-limit", 1),
    compactionSleepMs: read.duration("compaction-sleep-interval"),
    watchProgressMs: Math.max(100, read.duration("watch-progress-notify-interval")),
    warnApplyMs: read.duration("warning-apply-duration"),
    warnRequestMs: read.duration("warning-unary-request-duration"),
  };
}

function autoCompaction(read: Reader): Config["autoCompaction"] {
  const mode = read.oneOf("auto-compaction-mode", ["periodic", "revision"]);
  const text = read.text("auto-compaction-retention");
  if (/^0+$/.test(text) || text === "") return { mode: "off" };
  if (mode === "revision") {
    if (!/^\d+$/.test(text)) {
      refuse(`--auto-compaction-retention=${text} must be a number of revisions in revision mode`);
    }
    return { mode: "revision", revisions: Number(text) };
  }
  const periodMs = /^\d+$/.test(text) ? Number(text) * 3_600_000 : parseDuration(text);
  if (periodMs === null || periodMs < 0) {
    refuse(`--auto-compaction-retention=${text} must be hours or a duration such as 30m`);
  }
  return periodMs === 0 ? { mode: "off" } : { mode: "periodic", periodMs };
}

type BudgetFields = Pick<
  Config,
  | "proposalBudgetBytes"
  | "storeBufferBytes"
  | "raftCacheBytes"
  | "valueCacheBytes"
  | "responseBudgetBytes"
  | "watchStreamBytes"
  | "walSegmentBytes"
>;

const MIB = 1024 * 1024;

function budgetFields(read: Reader): BudgetFields {
  return {
    proposalBudgetBytes: read.atLeast("proposal-budget-bytes", MIB),
    storeBufferBytes: read.atLeast("store-buffer-bytes", MIB),
    raftCacheBytes: read.atLeast("raft-cache-bytes", 0),
    valueCacheBytes: read.atLeast("value-cache-bytes", 0),
    responseBudgetBytes: read.atLeast("response-budget-bytes", MIB),
    watchStreamBytes: read.atLeast("watch-stream-bytes", 64 * 1024),
    walSegmentBytes: read.atLeast("wal-segment-bytes", 4 * MIB),
  };
}
