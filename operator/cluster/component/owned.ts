/** What every object of a cluster has in common. Pure. */
import { present } from "../../../src/base/assert.ts";
import { apiVersion } from "../../api/resources.ts";
import type { QuorateCluster } from "../../api/gen/types.ts";
import type { KubeObject, ObjectMeta, OwnerReference, Resource } from "../../kube/api.ts";
import { type AppliedObject } from "../action.ts";
import { stamped } from "../drift.ts";
import { labelsOf } from "../names.ts";

export function ownerOf({ apiVersion: version, kind, metadata }: QuorateCluster): OwnerReference {
  return {
    apiVersion: version,
    kind,
    name: metadata.name,
    uid: present(metadata.uid, "a cluster has a uid"),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Name, labels and owner of an object of this cluster. */
export function metadataOf(cluster: QuorateCluster, name: string): ObjectMeta {
  return {
    name,
    namespace: present(cluster.metadata.namespace, "a cluster has a namespace"),
    labels: labelsOf(cluster.metadata.name),
    ownerReferences: [ownerOf(cluster)],
  };
}

/** An object of this cluster, ready to be applied. */
export function owned(
  cluster: QuorateCluster,
  resource: Resource,
  name: string,
  content: object,
  metadata: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  } = {},
): AppliedObject {
  const base = metadataOf(cluster, name);
  const object: KubeObject = {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    metadata: {
      ...base,
      labels: { ...metadata.labels, ...base.labels },
      ...(metadata.annotations === undefined ? {} : { annotations: { ...metadata.annotations } }),
    },
    ...content,
  };
  return { resource, object: stamped(object) };
}
