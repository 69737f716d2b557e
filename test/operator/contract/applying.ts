/** What server-side apply promises. */
import assert from "node:assert/strict";
import { CONFIG_MAP, SERVICE, STATEFUL_SET } from "../../../operator/api/resources.ts";
import { type KubeObject } from "../../../operator/kube/api.ts";
import { WIDGETS } from "../widgets.ts";
import {
  type Claims,
  type Thing,
  configMap,
  widget,
  statefulSet,
  rejects,
  edit,
  present,
} from "./subject.ts";
function listAt<T>(map: Record<string, unknown> | undefined, name: string): T[] {
  return present(map)[name] as T[];
}

function containersOf({ spec }: Thing): Record<string, unknown>[] {
  const template = present(spec)["template"] as { spec: { containers: Record<string, unknown>[] } };
  return template.spec.containers;
}

export const APPLYING: Claims = {
  "apply creates, merges, and removes what it applies no more": async ({
    api,
    other,
    namespace,
  }) => {
    const ref = { namespace, name: "a" };
    const labelled = (labels: Record<string, string>, data: Record<string, string>): Thing => {
      const object = configMap(namespace, "a", data);
      return { ...object, metadata: { ...object.metadata, labels } };
    };
    await api.apply(CONFIG_MAP, labelled({ one: "1", two: "2" }, { x: "1", y: "1" }));
    await other.mergePatch(CONFIG_MAP, ref, {
      data: { z: "theirs", x: "theirs" },
      metadata: { labels: { three: "3" } },
    });
    const merged = await api.apply<Thing>(CONFIG_MAP, labelled({ one: "1" }, { y: "2" }));
    assert.deepEqual(merged.metadata.labels, { one: "1", three: "3" });
    // What another has written since is theirs, and stays.
    assert.deepEqual(merged.data, { x: "theirs", y: "2", z: "theirs" });
    const forced = await api.apply<Thing>(CONFIG_MAP, labelled({ one: "1" }, { x: "ours" }));
    assert.deepEqual(forced.data, { x: "ours", z: "theirs" });
    const dropped = await api.apply<Thing>(CONFIG_MAP, labelled({}, {}));
    assert.deepEqual(dropped.data, { z: "theirs" });
    assert.deepEqual(dropped.metadata.labels, { three: "3" });
  },

  "apply removes its last label, and leaves no empty map": async ({ api, namespace }) => {
    const object = configMap(namespace, "a", { x: "1" });
    await api.apply(CONFIG_MAP, {
      ...object,
      metadata: { ...object.metadata, labels: { one: "1" } },
    });
    const after = await api.apply(CONFIG_MAP, object);
    assert.equal(after.metadata.labels, undefined);
  },

  "apply with a resourceVersion is refused once that has passed": async ({ api, namespace }) => {
    const first = await api.apply<Thing>(CONFIG_MAP, configMap(namespace, "a", { x: "1" }));
    const object = configMap(namespace, "a", { x: "2" });
    const versioned: Thing = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: present(first.metadata.resourceVersion) },
    };
    await api.apply(CONFIG_MAP, versioned);
    const late: Thing = { ...versioned, data: { x: "3" } };
    await rejects(api.apply(CONFIG_MAP, late), "conflict");
  },

  "apply with a uid and a resourceVersion changes that object alone": async ({
    api,
    namespace,
  }) => {
    const object = configMap(namespace, "a", { x: "1" });
    const first = await api.apply<Thing>(CONFIG_MAP, object);
    const { uid, resourceVersion } = first.metadata;
    const seen = { uid: present(uid), resourceVersion: present(resourceVersion) };
    const asSeen = (x: string): Thing => ({
      ...configMap(namespace, "a", { x }),
      metadata: { ...object.metadata, ...seen },
    });
    const second = await api.apply<Thing>(CONFIG_MAP, asSeen("2"));
    assert.deepEqual([second.data, second.metadata.uid], [{ x: "2" }, uid]);
    await api.delete(CONFIG_MAP, { namespace, name: "a" });
    await rejects(api.apply(CONFIG_MAP, asSeen("3")), "conflict");
    await api.apply<Thing>(CONFIG_MAP, object);
    await rejects(api.apply(CONFIG_MAP, asSeen("3")), "conflict");
  },

  "containers, environment, volumes and ports are merged by their keys": async ({
    api,
    other,
    namespace,
  }) => {
    const ref = { namespace, name: "s" };
    const set = (containers: unknown[]): Thing => statefulSet(namespace, containers);
    const env = [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ];
    await api.apply(STATEFUL_SET, set([{ name: "main", image: "localhost/none:1", env }]));
    await edit(other, STATEFUL_SET, ref, ({ spec }) => {
      const template = spec?.["template"] as { spec: { containers: { env: unknown[] }[] } };
      template.spec.containers[0]?.env.push({ name: "C", value: "3" });
      const side = { name: "side", image: "localhost/none:2", env: [] };
      template.spec.containers.push(side);
    });
    const slim = set([
      { name: "main", image: "localhost/none:3", env: [{ name: "A", value: "9" }] },
    ]);
    const after = await api.apply<Thing>(STATEFUL_SET, slim);
    const containers = containersOf(after);
    assert.deepEqual(
      containers.map(({ name }) => name),
      ["main", "side"],
    );
    assert.equal(containers[0]?.["image"], "localhost/none:3");
    assert.deepEqual(containers[0]?.["env"], [
      { name: "A", value: "9" },
      { name: "C", value: "3" },
    ]);
    const alone = await api.apply<Thing>(
      STATEFUL_SET,
      set([{ name: "only", image: "localhost/none:4" }]),
    );
    const left = containersOf(alone);
    // "main" still holds the variable that is theirs; what was ours in it is gone but what an item cannot be without.
    assert.ok(left.some(({ name }) => name === "only"));
    assert.ok(left.some(({ name }) => name === "side"));
  },

  "what a StatefulSet may not change is refused by name": async ({ api, namespace }) => {
    const main = { name: "main", image: "localhost/none:1" };
    const set = (size: string): Thing => statefulSet(namespace, [main], size);
    const first = await api.apply(STATEFUL_SET, set("1Gi"));
    const second = await api.apply(STATEFUL_SET, {
      ...set("1Gi"),
      metadata: { name: "s", namespace, labels: { a: "b" } },
    });
    assert.equal(first.metadata.generation, 1);
    assert.equal(second.metadata.generation, 1, "a label is no new generation");
    const slower: Thing = { ...set("1Gi"), spec: { ...set("1Gi").spec, minReadySeconds: 1 } };
    const third = await api.apply(STATEFUL_SET, slower);
    assert.equal(third.metadata.generation, 2);
    await rejects(
      api.apply(STATEFUL_SET, set("2Gi")),
      "invalid",
      /updates to statefulset spec for fields other than/,
    );
  },

  "owners and finalizers are merged by uid and by value": async ({ api, other, namespace }) => {
    const owner = await api.create(CONFIG_MAP, configMap(namespace, "owner"));
    const second = await api.create(CONFIG_MAP, configMap(namespace, "second"));
    const reference = (of: KubeObject): object => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      name: of.metadata.name,
      uid: of.metadata.uid,
    });
    const owned = {
      ...configMap(namespace, "a"),
      metadata: {
        name: "a",
        namespace,
        ownerReferences: [reference(owner)],
        finalizers: ["quorate.io/ours"],
      },
    };
    await api.apply(CONFIG_MAP, owned as Thing);
    const ref = { namespace, name: "a" };
    await other.mergePatch(CONFIG_MAP, ref, {
      metadata: {
        finalizers: ["quorate.io/ours", "quorate.io/theirs"],
        ownerReferences: [reference(owner), reference(second)],
      },
    });
    const after = await api.apply(CONFIG_MAP, configMap(namespace, "a"));
    assert.deepEqual(after.metadata.finalizers, ["quorate.io/theirs"]);
    assert.deepEqual(
      after.metadata.ownerReferences?.map(({ name }) => name),
      ["second"],
    );
    await api.mergePatch(CONFIG_MAP, ref, { metadata: { finalizers: null } });
  },

  "a custom list is one value, or merged where its schema says so": async ({
    api,
    other,
    namespace,
  }) => {
    const ref = { namespace, name: "w" };
    const conditions = [{ type: "A", status: "True" }];
    await api.apply(
      WIDGETS,
      widget(namespace, "w", { parts: ["x"], named: [{ name: "one", n: 1 }] }),
    );
    await api.applyStatus(WIDGETS, {
      ...widget(namespace, "w", {}),
      status: { conditions },
    } as Thing);
    await other.applyStatus(WIDGETS, {
      ...widget(namespace, "w", {}),
      status: { conditions: [{ type: "B", status: "False" }] },
    } as Thing);
    await other.mergePatch(WIDGETS, ref, {
      spec: {
        parts: ["x", "y"],
        named: [
          { name: "one", n: 1 },
          { name: "two", n: 2 },
        ],
      },
    });
    const after = await api.apply<Thing>(
      WIDGETS,
      widget(namespace, "w", { parts: ["z"], named: [{ name: "one", n: 3 }] }),
    );
    assert.deepEqual(after.spec, {
      parts: ["z"],
      named: [
        { name: "one", n: 3 },
        { name: "two", n: 2 },
      ],
    });
    const types = listAt<{ type: string }>(after.status, "conditions").map(({ type }) => type);
    assert.deepEqual(types.toSorted(), ["A", "B"]);
  },

  "a service's ports are merged by port and protocol": async ({ api, other, namespace }) => {
    const service = (ports: object[]): Thing => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s", namespace },
      spec: { selector: { app: "a" }, ports, clusterIP: "None" },
    });
    await api.apply(
      SERVICE,
      service([
        { name: "client", port: 2379 },
        { name: "peer", port: 2380 },
      ]),
    );
    await edit(other, SERVICE, { namespace, name: "s" }, ({ spec }) => {
      listAt(spec, "ports").push({ name: "probe", port: 2381, protocol: "TCP" });
    });
    const after = await api.apply<Thing>(SERVICE, service([{ name: "client", port: 2379 }]));
    const names = listAt<{ name: string }>(after.spec, "ports").map(({ name }) => name);
    assert.deepEqual(names, ["client", "probe"]);
  },
};
