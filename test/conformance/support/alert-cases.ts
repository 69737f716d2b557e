/**
 * For each alert: series that raise it, and series that come close and do not. promtool evaluates both in one test, so that
 * what is expected is all that fires.
 */

/** Values in promtool's notation, a minute apart, by series without its job. */
export type SeriesValues = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** The severities that fire. */
  readonly severities: readonly string[];
  /** When it is looked at. */
  readonly at: string;
  /** Under the job `quorate-bad`. */
  readonly fires: SeriesValues;
  /** Under the job `etcd-good`. */
  readonly quiet: SeriesValues;
  /** Labels of the alert beside its job and severity. */
  readonly labels: Readonly<Record<string, string>>;
}

const WARNING = ["warning"];
const CRITICAL = ["critical"];
const A = { instance: "a" };

/** Buckets of a histogram whose observations all lie in one: a hundred a minute. */
function buckets(name: string, labels: string, below: number, upTo: number): SeriesValues {
  const more = labels === "" ? "" : `, ${labels}`;
  return {
    [`${name}_bucket{instance="a"${more}, le="${below}"}`]: "0x60",
    [`${name}_bucket{instance="a"${more}, le="${upTo}"}`]: "0+100x60",
    [`${name}_bucket{instance="a"${more}, le="+Inf"}`]: "0+100x60",
  };
}

function handled(code: string, aMinute: number): SeriesValues {
  const labels = `grpc_type="unary", grpc_service="etcdserverpb.KV", grpc_method="Put"`;
  return {
    [`grpc_server_handled_total{instance="a", ${labels}, grpc_code="${code}"}`]: `0+${aMinute}x60`,
  };
}

const PUT = { grpc_service: "etcdserverpb.KV", grpc_method: "Put" };
const UP = { 'up{instance="a"}': "1x60", 'up{instance="b"}': "1x60", 'up{instance="c"}': "1x60" };
const HANDLING = "grpc_server_handling_seconds";
const CALL = (method: string): string =>
  `grpc_type="unary", grpc_service="etcdserverpb.KV", grpc_method="${method}"`;

const CLUSTER: readonly AlertCase[] = [
  {
    alert: "QuorateMembersDown",
    severities: WARNING,
    at: "25m",
    fires: { ...UP, 'up{instance="c"}': "0x60" },
    quiet: UP,
    labels: {},
  },
  {
    alert: "QuorateMembersDown",
    severities: WARNING,
    at: "25m",
    fires: { 'etcd_network_peer_sent_failures_total{instance="a", To="c"}': "0+6x60" },
    quiet: { 'etcd_network_peer_sent_failures_total{instance="a", To="c"}': "7x60" },
    labels: {},
  },
  {
    alert: "QuorateInsufficientMembers",
    severities: CRITICAL,
    at: "5m",
    fires: { ...UP, 'up{instance="b"}': "0x60", 'up{instance="c"}': "0x60" },
    quiet: { ...UP, 'up{instance="c"}': "0x60" },
    labels: {},
  },
  {
    alert: "QuorateNoLeader",
    severities: CRITICAL,
    at: "3m",
    fires: { 'etcd_server_has_leader{instance="a"}': "0x60" },
    quiet: { 'etcd_server_has_leader{instance="a"}': "1x60" },
    labels: A,
  },
  {
    alert: "QuorateHighNumberOfLeaderChanges",
    severities: WARNING,
    at: "30m",
    fires: { 'etcd_server_leader_changes_seen_total{instance="a"}': "0+1x60" },
    quiet: { 'etcd_server_leader_changes_seen_total{instance="a"}': "0x20 3x40" },
    labels: {},
  },
  {
    alert: "QuorateTargetsMissing",
    severities: WARNING,
    at: "20m",
    fires: { ...UP, 'quorate_members{instance="a"}': "4x60" },
    quiet: { ...UP, 'quorate_members{instance="a"}': "3x60" },
    labels: {},
  },
  {
    alert: "QuorateFollowerFarBehind",
    severities: WARNING,
    at: "15m",
    fires: { 'quorate_follower_lag_entries{instance="a", To="b"}': "6000x60" },
    quiet: { 'quorate_follower_lag_entries{instance="a", To="b"}': "6000x3 10x57" },
    labels: { To: "b" },
  },
  {
    alert: "QuorateStateTransfersFailing",
    severities: WARNING,
    at: "25m",
    fires: { 'etcd_network_snapshot_send_failures{instance="a", To="b"}': "0+1x60" },
    quiet: { 'etcd_network_snapshot_send_failures{instance="a", To="b"}': "0x15 1x45" },
    labels: { To: "b" },
  },
  {
    alert: "QuorateMembersDiffer",
    severities: CRITICAL,
    at: "10m",
    fires: { 'quorate_integrity_differences_total{instance="a"}': "0x5 1x60" },
    quiet: { 'quorate_integrity_differences_total{instance="a"}': "2x60" },
    labels: {},
  },
  {
    alert: "QuorateMemberRebuilt",
    severities: WARNING,
    at: "1m",
    fires: { 'quorate_integrity_rebuilt{instance="a"}': "1x60" },
    quiet: { 'quorate_integrity_rebuilt{instance="a"}': "0x60" },
    labels: A,
  },
  {
    alert: "QuorateAlarmCorrupt",
    severities: CRITICAL,
    at: "1m",
    fires: { 'quorate_alarm{instance="a", alarm="CORRUPT"}': "1x60" },
    quiet: {
      'quorate_alarm{instance="a", alarm="CORRUPT"}': "0x60",
      'quorate_alarm{instance="a", alarm="NOSPACE"}': "1x60",
    },
    labels: { alarm: "CORRUPT" },
  },
];

