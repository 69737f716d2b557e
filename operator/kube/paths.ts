/** Where resources live in the API. */
import type { ObjectRef, Resource } from "./api.ts";
import { KubeError } from "./api.ts";

export type Query = Readonly<Record<string, string | undefined>>;

/** The path under which the kinds of a group's version are listed. */
export function groupPath(resource: Resource): string {
  return resource.group === ""
    ? `/api/${resource.version}`
    : `/apis/${resource.group}/${resource.version}`;
}

/** `namespace` is null for every namespace, and for kinds that have none. */
export function collectionPath(resource: Resource, namespace: string | null): string {
  const scope =
    resource.namespaced && namespace !== null ? `/namespaces/${segment(namespace)}` : "";
  return `${groupPath(resource)}${scope}/${resource.plural}`;
}

/** Rejects a reference that lacks what the kind needs, lest it name a collection. */
export function objectPath(resource: Resource, ref: ObjectRef, subresource?: string): string {
  if (resource.namespaced && ref.namespace === null) {
    throw new KubeError("invalid", `${resource.kind} ${ref.name} needs a namespace`);
  }
  const below = subresource === undefined ? "" : `/${subresource}`;
  return `${collectionPath(resource, ref.namespace)}/${segment(ref.name)}${below}`;
}

/** With its question mark; empty where nothing is asked. */
export function queryText(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, value);
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

function segment(text: string): string {
  if (text === "" || text === "." || text === ".." || text.includes("/")) {
    throw new KubeError("invalid", `"${text}" is no name of an object`);
  }
  return encodeURIComponent(text);
}
