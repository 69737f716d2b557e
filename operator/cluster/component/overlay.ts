/** `spec.podTemplate`, laid over the pod that the operator makes: it wins, except over what the operator lives on. Pure. */
import type { PodTemplateSpec } from "../../api/gen/types.ts";
import { CLUSTER_LABEL, CONTAINER } from "../names.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What tells the entries of Kubernetes' lists apart; a list that is not here is replaced as a whole. */
const LIST_KEYS: Readonly<Record<string, string>> = {
  containers: "name",
  initContainers: "name",
  volumes: "name",
  env: "name",
  volumeMounts: "mountPath",
  imagePullSecrets: "name",
  hostAliases: "ip",
};

/** Of the pod. */
const PROTECTED_SPEC: readonly string[] = ["hostname", "subdomain", "restartPolicy", "nodeName"];
/** Of the member's container. */
const PROTECTED_CONTAINER: readonly string[] = [
  "name",
  "command",
  "args",
  "ports",
  "startupProbe",
  "livenessProbe",
  "readinessProbe",
  "lifecycle",
  "stdin",
  "tty",
];
const DATA_VOLUME = "data";
const PROTECTED_PREFIX =
  /^(quorate\.io\/|app\.kubernetes\.io\/(name|instance|managed-by|component)$)/;

export function overlayMetadata(
  own: { readonly labels: Fields; readonly annotations: Fields },
  template: PodTemplateSpec | undefined,
): { labels: Fields; annotations: Fields } {
  const given = template?.metadata;
  return {
    labels: { ...unprotected(given?.labels), ...own.labels },
    annotations: { ...unprotected(given?.annotations), ...own.annotations },
  };
}

function unprotected(entries: Fields | undefined): Fields {
  return Object.fromEntries(
    Object.entries(entries ?? {}).filter(
      ([key]) => !PROTECTED_PREFIX.test(key) && key !== CLUSTER_LABEL,
    ),
  );
}

export function overlaySpec(own: Fields, template: PodTemplateSpec | undefined): Fields {
  const given: Fields = template?.spec ?? {};
  const allowed = Object.fromEntries(
    Object.entries(given).filter(([key]) => !PROTECTED_SPEC.includes(key)),
  );
  // The volume of the claim is not among the pod's own: the StatefulSet controller adds it.
  const volumes = new Set([...named(own["volumes"], "name"), DATA_VOLUME]);
  return merge(own, {
    ...allowed,
    ...(allowed["volumes"] === undefined
      ? {}
      : { volumes: listOf(allowed["volumes"]).filter(({ name }) => !volumes.has(name)) }),
    ...(allowed["containers"] === undefined
      ? {}
      : { containers: listOf(allowed["containers"]).map((each) => tame(each, own)) }),
  });
}

/** The member's container without what may not be changed. */
function tame(container: Fields, own: Fields): Fields {
  if (container["name"] !== CONTAINER) return container;
  const mine = listOf(own["containers"]).find(({ name }) => name === CONTAINER) ?? {};
  const mounts = named(mine["volumeMounts"], "mountPath");
  const env = named(mine["env"], "name");
  const allowed = Object.entries(container).filter(([key]) => !PROTECTED_CONTAINER.includes(key));
  return {
    name: CONTAINER,
    ...Object.fromEntries(
      allowed.map(([key, value]) => {
        if (key === "volumeMounts")
          return [key, listOf(value).filter(({ mountPath }) => !mounts.has(mountPath))];
        if (key === "env") return [key, listOf(value).filter(({ name }) => !env.has(name))];
        return [key, value];
      }),
    ),
  };
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as readonly Fields[]) : [];
}

function named(list: unknown, key: string): ReadonlySet<unknown> {
  return new Set(listOf(list).map((entry) => entry[key]));
}

function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function merge(own: Fields, given: Fields): Fields {
  const merged: Record<string, unknown> = { ...own };
  for (const [key, value] of Object.entries(given)) {
    const held = merged[key];
    const listKey = LIST_KEYS[key];
    if (Array.isArray(value) && Array.isArray(held) && listKey !== undefined)
      merged[key] = mergeLists(held, value, listKey);
    else if (isFields(value) && isFields(held)) merged[key] = merge(held, value);
    else if (value === null) delete merged[key];
    else merged[key] = value;
  }
  return merged;
}

function mergeLists(own: readonly Fields[], given: readonly Fields[], key: string): Fields[] {
  const merged = own.map((entry) => {
    const over = given.find((other) => other[key] === entry[key]);
    return over === undefined ? entry : merge(entry, over);
  });
  const known = named(own, key);
  return [...merged, ...given.filter((entry) => !known.has(entry[key]))];
}
