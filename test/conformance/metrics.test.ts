/**
 * Metrics under etcd's names: each that etcd's dashboards and alerts use, and those that others are known to use, exists on a
 * real etcd and on us with one type, one set of labels and one set of buckets.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Cluster } from "./support/cluster.ts";
import { MemberClient } from "./support/client.ts";
import {
  bucketBounds,
  labelNames,
  type Metric,
  scrape,
  type Sample,
  valueOf,
} from "./support/scrape.ts";
import { run, tool, until } from "./support/tools.ts";

/** What etcd's monitoring mixin needs. */
const MIXIN: readonly string[] = [
  ...[
    "has_leader",
    "leader_changes_seen_total",
    "proposals_failed_total",
    "proposals_pending",
    "proposals_committed_total",
    "proposals_applied_total",
    "quota_backend_bytes",
  ].map((name) => `etcd_server_${name}`),
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_mvcc_db_total_size_in_use_in_bytes",
  "etcd_disk_wal_fsync_duration_seconds",
  "etcd_disk_backend_commit_duration_seconds",
  ...[
    "peer_round_trip_time_seconds",
    "peer_sent_bytes_total",
    "peer_received_bytes_total",
    "client_grpc_received_bytes_total",
    "client_grpc_sent_bytes_total",
  ].map((name) => `etcd_network_${name}`),
  "grpc_server_started_total",
  "grpc_server_handled_total",
  "grpc_server_handling_seconds",
  ...[
    "resident_memory_bytes",
    "cpu_seconds_total",
    "open_fds",
    "max_fds",
    "start_time_seconds",
    "virtual_memory_bytes",
  ].map((name) => `process_${name}`),
];

/** What is common elsewhere. */
const COMMON: readonly string[] = [
  ...[
    "is_leader",
    "is_learner",
    "id",
    "version",
    "slow_apply_total",
    "slow_read_indexes_total",
    "read_indexes_failed_total",
    "heartbeat_send_failures_total",
    "health_success",
    "health_failures",
    "healthcheck",
    "healthchecks_total",
    "client_requests_total",
    "apply_duration_seconds",
    "range_duration_seconds",
    "learner_promote_successes",
    "learner_promote_failures",
    "snapshot_apply_in_progress_total",
  ].map((name) => `etcd_server_${name}`),
  "etcd_cluster_version",
  ...[
    "wal_write_bytes_total",
    "backend_defrag_duration_seconds",
    "backend_snapshot_duration_seconds",
    "defrag_inflight",
  ].map((name) => `etcd_disk_${name}`),
  ...[
    "range_total",
    "put_total",
    "delete_total",
    "txn_total",
    "hash_duration_seconds",
    "hash_rev_duration_seconds",
    "db_open_read_transactions",
  ].map((name) => `etcd_mvcc_${name}`),
  ...["active_peers", "disconnected_peers_total", "known_peers"].map(
    (name) => `etcd_network_${name}`,
  ),
  ...[
    "keys_total",
    "watch_stream_total",
    "watcher_total",
    "slow_watcher_total",
    "events_total",
    "pending_events_total",
    "current_revision",
    "compact_revision",
    "total_put_size_in_bytes",
    "db_compaction_keys_total",
  ].map((name) => `etcd_debugging_mvcc_${name}`),
  ...["granted_total", "revoked_total", "renewed_total"].map(
    (name) => `etcd_debugging_lease_${name}`,
  ),
  "etcd_debugging_server_lease_expired_total",
  "etcd_debugging_auth_revision",
  "os_fd_used",
  "os_fd_limit",
];

/** Happen only when something goes wrong: their samples need not be there. */
const RARE: ReadonlySet<string> = new Set([
  "etcd_network_disconnected_peers_total",
  "etcd_server_learner_promote_failures",
]);

/** etcd measures it 30 s after the start: as its sources have it. */
const LATE: Readonly<Record<string, Shape>> = {
  etcd_network_peer_round_trip_time_seconds: {
    type: "histogram",
    labels: ["To"],
    bounds: [...Array.from({ length: 16 }, (_, at) => 0.0001 * 2 ** at), Number.POSITIVE_INFINITY],
  },
};

/** As one sees a metric from outside. */
interface Shape {
  readonly type: string;
  readonly labels: readonly string[];
  readonly bounds: readonly number[];
}

function shapeOf(metric: Metric): Shape {
  return { type: metric.type, labels: labelNames(metric), bounds: bucketBounds(metric) };
}

