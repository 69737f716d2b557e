/** Kinds of other people's operators, which are not there themselves: the tests do what those would. */
import { CUSTOM_RESOURCE_DEFINITION } from "../../../operator/api/resources.ts";
import type { KubeObject, Resource } from "../../../operator/kube/api.ts";
import { api, eventually } from "./api.ts";

type Definition = KubeObject & {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
};

function nameOf({ plural, group }: Resource): string {
  return `${plural}.${group}`;
}

/** Installs the kind, with any fields, where it is not there. Resolves with whether it was made, once it is served. */
export async function installKind(resource: Resource): Promise<boolean> {
  const { group, version, kind, plural } = resource;
  const ref = { namespace: null, name: nameOf(resource) };
  if (await api.serves(resource)) return false;
  const schema = {
    openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  };
  await api.create<KubeObject & { spec: object }>(CUSTOM_RESOURCE_DEFINITION, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: ref.name },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  });
  await eventually<Definition>(
    `${kind} is served`,
    CUSTOM_RESOURCE_DEFINITION,
    ref,
    (found) =>
      found?.status?.conditions?.some(
        ({ type, status }) => type === "Established" && status === "True",
      ) ?? false,
    30_000,
  );
  return true;
}

export async function removeKind(resource: Resource): Promise<void> {
  await api.delete(CUSTOM_RESOURCE_DEFINITION, { namespace: null, name: nameOf(resource) });
}
