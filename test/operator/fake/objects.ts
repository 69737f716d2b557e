/** What the store's rules are made of. */
import { POD } from "../../../operator/api/resources.ts";
import {
  type DeleteOptions,
  KubeError,
  type KubeObject,
  type ObjectRef,
  type Resource,
} from "../../../operator/kube/api.ts";
import { copyOf } from "./copy.ts";
import type { Managers, Tree } from "./fields.ts";

const POD_GRACE_SECONDS = 30;

export type Stored = KubeObject & {
  spec?: Tree;
  status?: Tree;
  metadata: { deletionGracePeriodSeconds?: number };
};

export function withStatus(object: Stored, status: Tree | undefined): Stored {
  const { status: _status, ...next } = object;
  return status === undefined ? next : { ...next, status };
}

/** What the generation counts. */
export function bare(object: Stored): object {
  const { metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}

export function keepOnly(tree: Tree, names: readonly string[]): void {
  for (const name of Object.keys(tree)) if (!names.includes(name)) delete tree[name];
}

export function ownerOf(manager: string, operation: string, status: boolean): string {
  return `${manager}/${operation}${status ? "/status" : ""}`;
}

export function cloned(managers: Managers): Managers {
  return new Map([...managers].map(([owner, fields]) => [owner, new Set(fields)]));
}

export function mergePatched(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return copyOf(patch);
  const isMap = typeof target === "object" && target !== null && !Array.isArray(target);
  const result: Tree = isMap ? copyOf(target as Tree) : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (value !== undefined) result[name] = mergePatched(result[name], value);
  }
  return result;
}

/** To the second, as Kubernetes writes times. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}

export function refOf(resource: Resource, { metadata }: KubeObject): ObjectRef {
  return {
    namespace: resource.namespaced ? (metadata.namespace ?? null) : null,
    name: metadata.name,
  };
}

export function kindKey(resource: Resource): string {
  return `${resource.group}/${resource.plural}`;
}

export function entryKey(resource: Resource, ref: ObjectRef): string {
  return `${kindKey(resource)}/${ref.namespace ?? ""}/${ref.name}`;
}

export function notFound(resource: Resource, name: string): KubeError {
  const group = resource.group === "" ? "" : `.${resource.group}`;
  const text = `${resource.plural}${group} "${name}" not found`;
  return new KubeError("notFound", text, { status: 404, object: name });
}

export function invalid(resource: Resource, name: string, why: string): KubeError {
  const text = `${resource.kind} "${name}" is invalid: ${why}`;
  return new KubeError("invalid", text, { status: 422, object: name });
}

/** A namespace stays until all that it holds is gone. */
export function namespaceHolds({ kind, spec }: Stored): boolean {
  return kind === "Namespace" && ((spec?.["finalizers"] as unknown[] | undefined) ?? []).length > 0;
}

/** Seconds that a kubelet has to end its containers; 0: the object goes at once. */
export function graceOf(object: Stored, resource: Resource, options: DeleteOptions): number {
  if (resource.plural !== POD.plural || resource.group !== "") return 0;
  const { nodeName, terminationGracePeriodSeconds } = object.spec ?? {};
  const phase = object.status?.["phase"];
  // No kubelet has it, or its containers have ended: nobody needs to stop anything.
  if (nodeName === undefined || phase === "Failed" || phase === "Succeeded") return 0;
  return (
    options.gracePeriodSeconds ??
    (terminationGracePeriodSeconds as number | undefined) ??
    POD_GRACE_SECONDS
  );
}
