/** What is asked about volumes: whether their node is no more, and whether they may grow. */
import type { DefaultedClusterSpec } from "../api/gen/types.ts";
import { quantityOf } from "../api/quantity.ts";
import { NODE, PERSISTENT_VOLUME, STORAGE_CLASS } from "../api/resources.ts";
import { type KubeApi, KubeError, type KubeObject } from "../kube/api.ts";
import type { Claim, Pod, StorageClass } from "./objects.ts";

interface Expression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Volume extends KubeObject {
  readonly spec?: {
    readonly nodeAffinity?: {
      readonly required?: {
        readonly nodeSelectorTerms?: readonly {
          readonly matchExpressions?: readonly Expression[];
        }[];
      };
    };
  };
}

const HOST = "kubernetes.io/hostname";

/**
 * Names of claims. Asked only for pods that wait; where volumes or nodes may not be read, nothing is called stranded.
 */
export async function strandedClaims(
  kube: KubeApi,
  pods: ReadonlyMap<string, Pod>,
  claims: ReadonlyMap<string, Claim>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const [name, claim] of claims) {
    const volume = claim.spec?.volumeName;
    const pod = pods.get(name.slice("data-".length));
    if (volume === undefined || pod?.status?.phase !== "Pending") continue;
    try {
      if (await isStranded(kube, volume)) found.add(name);
    } catch (thrown) {
      if (!(thrown instanceof KubeError) || thrown.code !== "forbidden") throw thrown;
    }
  }
  return found;
}

async function isStranded(kube: KubeApi, volume: string): Promise<boolean> {
  const object = await kube.get<Volume>(PERSISTENT_VOLUME, { namespace: null, name: volume });
  const terms = object?.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const hosts = terms.map(({ matchExpressions }) =>
    matchExpressions?.find(({ key, operator }) => key === HOST && operator === "In"),
  );
  if (hosts.length === 0) return false;
  for (const host of hosts) {
    if (host === undefined) return false;
    for (const value of host.values ?? []) {
      const labelSelector = `${HOST}=${value}`;
      const { items } = await kube.list(NODE, { namespace: null, labelSelector });
      if (items.length > 0) return false;
    }
  }
  return true;
}

/** Asked only where a volume has to grow by one of the specs. */
export async function expandableClasses(
  kube: KubeApi,
  specs: readonly DefaultedClusterSpec[],
  claims: ReadonlyMap<string, Claim>,
): Promise<ReadonlyMap<string, boolean>> {
  const wanted = Math.max(...specs.map(({ storage }) => quantityOf(storage.size)));
  const classes = new Set<string>();
  for (const { spec } of claims.values()) {
    const asked = spec?.resources?.requests?.storage;
    if (asked !== undefined && quantityOf(asked) < wanted)
      classes.add(spec?.storageClassName ?? "");
  }
  classes.delete("");
  const found = new Map<string, boolean>();
  for (const name of classes) {
    try {
      const object = await kube.get<StorageClass>(STORAGE_CLASS, { namespace: null, name });
      if (object !== null) found.set(name, object.allowVolumeExpansion === true);
    } catch (thrown) {
      if (!(thrown instanceof KubeError) || thrown.code !== "forbidden") throw thrown;
    }
  }
  return found;
}
