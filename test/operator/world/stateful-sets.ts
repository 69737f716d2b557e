/** The StatefulSet controller, as far as `Parallel` and `OnDelete` need it. */
import { isDeepStrictEqual } from "node:util";
import { PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET } from "../../../operator/api/resources.ts";
import { digestOf } from "../../../operator/cluster/names.ts";
import {
  type Claim,
  type Pod,
  type StatefulSet,
  isReady,
  isTerminating,
} from "../../../operator/cluster/objects.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import type { FakeApi } from "../fake-api.ts";
import type { VirtualTime } from "../virtual-time.ts";

const EVERY_MS = 300;
const MANAGER = "statefulset-controller";

export class StatefulSets {
  readonly #api: FakeApi;
  readonly #time: VirtualTime;
  readonly #revisions = new Map<string, string>();

  constructor(api: FakeApi, time: VirtualTime) {
    this.#api = api;
    this.#time = time;
  }

  start(): void {
    const pass = (): void => {
      for (const set of this.#api.store.all(STATEFUL_SET))
        this.#sync(set as unknown as StatefulSet);
      this.#time.after(EVERY_MS, pass);
    };
    pass();
  }

  /** Of the template; made once for each generation. */
  #revisionOf(set: StatefulSet): string {
    const key = `${set.metadata.uid} ${set.metadata.generation}`;
    const found = this.#revisions.get(key);
    if (found !== undefined) return found;
    const revision = `${set.metadata.name}-${digestOf(set.spec.template)}`;
    this.#revisions.set(key, revision);
    return revision;
  }

  #sync(set: StatefulSet): void {
    const { name, namespace = "" } = set.metadata;
    if (isTerminating(set)) return;
    const revision = this.#revisionOf(set);
    const all = (this.#api.store.all(POD) as Pod[]).filter(
      ({ metadata }) => metadata.namespace === namespace && metadata.name.startsWith(`${name}-`),
    );
    this.#adopt(set, all);
    const pods = new Map(all.map((pod) => [pod.metadata.name, pod]));
    for (let ordinal = 0; ordinal < set.spec.replicas; ordinal++) {
      const pod = `${name}-${ordinal}`;
      if (!pods.has(pod)) this.#create(set, pod, revision);
    }
    for (const pod of all) {
      const ordinal = Number(pod.metadata.name.slice(name.length + 1));
      if (ordinal >= set.spec.replicas && !isTerminating(pod))
        this.#api.store.delete(POD, { namespace, name: pod.metadata.name });
    }
    const status = {
      observedGeneration: set.metadata.generation ?? 1,
      updateRevision: revision,
      replicas: all.length,
      readyReplicas: all.filter(isReady).length,
    };
    if (!isDeepStrictEqual(status, set.status))
      this.#api.setStatus(STATEFUL_SET, { namespace, name }, status);
  }

  /** Pods that an orphaning deletion left behind. */
  #adopt(set: StatefulSet, pods: readonly Pod[]): void {
    for (const pod of pods) {
      if ((pod.metadata.ownerReferences ?? []).length > 0) continue;
      const ref = { namespace: set.metadata.namespace ?? "", name: pod.metadata.name };
      this.#api.store.amend(POD, ref, ({ metadata }) => {
        metadata.ownerReferences = [ownerOf(set)];
      });
    }
  }

  /** The claim first; not while the old one is being deleted. */
  #create(set: StatefulSet, name: string, revision: string): void {
    const { namespace = "" } = set.metadata;
    const claimName = `data-${name}`;
    const claim = this.#api.store.get(PERSISTENT_VOLUME_CLAIM, { namespace, name: claimName });
    if (claim !== null && isTerminating(claim)) return;
    const [template] = set.spec.volumeClaimTemplates ?? [];
    if (claim === null) {
      const made: Claim = {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: claimName, namespace, labels: { ...template?.metadata.labels } },
        ...(template?.spec === undefined ? {} : { spec: template.spec }),
      };
      this.#api.store.create(PERSISTENT_VOLUME_CLAIM, made, MANAGER);
    }
    const { metadata, spec } = set.spec.template as Pick<Pod, "metadata" | "spec">;
    const volume = { name: "data", persistentVolumeClaim: { claimName } };
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        namespace,
        labels: { ...metadata.labels, "controller-revision-hash": revision },
        annotations: { ...metadata.annotations },
        ownerReferences: [ownerOf(set)],
      },
      spec: { ...spec, nodeName: `node-${name}`, volumes: [...(spec?.volumes ?? []), volume] },
    };
    this.#api.store.create(POD, pod, MANAGER);
  }
}

function ownerOf({
  apiVersion,
  kind,
  metadata,
}: KubeObject): NonNullable<KubeObject["metadata"]["ownerReferences"]>[number] {
  return {
    apiVersion,
    kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}
