/** The controllers that every cluster has: garbage collection, protection of claims, the end of namespaces. */
import { NAMESPACE, PERSISTENT_VOLUME_CLAIM } from "../../../operator/api/resources.ts";
import type { ObjectRef, Resource } from "../../../operator/kube/api.ts";
import type { Time } from "../../../operator/time.ts";
import { type Stored, refOf } from "./objects.ts";
import { CLAIM_FINALIZER, type Store } from "./store.ts";

/** How long after a change they have come to it. */
const LATENCY_MS = 50;

interface Item {
  readonly resource: Resource;
  readonly object: Stored;
}

export class Collector {
  readonly #store: Store;
  readonly #time: Time;
  #planned = false;

  constructor(store: Store, time: Time) {
    this.#store = store;
    this.#time = time;
  }

  start(): void {
    this.#store.onChange = () => this.#plan();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#time.after(LATENCY_MS, () => {
      this.#planned = false;
      this.#pass();
    });
  }

  /** Every change plans another pass, so that one step of each object is enough. */
  #pass(): void {
    const items = this.#store.everything();
    const present = new Set(items.map(({ object }) => object.metadata.uid));
    for (const item of items) this.#judge(item, items, present);
  }

  #judge({ resource, object }: Item, items: readonly Item[], present: ReadonlySet<unknown>): void {
    const { ownerReferences = [], deletionTimestamp, finalizers = [], uid } = object.metadata;
    const ref = refOf(resource, object);
    if (deletionTimestamp === undefined) {
      const gone =
        ownerReferences.length > 0 && ownerReferences.every((owner) => !present.has(owner.uid));
      if (gone) this.#delete(resource, ref, uid);
      return;
    }
    const dependents = items.filter((item) =>
      item.object.metadata.ownerReferences?.some((owner) => owner.uid === uid),
    );
    if (finalizers.includes("orphan")) {
      for (const each of dependents) this.#disown(each, uid);
      this.#finalize(resource, ref, "orphan");
    } else if (finalizers.includes("foregroundDeletion")) {
      for (const each of dependents)
        this.#delete(each.resource, refOf(each.resource, each.object), each.object.metadata.uid);
      if (dependents.length === 0) this.#finalize(resource, ref, "foregroundDeletion");
    } else if (
      finalizers.includes(CLAIM_FINALIZER) &&
      resource.plural === PERSISTENT_VOLUME_CLAIM.plural
    ) {
      if (!items.some((item) => uses(item, object))) this.#finalize(resource, ref, CLAIM_FINALIZER);
    } else if (resource.plural === NAMESPACE.plural) this.#empty(object, items);
  }

  #empty(namespace: Stored, items: readonly Item[]): void {
    const { name } = namespace.metadata;
    const held = items.filter(({ object }) => object.metadata.namespace === name);
    for (const { resource, object } of held)
      this.#delete(resource, refOf(resource, object), object.metadata.uid);
    if (held.length > 0) return;
    this.#store.amend(NAMESPACE, { namespace: null, name }, (object) => (object.spec = {}));
  }

  #delete(resource: Resource, ref: ObjectRef, uid: string | undefined): void {
    const found = this.#store.get(resource, ref);
    if (found === null || found.metadata.uid !== uid) return;
    if (found.metadata.deletionTimestamp === undefined)
      this.#store.delete(resource, ref, { propagation: "Background" });
  }

  #disown({ resource, object }: Item, uid: string | undefined): void {
    this.#store.amend(resource, refOf(resource, object), ({ metadata }) => {
      const left = (metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      if (left.length > 0) metadata.ownerReferences = left;
      else delete metadata.ownerReferences;
    });
  }

  #finalize(resource: Resource, ref: ObjectRef, finalizer: string): void {
    this.#store.amend(resource, ref, ({ metadata }) => {
      metadata.finalizers = (metadata.finalizers ?? []).filter((each) => each !== finalizer);
    });
  }
}

function uses({ resource, object }: Item, claim: Stored): boolean {
  if (resource.plural !== "pods" || object.metadata.namespace !== claim.metadata.namespace)
    return false;
  const phase = object.status?.["phase"];
  if (phase === "Succeeded" || phase === "Failed") return false;
  const volumes = (object.spec?.["volumes"] ?? []) as {
    persistentVolumeClaim?: { claimName: string };
  }[];
  return volumes.some((volume) => volume.persistentVolumeClaim?.claimName === claim.metadata.name);
}
