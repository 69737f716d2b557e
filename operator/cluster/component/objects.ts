/** All objects that a cluster shall have now. Pure. */
import type { AppliedObject } from "../action.ts";
import { templateSource } from "../journal.ts";
import { secretsOf } from "./secrets.ts";
import type { View } from "../view.ts";
import { buildCertificates } from "./cert-manager.ts";
import { buildPodMonitor, buildRules } from "./monitors.ts";
import { buildBudget, buildNetworkPolicy, buildServiceAccount } from "./policies.ts";
import { buildClientService, buildPeerService } from "./services.ts";
import { buildStatefulSet } from "./stateful-set.ts";

/** All but the StatefulSet. */
export function desiredObjects(view: View): AppliedObject[] {
  const { facts, spec, journal } = view;
  const { cluster, served } = facts;
  const wanted = spec.replicas === 0 ? 0 : Math.max(spec.replicas, journal.size);
  const budget =
    spec.disruption.podDisruptionBudget === "Auto" && view.memberList !== null
      ? buildBudget(cluster, view.voters.length, wanted)
      : null;
  const has = (kind: string): boolean => served.has(kind);
  return [
    buildServiceAccount(cluster),
    buildPeerService(cluster),
    buildClientService(cluster, spec),
    ...(spec.networkPolicy === "Enabled" ? [buildNetworkPolicy(cluster)] : []),
    ...(budget === null ? [] : [budget]),
    ...(spec.monitoring.podMonitor === "IfAvailable" && has("PodMonitor")
      ? [buildPodMonitor(cluster, spec)]
      : []),
    ...(spec.monitoring.rules === "IfAvailable" && has("PrometheusRule")
      ? [buildRules(cluster, spec)]
      : []),
    ...(has("Certificate") ? buildCertificates(view) : []),
  ];
}

export function desiredStatefulSet({ facts, spec, journal }: View): AppliedObject {
  const { cluster, statefulSet } = facts;
  return buildStatefulSet({
    cluster,
    ...templateSource(journal),
    replicas: statefulSet?.spec.replicas ?? journal.size,
    claimSize:
      statefulSet?.spec.volumeClaimTemplates?.[0]?.spec?.resources?.requests?.storage ??
      spec.storage.size,
    secrets: secretsOf(cluster.metadata.name, journal.latched),
  });
}
