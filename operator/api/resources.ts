/** The kinds that the operator reads or writes: where their API lives. */
import type { Resource } from "../kube/api.ts";

/** Our own group and its one version. */
export const GROUP = "quorate.io";
export const VERSION = "v1alpha1";

function resource(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource {
  return { group, version, kind, plural, namespaced };
}

function own(kind: string, plural: string): Resource {
  return resource(GROUP, VERSION, kind, plural);
}

export const QUORATE_CLUSTER: Resource = own("QuorateCluster", "quorateclusters");
export const QUORATE_BACKUP: Resource = own("QuorateBackup", "quoratebackups");
export const QUORATE_BACKUP_SCHEDULE: Resource = own(
  "QuorateBackupSchedule",
  "quoratebackupschedules",
);
export const QUORATE_BACKUP_STORE: Resource = own("QuorateBackupStore", "quoratebackupstores");
export const QUORATE_TASK: Resource = own("QuorateTask", "quoratetasks");

function core(kind: string, plural: string, namespaced = true): Resource {
  return resource("", "v1", kind, plural, namespaced);
}

export const POD: Resource = core("Pod", "pods");
export const PERSISTENT_VOLUME_CLAIM: Resource = core(
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
);
export const PERSISTENT_VOLUME: Resource = core("PersistentVolume", "persistentvolumes", false);
export const SERVICE: Resource = core("Service", "services");
export const CONFIG_MAP: Resource = core("ConfigMap", "configmaps");
export const SECRET: Resource = core("Secret", "secrets");
export const SERVICE_ACCOUNT: Resource = core("ServiceAccount", "serviceaccounts");
export const NODE: Resource = core("Node", "nodes", false);
export const NAMESPACE: Resource = core("Namespace", "namespaces", false);

export const STATEFUL_SET: Resource = resource("apps", "v1", "StatefulSet", "statefulsets");
export const JOB: Resource = resource("batch", "v1", "Job", "jobs");
export const LEASE: Resource = resource("coordination.k8s.io", "v1", "Lease", "leases");
export const EVENT: Resource = resource("events.k8s.io", "v1", "Event", "events");
export const POD_DISRUPTION_BUDGET: Resource = resource(
  "policy",
  "v1",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
);
export const NETWORK_POLICY: Resource = resource(
  "networking.k8s.io",
  "v1",
  "NetworkPolicy",
  "networkpolicies",
);
export const ENDPOINT_SLICE: Resource = resource(
  "discovery.k8s.io",
  "v1",
  "EndpointSlice",
  "endpointslices",
);
export const STORAGE_CLASS: Resource = resource(
  "storage.k8s.io",
  "v1",
  "StorageClass",
  "storageclasses",
  false,
);
export const CUSTOM_RESOURCE_DEFINITION: Resource = resource(
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
  false,
);

/** Of cert-manager and of the Prometheus operator: there or not, and that may change while we run. */
export const CERTIFICATE: Resource = resource(
  "cert-manager.io",
  "v1",
  "Certificate",
  "certificates",
);
export const POD_MONITOR: Resource = resource(
  "monitoring.coreos.com",
  "v1",
  "PodMonitor",
  "podmonitors",
);
export const PROMETHEUS_RULE: Resource = resource(
  "monitoring.coreos.com",
  "v1",
  "PrometheusRule",
  "prometheusrules",
);

/** "v1", "apps/v1": as `apiVersion` has it. */
export function apiVersion({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}
