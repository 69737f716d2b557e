/** How objects end. */
import assert from "node:assert/strict";
import { CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD } from "../../../operator/api/resources.ts";
import { type KubeObject } from "../../../operator/kube/api.ts";
import { WIDGETS } from "../widgets.ts";
import { type Claims, type Thing, configMap, widget, pod, rejects, present } from "./subject.ts";
export const ENDING: Claims = {
  "deletion is refused where the uid or the resourceVersion is another": async ({
    api,
    namespace,
  }) => {
    const ref = { namespace, name: "a" };
    const first = await api.create(CONFIG_MAP, configMap(namespace, "a"));
    const second = await api.mergePatch(CONFIG_MAP, ref, { metadata: { labels: { l: "1" } } });
    const { resourceVersion } = first.metadata;
    await rejects(
      api.delete(CONFIG_MAP, ref, {
        preconditions: { uid: "00000000-0000-0000-0000-000000000000" },
      }),
      "conflict",
      /the UID in the precondition \(0{8}-0000-0000-0000-0{12}\) does not match the UID in record/,
    );
    await rejects(
      api.delete(CONFIG_MAP, ref, {
        preconditions: { resourceVersion: present(resourceVersion) },
      }),
      "conflict",
    );
    const { uid } = second.metadata;
    assert.equal(await api.delete(CONFIG_MAP, ref, { preconditions: { uid: present(uid) } }), true);
    assert.equal(await api.get(CONFIG_MAP, ref), null);
    const again = await api.create(CONFIG_MAP, configMap(namespace, "a"));
    assert.notEqual(again.metadata.uid, uid);
  },

  "a finalizer keeps what is deleted until it goes": async ({ api, namespace }) => {
    const ref = { namespace, name: "w" };
    const object = widget(namespace, "w", { size: 1 });
    await api.apply(WIDGETS, {
      ...object,
      metadata: { ...object.metadata, finalizers: ["quorate.io/ours"] },
    });
    assert.equal(await api.delete(WIDGETS, ref), true);
    const dying = present(await api.get<Thing>(WIDGETS, ref));
    assert.match(dying.metadata.deletionTimestamp ?? "", /Z$/);
    assert.equal(dying.metadata.generation, 2, "its end is a new generation");
    assert.equal(await api.delete(WIDGETS, ref), true);
    assert.deepEqual(present(await api.get(WIDGETS, ref)).metadata, dying.metadata);
    await api.mergePatch(WIDGETS, ref, { metadata: { finalizers: [] } });
    assert.equal(await api.get(WIDGETS, ref), null);
  },

  "what is owned goes after its last owner, and orphans stay": async ({
    api,
    namespace,
    until,
  }) => {
    const owned = async (name: string, owner: KubeObject): Promise<void> => {
      const { name: of, uid } = owner.metadata;
      const ownerReferences = [
        { apiVersion: "v1", kind: "ConfigMap", name: of, uid: present(uid) },
      ];
      await api.create(CONFIG_MAP, {
        ...configMap(namespace, name),
        metadata: { name, namespace, ownerReferences },
      });
    };
    const first = await api.create(CONFIG_MAP, configMap(namespace, "first"));
    const second = await api.create(CONFIG_MAP, configMap(namespace, "second"));
    await owned("of-first", first);
    await owned("of-second", second);
    await api.delete(CONFIG_MAP, { namespace, name: "first" }, { propagation: "Background" });
    await api.delete(CONFIG_MAP, { namespace, name: "second" }, { propagation: "Orphan" });
    await until(
      "the owned one is gone",
      async () => (await api.get(CONFIG_MAP, { namespace, name: "of-first" })) === null,
    );
    await until("the orphan has no owner", async () => {
      const orphan = present(await api.get(CONFIG_MAP, { namespace, name: "of-second" }));
      return orphan.metadata.ownerReferences === undefined;
    });
  },

  "an owner that is deleted in the foreground outlives what it owns": async ({
    api,
    namespace,
    until,
  }) => {
    const owner = await api.create(CONFIG_MAP, configMap(namespace, "owner"));
    const reference = {
      apiVersion: "v1",
      kind: "ConfigMap",
      name: "owner",
      uid: present(owner.metadata.uid),
      blockOwnerDeletion: true,
    };
    await api.create(CONFIG_MAP, {
      ...configMap(namespace, "owned"),
      metadata: {
        name: "owned",
        namespace,
        ownerReferences: [reference],
        finalizers: ["quorate.io/ours"],
      },
    });
    await api.delete(CONFIG_MAP, { namespace, name: "owner" }, { propagation: "Foreground" });
    await until("the owned one is on its way", async () => {
      const owned = present(await api.get(CONFIG_MAP, { namespace, name: "owned" }));
      return owned.metadata.deletionTimestamp !== undefined;
    });
    assert.notEqual(await api.get(CONFIG_MAP, { namespace, name: "owner" }), null);
    await api.mergePatch(
      CONFIG_MAP,
      { namespace, name: "owned" },
      { metadata: { finalizers: null } },
    );
    await until(
      "the owner is gone",
      async () => (await api.get(CONFIG_MAP, { namespace, name: "owner" })) === null,
    );
  },

  "a claim stays while a pod uses it": async ({ api, namespace, until }) => {
    const claim: Thing = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data", namespace },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    };
    await api.create(PERSISTENT_VOLUME_CLAIM, claim);
    const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "data" } }];
    await api.create(POD, pod(namespace, "p", { volumes }));
    await api.delete(PERSISTENT_VOLUME_CLAIM, { namespace, name: "data" });
    const dying = present(await api.get(PERSISTENT_VOLUME_CLAIM, { namespace, name: "data" }));
    assert.notEqual(dying.metadata.deletionTimestamp, undefined);
    assert.deepEqual(dying.metadata.finalizers, ["kubernetes.io/pvc-protection"]);
    await api.delete(POD, { namespace, name: "p" });
    assert.equal(await api.get(POD, { namespace, name: "p" }), null, "no kubelet had it");
    await until(
      "the claim is gone",
      async () => (await api.get(PERSISTENT_VOLUME_CLAIM, { namespace, name: "data" })) === null,
    );
  },

  "a pod on a node stays until its kubelet ends it": async ({ api, namespace }) => {
    const ref = { namespace, name: "p" };
    await api.create(
      POD,
      pod(namespace, "p", { nodeName: "nowhere", terminationGracePeriodSeconds: 7 }),
    );
    assert.equal(await api.delete(POD, ref), true);
    const dying = present(await api.get(POD, ref));
    assert.equal(
      (dying.metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds,
      7,
    );
    const { uid } = dying.metadata;
    await api.delete(POD, ref, { gracePeriodSeconds: 0, preconditions: { uid: present(uid) } });
    assert.equal(await api.get(POD, ref), null);
  },

  "an eviction is refused where the budget is spent": async ({ api, namespace, until }) => {
    const budget: Thing = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "b", namespace },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "a" } } },
    };
    const budgets = {
      group: "policy",
      version: "v1",
      kind: "PodDisruptionBudget",
      plural: "poddisruptionbudgets",
      namespaced: true,
    };
    await api.apply(budgets, budget);
    await api.create(POD, pod(namespace, "p", { nodeName: "nowhere" }));
    const running = (name: string): Promise<void> =>
      api.applyStatus(POD, {
        ...pod(namespace, name),
        spec: undefined,
        status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
      } as unknown as Thing);
    await running("p");
    const error = await rejects(
      api.evict({ namespace, name: "p" }),
      "tooManyRequests",
      /disruption budget/,
    );
    assert.equal(error.status, 429);
    await api.create(POD, pod(namespace, "q", { nodeName: "nowhere" }));
    await running("q");
    await until("the budget allows one", () =>
      api.evict({ namespace, name: "p" }).then(
        () => true,
        () => false,
      ),
    );
    const evicted = present(await api.get(POD, { namespace, name: "p" }));
    assert.notEqual(evicted.metadata.deletionTimestamp, undefined);
    const free = pod(namespace, "r", { nodeName: "nowhere" });
    await api.create(POD, { ...free, metadata: { ...free.metadata, labels: {} } });
    const wrong = { uid: "00000000-0000-0000-0000-000000000000" };
    await rejects(api.evict({ namespace, name: "r" }, wrong), "conflict");
    for (const name of ["p", "q", "r"])
      await api.delete(POD, { namespace, name }, { gracePeriodSeconds: 0 });
  },
};