const REQUESTS: readonly AlertCase[] = [
  {
    alert: "QuorateHighNumberOfFailedGRPCRequests",
    severities: WARNING,
    at: "20m",
    fires: { ...handled("OK", 100), ...handled("Unavailable", 2) },
    quiet: { ...handled("OK", 100), ...handled("InvalidArgument", 100) },
    labels: { ...A, ...PUT },
  },
  {
    alert: "QuorateHighNumberOfFailedGRPCRequests",
    severities: ["warning", "critical"],
    at: "20m",
    fires: { ...handled("OK", 100), ...handled("ResourceExhausted", 10) },
    quiet: { ...handled("OK", 1000), ...handled("ResourceExhausted", 9) },
    labels: { ...A, ...PUT },
  },
  {
    alert: "QuorateGRPCRequestsSlow",
    severities: CRITICAL,
    at: "20m",
    fires: buckets(HANDLING, CALL("Put"), 0.1, 0.25),
    quiet: {
      ...buckets(HANDLING, CALL("Put"), 0.05, 0.1),
      ...buckets(HANDLING, CALL("Campaign"), 5, 10),
    },
    labels: { ...A, ...PUT },
  },
  {
    alert: "QuorateHighNumberOfFailedProposals",
    severities: WARNING,
    at: "40m",
    fires: { 'etcd_server_proposals_failed_total{instance="a"}': "0+400x60" },
    quiet: { 'etcd_server_proposals_failed_total{instance="a"}': "0+200x60" },
    labels: A,
  },
  {
    alert: "QuorateRequestsSlowed",
    severities: WARNING,
    at: "20m",
    fires: {
      'quorate_slow_requests_total{instance="a", grpc_method="Put", phase="log"}': "0+50x60",
      'quorate_slow_requests_total{instance="a", grpc_method="Txn", phase="log"}': "0+50x60",
    },
    quiet: {
      'quorate_slow_requests_total{instance="a", grpc_method="Put", phase="log"}': "0+50x60",
    },
    labels: { ...A, phase: "log" },
  },
  {
    alert: "QuorateBudgetNearlyFull",
    severities: WARNING,
    at: "10m",
    fires: {
      'quorate_budget_used_bytes{instance="a", budget="proposals"}': "95x60",
      'quorate_budget_limit_bytes{instance="a", budget="proposals"}': "100x60",
    },
    quiet: {
      'quorate_budget_used_bytes{instance="a", budget="value-cache"}': "100x60",
      'quorate_budget_limit_bytes{instance="a", budget="value-cache"}': "100x60",
      'quorate_budget_used_bytes{instance="a", budget="responses"}': "80x60",
      'quorate_budget_limit_bytes{instance="a", budget="responses"}': "100x60",
    },
    labels: { ...A, budget: "proposals" },
  },
  {
    alert: "QuorateApplyBehind",
    severities: WARNING,
    at: "3m",
    fires: { 'quorate_apply_backlog_entries{instance="a"}': "4500x60" },
    quiet: { 'quorate_apply_backlog_entries{instance="a"}': "3000x60" },
    labels: A,
  },
  {
    alert: "QuorateClientsRefused",
    severities: WARNING,
    at: "15m",
    fires: { 'quorate_client_connections_refused_total{instance="a"}': "0+1x60" },
    quiet: { 'quorate_client_connections_refused_total{instance="a"}': "40x60" },
    labels: A,
  },
  {
    alert: "QuorateWatchersBehind",
    severities: WARNING,
    at: "20m",
    fires: { 'quorate_watch_backlog_revisions{instance="a"}': "200000x60" },
    quiet: { 'quorate_watch_backlog_revisions{instance="a"}': "50000x60" },
    labels: A,
  },
];

const FSYNC = "etcd_disk_wal_fsync_duration_seconds";
const SIZE = 'etcd_mvcc_db_total_size_in_bytes{instance="a"}';
const IN_USE = 'etcd_mvcc_db_total_size_in_use_in_bytes{instance="a"}';
const QUOTA = 'etcd_server_quota_backend_bytes{instance="a"}';
const RTT = "etcd_network_peer_round_trip_time_seconds";
const COMMIT = "etcd_disk_backend_commit_duration_seconds";
const DELAY = "quorate_loop_delay_seconds";
const CERTIFICATE = 'quorate_tls_certificate_expiry_seconds{instance="a", use="cert-file"}';

