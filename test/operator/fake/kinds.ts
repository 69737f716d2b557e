/** What the API server knows of each kind, as far as the operator's tests need it. */
import {
  CONFIG_MAP,
  EVENT,
  JOB,
  LEASE,
  NAMESPACE,
  NETWORK_POLICY,
  NODE,
  PERSISTENT_VOLUME,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  STATEFUL_SET,
  STORAGE_CLASS,
} from "../../../operator/api/resources.ts";
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

const DEPLOYMENT: Resource = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};

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
  kind(NAMESPACE, { status: true }),
  kind(NODE, { status: true }),
  kind(PERSISTENT_VOLUME, { status: true }),
  kind(POD, {
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
  kind(PERSISTENT_VOLUME_CLAIM, {
    status: true,
    immutable: (before, after) =>
      sameExcept(before, after, ["resources", "volumeName", "volumeAttributesClassName"])
        ? null
        : "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
  }),
  kind(CONFIG_MAP),
  kind(SECRET),
  kind(SERVICE_ACCOUNT),
  kind(SERVICE, {
    status: true,
    lists: { "spec.ports": { keys: ["port", "protocol"] } },
    atomic: ["spec.selector"],
  }),
  kind(STATEFUL_SET, {
    status: true,
    generation: true,
    lists: podLists("spec.template.spec"),
    atomic: ["spec.selector"],
    immutable: (before, after) =>
      sameExcept(before, after, SET_MAY_CHANGE)
        ? null
        : "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  }),
  kind(DEPLOYMENT, {
    status: true,
    generation: true,
    lists: podLists("spec.template.spec"),
    atomic: ["spec.selector"],
  }),
  kind(JOB, {
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
  kind(POD_DISRUPTION_BUDGET, { status: true, generation: true, atomic: ["spec.selector"] }),
  kind(NETWORK_POLICY, {
    generation: true,
    atomic: ["spec.podSelector"],
  }),
  kind(STORAGE_CLASS),
  kind(LEASE),
  kind(EVENT),
];

function sameExcept(before: KubeObject, after: KubeObject, names: readonly string[]): boolean {
  const rest = (object: KubeObject): string => {
    const spec = (object as { spec?: object }).spec ?? {};
    const kept = Object.entries(spec).filter(([name]) => !names.includes(name));
    return JSON.stringify(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  };
  return rest(before) === rest(after);
}
