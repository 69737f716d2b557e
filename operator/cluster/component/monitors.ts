/** What the Prometheus operator is told, where there is one. Pure. */
import { POD_MONITOR, PROMETHEUS_RULE } from "../../api/resources.ts";
import type { DefaultedClusterSpec, QuorateCluster } from "../../api/gen/types.ts";
import type { AppliedObject } from "../action.ts";
import { selectorOf } from "../names.ts";
import { owned } from "./owned.ts";

export function buildPodMonitor(
  cluster: QuorateCluster,
  { monitoring }: DefaultedClusterSpec,
): AppliedObject {
  const { name } = cluster.metadata;
  return owned(
    cluster,
    POD_MONITOR,
    name,
    {
      spec: {
        selector: { matchLabels: selectorOf(name) },
        podTargetLabels: ["quorate.io/cluster", "quorate.io/role"],
        podMetricsEndpoints: [{ port: "probe", path: "/metrics", interval: "30s" }],
      },
    },
    monitoring.labels === undefined ? {} : { labels: monitoring.labels },
  );
}

/** The alerts that wake somebody; the chart brings the others. */
export function buildRules(cluster: QuorateCluster, spec: DefaultedClusterSpec): AppliedObject {
  const { name, namespace } = cluster.metadata;
  const pods = `namespace="${namespace ?? ""}",pod=~"${name}-[0-9]+"`;
  const alert = (
    title: string,
    expr: string,
    severity: string,
    held: string,
    summary: string,
  ): object => ({ alert: title, expr, for: held, labels: { severity }, annotations: { summary } });
  const rules = [
    alert(
      "QuorateNoLeader",
      `min(etcd_server_has_leader{${pods}}) == 0`,
      "critical",
      "1m",
      `A member of ${name} has no leader: kubectl quorate status ${name}`,
    ),
    alert(
      "QuorateMembersDown",
      `count(up{${pods}} == 1) < ${spec.replicas}`,
      "warning",
      "10m",
      `Fewer than ${spec.replicas} members of ${name} answer`,
    ),
    alert(
      "QuorateDatabaseNearlyFull",
      `max(etcd_mvcc_db_total_size_in_bytes{${pods}} / etcd_server_quota_backend_bytes{${pods}}) > 0.8`,
      "warning",
      "10m",
      `The database of ${name} has reached 80 % of its quota: grow spec.storage.size or spec.server.quotaBackend`,
    ),
  ];
  return owned(
    cluster,
    PROMETHEUS_RULE,
    name,
    { spec: { groups: [{ name: `quorate-${name}`, rules }] } },
    spec.monitoring.labels === undefined ? {} : { labels: spec.monitoring.labels },
  );
}
