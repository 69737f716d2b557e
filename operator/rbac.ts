/**
 * What the operator may do in Kubernetes, and what people may who use it: the one list. The chart's Roles are made of it
 * (operator/deploy writes charts/quorate-operator/files/rbac.yaml), and a test holds the code's own calls against it, both ways.
 */
import {
  CERTIFICATE,
  CONFIG_MAP,
  EVENT,
  JOB,
  LEASE,
  NETWORK_POLICY,
  NODE,
  PERSISTENT_VOLUME,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  POD_MONITOR,
  PROMETHEUS_RULE,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  STATEFUL_SET,
  STORAGE_CLASS,
} from "./api/resources.ts";
import type { Resource } from "./kube/api.ts";

/** As in a Role: each verb on each resource of each group. "" is the core group; `a/b` is a subresource. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection";

const READ: readonly Verb[] = ["get", "list", "watch"];
/** A server-side apply is a patch, and a creation where there was nothing. */
const APPLY: readonly Verb[] = ["create", "patch"];
const OURS: readonly Resource[] = [
  QUORATE_CLUSTER,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_TASK,
];

/** `sub`: of the resources' subresource of this name alone. */
function rule(
  resources: Resource | readonly Resource[],
  verbs: readonly Verb[],
  sub: string | null = null,
): PolicyRule {
  const all: readonly Resource[] = [resources].flat();
  return {
    apiGroups: [...new Set(all.map(({ group }) => group))],
    resources: all.map(({ plural }) => (sub === null ? plural : `${plural}/${sub}`)),
    verbs,
  };
}

/** In each namespace that is watched, or everywhere. */
export const NAMESPACED_RULES: readonly PolicyRule[] = [
  rule(OURS, [...READ, "patch"]),
  rule(OURS, ["patch"], "status"),
  // For `blockOwnerDeletion`, where the API server asks for it.
  rule(OURS, ["update"], "finalizers"),
  rule(QUORATE_BACKUP, ["create", "delete"]),
  rule(QUORATE_TASK, ["delete"]),
  rule(STATEFUL_SET, [...READ, ...APPLY, "update", "delete"]),
  rule(JOB, [...READ, ...APPLY, "delete"]),
  rule(POD, [...READ, "patch", "delete"]),
  rule(PERSISTENT_VOLUME_CLAIM, [...READ, ...APPLY, "delete"]),
  rule([SERVICE, SERVICE_ACCOUNT], [...READ, ...APPLY, "delete"]),
  rule(CONFIG_MAP, [...READ, ...APPLY, "update", "delete"]),
  // By name: whoever holds this token cannot list what Secrets there are.
  rule(SECRET, ["get", ...APPLY, "update", "delete"]),
  rule(POD_DISRUPTION_BUDGET, [...READ, ...APPLY, "delete"]),
  rule(NETWORK_POLICY, [...READ, ...APPLY, "delete"]),
  rule([POD_MONITOR, PROMETHEUS_RULE], [...READ, ...APPLY, "delete"]),
  rule(CERTIFICATE, [...READ, ...APPLY, "delete"]),
  rule(EVENT, APPLY),
];

/** What belongs to no namespace. The operator gets by without it, and then waits for a person where it would have to know. */
export const CLUSTER_RULES: readonly PolicyRule[] = [
  // What became of a pod's machine, and of the disk that lives on it.
  rule(NODE, ["get", "list"]),
  rule(PERSISTENT_VOLUME, ["get"]),
  // Whether volumes may grow.
  rule(STORAGE_CLASS, ["get"]),
];

/** In the operator's own namespace. */
export const OWN_RULES: readonly PolicyRule[] = [
  rule(LEASE, ["get", "create", "update"]),
  rule(EVENT, APPLY),
];

/** Added to the role `view`: everyone who sees a namespace sees its clusters. */
export const VIEW_RULES: readonly PolicyRule[] = [rule(OURS, READ)];

/** Added to the roles `edit` and `admin`. */
export const EDIT_RULES: readonly PolicyRule[] = [
  rule(OURS, ["create", "update", "patch", "delete", "deletecollection"]),
  rule(QUORATE_CLUSTER, ["get", "update", "patch"], "scale"),
];