const RESOURCES: readonly AlertCase[] = [
  {
    alert: "QuorateMemberCommunicationSlow",
    severities: CRITICAL,
    at: "20m",
    fires: buckets(RTT, 'To="b"', 0.1, 0.2),
    quiet: buckets(RTT, 'To="b"', 0.05, 0.1),
    labels: { ...A, To: "b" },
  },
  {
    alert: "QuorateHighFsyncDurations",
    severities: WARNING,
    at: "20m",
    fires: buckets(FSYNC, "", 0.5, 0.6),
    quiet: buckets(FSYNC, "", 0.2, 0.4),
    labels: A,
  },
  {
    alert: "QuorateHighFsyncDurations",
    severities: ["warning", "critical"],
    at: "20m",
    fires: buckets(FSYNC, "", 1.024, 2.048),
    quiet: buckets(FSYNC, "", 0.2, 0.4),
    labels: A,
  },
  {
    alert: "QuorateHighCommitDurations",
    severities: WARNING,
    at: "20m",
    fires: buckets(COMMIT, "", 0.256, 0.512),
    quiet: buckets(COMMIT, "", 0.128, 0.2),
    labels: A,
  },
  {
    alert: "QuorateLoopStalled",
    severities: WARNING,
    at: "20m",
    fires: buckets(DELAY, "", 0.256, 0.512),
    quiet: buckets(DELAY, "", 0.128, 0.2),
    labels: A,
  },
  {
    alert: "QuorateDatabaseQuotaLowSpace",
    severities: CRITICAL,
    at: "15m",
    fires: { [SIZE]: "96x60", [QUOTA]: "100x60" },
    quiet: { [SIZE]: "90x60", [QUOTA]: "100x60" },
    labels: A,
  },
  {
    alert: "QuorateDatabaseQuotaLowSpace",
    severities: CRITICAL,
    at: "15m",
    fires: { [SIZE]: "96x60", [QUOTA]: "100x60" },
    // 0 is no quota.
    quiet: { [SIZE]: "96x60", [QUOTA]: "0x60" },
    labels: A,
  },
  {
    alert: "QuorateExcessiveDatabaseGrowth",
    severities: WARNING,
    at: "40m",
    fires: { [SIZE]: "0+1x60", [QUOTA]: "200x60" },
    quiet: { [SIZE]: "0+1x60", [QUOTA]: "1000x60" },
    labels: A,
  },
  {
    alert: "QuorateDatabaseHighFragmentationRatio",
    severities: WARNING,
    at: "20m",
    fires: { [IN_USE]: "200000000x60", [SIZE]: "500000000x60" },
    quiet: { [IN_USE]: "10x60", [SIZE]: "100x60" },
    labels: A,
  },
  {
    alert: "QuorateAlarmNoSpace",
    severities: CRITICAL,
    at: "1m",
    fires: { 'quorate_alarm{instance="a", alarm="NOSPACE"}': "1x60" },
    quiet: { 'quorate_alarm{instance="a", alarm="NOSPACE"}': "0x60" },
    labels: { alarm: "NOSPACE" },
  },
  {
    alert: "QuorateLogFull",
    severities: CRITICAL,
    at: "1m",
    fires: { 'quorate_log_full{instance="a"}': "1x60" },
    quiet: { 'quorate_log_full{instance="a"}': "0x60" },
    labels: A,
  },
  {
    alert: "QuorateRestartWouldTakeLong",
    severities: WARNING,
    at: "15m",
    fires: { 'quorate_log_unreleased_entries{instance="a"}': "300000x60" },
    quiet: { 'quorate_log_unreleased_entries{instance="a"}': "300000x3 16000x57" },
    labels: A,
  },
  {
    alert: "QuorateCertificateExpires",
    severities: WARNING,
    at: "80m",
    fires: { [CERTIFICATE]: "259200-60x100" },
    quiet: { [CERTIFICATE]: "2592000-60x100" },
    labels: { use: "cert-file" },
  },
  {
    alert: "QuorateCertificatesNotReloaded",
    severities: WARNING,
    at: "20m",
    fires: { 'quorate_tls_reload_failures_total{instance="a", side="peer"}': "0x5 1x60" },
    quiet: { 'quorate_tls_reload_failures_total{instance="a", side="peer"}': "3x60" },
    labels: { ...A, side: "peer" },
  },
  {
    alert: "QuorateFileDescriptorsLow",
    severities: WARNING,
    at: "15m",
    fires: {
      'process_open_fds{instance="a"}': "900x60",
      'process_max_fds{instance="a"}': "1000x60",
    },
    quiet: {
      'process_open_fds{instance="a"}': "700x60",
      'process_max_fds{instance="a"}': "1000x60",
    },
    labels: A,
  },
];

export const ALERT_CASES: readonly AlertCase[] = [...CLUSTER, ...REQUESTS, ...RESOURCES];
