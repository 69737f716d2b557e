/** etcd_server_… and etcd_cluster_…: leadership, proposals, applies, reads, health. Names, types and help are etcd's. */
import { NO_MEMBER } from "../../src/raft/types.ts";
import {
  expose,
  exposeHistograms,
  exposeLabelled,
  type Exposition,
  type Sample,
} from "../exposition.ts";
import type { Member } from "../member.ts";
import { clusterVersionOf } from "../cluster-version.ts";
import { ETCD_VERSION } from "../version.ts";
import type { CheckOutcome } from "./health-stats.ts";

export function exposeServer(exposition: Exposition, member: Member): void {
  exposeLeadership(exposition, member);
  exposeProposals(exposition, member);
  exposeApplies(exposition, member);
  exposeIdentity(exposition, member);
  exposeHealth(exposition, member);
}

function exposeLeadership(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", `etcd_server_${name}`, help, read);
  const counter = (name: string, help: string, read: () => number): void =>
    expose(exposition, "counter", `etcd_server_${name}`, help, read);
  gauge("has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", () =>
    member.leader() === NO_MEMBER ? 0 : 1,
  );
  gauge("is_leader", "Whether or not this member is a leader. 1 if is, 0 otherwise.", () =>
    member.isLeader() ? 1 : 0,
  );
  gauge("is_learner", "Whether or not this member is a learner. 1 if is, 0 otherwise.", () =>
    member.isLearner() ? 1 : 0,
  );
  counter(
    "leader_changes_seen_total",
    "The number of leader changes seen.",
    () => member.leaderChanges,
  );
  counter(
    "heartbeat_send_failures_total",
    "The total number of leader heartbeat send failures (likely overloaded from slow disk).",
    () => member.stats.lateHeartbeats,
  );
  counter(
    "learner_promote_successes",
    "The total number of successful learner promotions while this member is leader.",
    () => member.stats.learnerPromotions,
  );
  exposeLabelled(
    exposition,
    "counter",
    "etcd_server_learner_promote_failures",
    "The total number of failed learner promotions (likely learner not ready) while this member is leader.",
    () =>
      Array.from(member.stats.learnerRefusals, ([Reason, count]): Sample => [{ Reason }, count]),
  );
  gauge(
    "snapshot_apply_in_progress_total",
    "1 if the server is applying the incoming snapshot. 0 if none.",
    () => {
      const transfers = [...member.stats.received.byPeer.values()];
      return transfers.some(({ inFlight }) => inFlight > 0) ? 1 : 0;
    },
  );
}

function exposeProposals(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", `etcd_server_${name}`, help, read);
  const counter = (name: string, help: string, read: () => number): void =>
    expose(exposition, "counter", `etcd_server_${name}`, help, read);
  counter(
    "proposals_failed_total",
    "The total number of failed proposals seen.",
    () => member.loop.proposals.failedCount,
  );
  // Gauges, although they only grow: as etcd has them.
  gauge(
    "proposals_pending",
    "The current number of pending proposals to commit.",
    () => member.loop.proposals.count,
  );
  gauge(
    "proposals_committed_total",
    "The total number of consensus proposals committed.",
    () => member.raftStatus().commit,
  );
  gauge(
    "proposals_applied_total",
    "The total number of consensus proposals applied.",
    () => member.loop.applied,
  );
  counter(
    "read_indexes_failed_total",
    "The total number of failed read indexes seen.",
    () => member.loop.reads.failedCount,
  );
  counter(
    "slow_read_indexes_total",
    "The total number of pending read indexes not in sync with leader's or timed out read index requests.",
    () => member.loop.reads.slowCount,
  );
  gauge("quota_backend_bytes", "Current backend storage quota size in bytes.", () =>
    Number.isFinite(member.config.quotaBytes) ? member.config.quotaBytes : 0,
  );
}

function exposeApplies(exposition: Exposition, member: Member): void {
  const { applies, ranges } = member.stats;
  expose(
    exposition,
    "counter",
    "etcd_server_slow_apply_total",
    "The total number of slow apply requests (likely overloaded from slow disk).",
    () => member.stats.slowApplies,
  );
  exposeHistograms(
    exposition,
    "etcd_server_apply_duration_seconds",
    "The latency distributions of v2 apply called by backend.",
    () =>
      Array.from(applies.outcomes(), ({ op, succeeded, seconds }) => [
        { op, success: String(succeeded), version: "v3" },
        seconds,
      ]),
  );
  exposeHistograms(
    exposition,
    "etcd_server_range_duration_seconds",
    "The latency distributions of txn.Range",
    () => [
      [{ success: "true" }, ranges.succeeded],
      [{ success: "false" }, ranges.failed],
    ],
  );
}

function exposeIdentity(exposition: Exposition, member: Member): void {
  exposeLabelled(
    exposition,
    "gauge",
    "etcd_server_id",
    "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    () => [[{ server_id: member.identity.memberId.toString(16) }, 1]],
  );
  exposeLabelled(
    exposition,
    "gauge",
    "etcd_server_version",
    "Which version is running. 1 for 'server_version' label with current version.",
    () => [[{ server_version: ETCD_VERSION }, 1]],
  );
  exposeLabelled(
    exposition,
    "gauge",
    "etcd_cluster_version",
    "Which version is running. 1 for 'cluster_version' label with current cluster version",
    () => {
      const version = clusterVersionOf(member.machine);
      return [[{ cluster_version: version.replace(/\.\d+$/, "") }, 1]];
    },
  );
}

function exposeHealth(exposition: Exposition, member: Member): void {
  const { health } = member.stats;
  expose(
    exposition,
    "counter",
    "etcd_server_health_success",
    "The total number of successful health checks",
    () => health.succeeded,
  );
  expose(
    exposition,
    "counter",
    "etcd_server_health_failures",
    "The total number of failed health checks",
    () => health.failed,
  );
  exposeLabelled(
    exposition,
    "gauge",
    "etcd_server_healthcheck",
    "The result of each kind of healthcheck.",
    () =>
      Array.from(health.checks.values(), ({ type, name, lastOk }): Sample => [
        { name, type },
        lastOk ? 1 : 0,
      ]),
  );
  exposeLabelled(
    exposition,
    "counter",
    "etcd_server_healthchecks_total",
    "The total number of each kind of healthcheck.",
    () => [...health.checks.values()].flatMap(checkSamples),
  );
}

function checkSamples({ type, name, succeeded, failed }: CheckOutcome): Sample[] {
  return [
    [{ name, status: "success", type }, succeeded],
    [{ name, status: "error", type }, failed],
  ];
}