/** A little of everything that is counted. */
async function use(cluster: Cluster, revision: number): Promise<void> {
  const etcdctl = [tool("etcdctl"), `--endpoints=${cluster.endpoints}`];
  const ask = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await run([...etcdctl, ...args]);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  };
  for (let at = 0; at < 5; at++) await ask("put", `key${at}`, "value");
  await ask("get", "--prefix", "key");
  await ask("del", "key4");
  await ask("compaction", String(revision));
  await ask("lease", "grant", "600");
  await ask("endpoint", "hashkv");
  await ask("endpoint", "health");
  for (const { clientUrl, endpoint } of cluster.members) {
    for (const path of ["health", "livez", "readyz"]) await fetch(`${clientUrl}/${path}`);
    const client = new MemberClient(endpoint);
    const watch = client.open("Watch/Watch");
    watch.on("error", () => {});
    watch.write({ createRequest: { key: Buffer.from("key0") } });
    await new Promise((resolve) => watch.once("data", resolve));
    watch.cancel();
    client.close();
  }
}

describe("metrics", () => {
  const clusters: Cluster[] = [];
  const scrapes: (readonly ReadonlyMap<string, Metric>[])[] = [];

  before(async () => {
    for (const product of ["etcd", "quorate"] as const) {
      const flags = ["--metrics=extensive"];
      const cluster = await Cluster.start({ product, members: 3, flags });
      clusters.push(cluster);
      await use(cluster, 3);
      // A member that goes away and returns leaves its mark on the others.
      const [last] = cluster.members.slice(-1);
      await last?.stop("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      if (last !== undefined) cluster.restart(last);
      await cluster.awaitHealthy();
      await use(cluster, 9);
      scrapes.push(await Promise.all(cluster.members.map(({ clientUrl }) => scrape(clientUrl))));
    }
  });

  after(async () => {
    for (const cluster of clusters) await cluster.stop();
  });

  /** The richest of a cluster's members in samples of `name`. */
  const find = (at: number, name: string): Metric | undefined =>
    (scrapes[at] ?? [])
      .flatMap((metrics) => metrics.get(name) ?? [])
      .toSorted((a, b) => b.samples.length - a.samples.length)[0];

  for (const name of [...MIXIN, ...COMMON]) {
    it(`${name} is the same as etcd's`, () => {
      const theirs = find(0, name);
      const ours = find(1, name);
      assert.ok(ours !== undefined, "we export it");
      assert.notEqual(ours.help, "");
      const late = LATE[name];
      if (late !== undefined) assert.deepEqual(shapeOf(ours), late);
      else if (theirs === undefined) assert.ok(RARE.has(name), "etcd exports it");
      else if (RARE.has(name)) assert.equal(ours.type, theirs.type);
      else assert.deepEqual(shapeOf(ours), shapeOf(theirs));
    });
  }

  it("calls have the labels and statuses of etcd's, each method from the start", () => {
    const name = "grpc_server_handled_total";
    const key = ({ labels }: Sample): string =>
      [...labels]
        .map(([label, value]) => `${label}=${value}`)
        .toSorted()
        .join(" ");
    const ours = new Set(find(1, name)?.samples.map(key));
    const missing = (find(0, name)?.samples ?? []).map(key).filter((each) => !ours.has(each));
    assert.deepEqual(missing, []);
  });

  it("every member has a leader, one leads, and all have their peers", async () => {
    const [, cluster] = clusters;
    assert.ok(cluster !== undefined);
    await until("every peer is active everywhere", 10_000, async () => {
      const all = await Promise.all(cluster.members.map(({ clientUrl }) => scrape(clientUrl)));
      const active = all.map((of) => of.get("etcd_network_active_peers")?.samples ?? []);
      const leaders = all.map((of) => valueOf(of.get("etcd_server_is_leader")));
      return (
        active.every((peers) => peers.length === 2 && peers.every(({ value }) => value === 1)) &&
        leaders.filter((leads) => leads === 1).length === 1 &&
        all.every((of) => valueOf(of.get("etcd_server_has_leader")) === 1)
      );
    });
  });

  it("every metric of ours has a help text and a type", () => {
    for (const metric of scrapes[1]?.[0]?.values() ?? []) {
      assert.notEqual(metric.help, "", metric.name);
      assert.match(metric.type, /^(counter|gauge|histogram)$/, metric.name);
    }
  });
});
