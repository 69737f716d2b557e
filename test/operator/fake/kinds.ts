/** What the API server knows of each kind, as far as the operator's tests need it. */
import type { KubeObject, Resource } from "../../../operator/kube/api.ts";

/** How server-side apply merges a list: by keys, as a set, or (where no rule is) as one value. */
export type ListRule = { readonly keys: readonly string[] } | "set";

export interface Kind {
  readonly resource: Resource;
  /** Its status is written through a subresource of its own alone. */
  readonly status: boolean;
  /** metadata.generation counts changes beside metadata and status. */
  readonly generation: boolean;
  /** By path without list items: `spec.template.spec.containers`. */
  readonly lists: Readonly<Record<string, ListRule>>;
  /** Maps and structs that are applied as one value, by the same paths. */
  readonly atomic: readonly string[];
  /** The sentence with which an update is refused; null where it is not. */
  readonly immutable?: (before: KubeObject, after: KubeObject) => string | null;
}

const NAME: ListRule = { keys: ["name"] };

/** The lists of a pod's spec that lies at `at`. */
export function podLists(at: string): Record<string, ListRule> {
  const lists: Record<string, ListRule> = {
    [`${at}.volumes`]: NAME,
    [`${at}.imagePullSecrets`]: NAME,
    [`${at}.hostAliases`]: { keys: ["ip"] },
    [`${at}.topologySpreadConstraints`]: { keys: ["topologyKey", "whenUnsatisfiable"] },
  };
  for (const containers of ["containers", "initContainers"]) {
    const path = `${at}.${containers}`;
    lists[path] = NAME;
    lists[`${path}.env`] = NAME;
    lists[`${path}.ports`] = { keys: ["containerPort", "protocol"] };
    lists[`${path}.volumeMounts`] = { keys: ["mountPath"] };
  }
  return lists;
}

const META: Readonly<Record<string, ListRule>> = {
  "metadata.finalizers": "set",
  "metadata.ownerReferences": { keys: ["uid"] },
};
const CONDITIONS: Readonly<Record<string, ListRule>> = { "status.conditions": { keys: ["type"] } };

/** A custom kind, with the two subresources and whatever lists its schema merges. */
export function customKind(
  resource: Resource,
  lists: Readonly<Record<string, ListRule>> = {},
): Kind {
  return { resource, status: true, generation: true, lists: { ...META, ...lists }, atomic: [] };
}

function resource(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource {
  return { group, version, kind, plural, namespaced };
}

function kind(of: Resource, options: Partial<Kind> = {}): Kind {
  const { lists = {}, ...rest } = options;
  return {
    resource: of,
    status: false,
    generation: false,
    atomic: [],
    ...rest,
    lists: { ...META, ...CONDITIONS, ...lists },
  };
}

export const NAMESPACES: Resource = resource("", "v1", "Namespace", "namespaces", false);
export const PODS: Resource = resource("", "v1", "Pod", "pods");
export const CLAIMS: Resource = resource(
  "",
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
);
export const STATEFUL_SETS: Resource = resource("apps", "v1", "StatefulSet", "statefulsets");
export const JOBS: Resource = resource("batch", "v1", "Job", "jobs");
export const BUDGETS: Resource = resource(
  "policy",
  "v1",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
);
export const CONFIG_MAPS: Resource = resource("", "v1", "ConfigMap", "configmaps");
export const SECRETS: Resource = resource("", "v1", "Secret", "secrets");
export const SERVICES: Resource = resource("", "v1", "Service", "services");
export const LEASES: Resource = resource("coordination.k8s.io", "v1", "Lease", "leases");
export const EVENTS: Resource = resource("events.k8s.io", "v1", "Event", "events");

const SET_MAY_CHANGE: readonly string[] = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
];

export const BUILT_IN: readonly Kind[] = [
  kind(NAMESPACES, { status: true }),
  kind(resource("", "v1", "Node", "nodes", false), { status: true }),
  kind(resource("", "v1", "PersistentVolume", "persistentvolumes", false), { status: true }),
  kind(PODS, {
    status: true,
    generation: true,
    lists: podLists("spec"),
    immutable: (before, after) =>
      sameExcept(before, after, [
        "containers",
        "initContainers",
        "tolerations",
        "activeDeadlineSeconds",
      ])
        ? null
        : "pod updates may not change fields other than `spec.containers[*].image`",
  }),
  kind(CLAIMS, {
    status: true,
    immutable: (before, after) =>
      sameExcept(before, after, ["resources", "volumeName", "volumeAttributesClassName"])
        ? null
        : "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
  }),
  kind(CONFIG_MAPS),
  kind(SECRETS),
  kind(resource("", "v1", "ServiceAccount", "serviceaccounts")),
  kind(SERVICES, {
    status: true,
    lists: { "spec.ports": { keys: ["port", "protocol"] } },
    atomic: ["spec.selector"],
  }),
  kind(STATEFUL_SETS, {
    status: true,
    generation: true,
    lists: podLists("spec.template.spec"),
    atomic: ["spec.selector"],
    immutable: (before, after) =>
      sameExcept(before, after, SET_MAY_CHANGE)
        ? null
        : "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  }),
  kind(resource("apps", "v1", "Deployment", "deployments"), {
    status: true,
    generation: true,
    lists: podLists("spec.template.spec"),
    atomic: ["spec.selector"],
  }),
  kind(JOBS, {
    status: true,
    generation: true,
    lists: podLists("spec.template.spec"),
    atomic: ["spec.selector"],
    immutable: (before, after) =>
      sameExcept(before, after, [
        "suspend",
        "parallelism",
        "ttlSecondsAfterFinished",
        "activeDeadlineSeconds",
        "backoffLimit",
      ])
        ? null
        : "spec.template: field is immutable",
  }),
  kind(BUDGETS, { status: true, generation: true, atomic: ["spec.selector"] }),
  kind(resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"), {
    generation: true,
    atomic: ["spec.podSelector"],
  }),
  kind(resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", false)),
  kind(LEASES),
  kind(EVENTS),
];

function sameExcept(before: KubeObject, after: KubeObject, names: readonly string[]): boolean {
  const rest = (object: KubeObject): string => {
    const spec = (object as { spec?: object }).spec ?? {};
    const kept = Object.entries(spec).filter(([name]) => !names.includes(name));
    return JSON.stringify(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  };
  return rest(before) === rest(after);
}
