/** What reading and watching promise. */
import assert from "node:assert/strict";
import { CONFIG_MAP, NAMESPACE, SECRET } from "../../../operator/api/resources.ts";
import { type KubeApi, type WatchEvent } from "../../../operator/kube/api.ts";
import { WIDGETS } from "../widgets.ts";
import {
  type Claims,
  type Thing,
  type Subject,
  configMap,
  widget,
  rejects,
  present,
  never,
} from "./subject.ts";

/** Collects until `enough` holds of what came. */
async function heard(
  { api, until }: Subject,
  request: Parameters<KubeApi["watch"]>,
  meanwhile: () => Promise<void>,
  enough: (events: readonly WatchEvent[]) => boolean,
): Promise<readonly WatchEvent[]> {
  const [resource, options] = request;
  const events: WatchEvent[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const event of api.watch(resource, options, stop.signal)) events.push(event);
  })();
  await meanwhile();
  await until("the watch has told", async () => enough(events));
  stop.abort();
  await reading;
  return events;
}

export const READING: Claims = {
  "what is not there is null to read and false to delete": async ({ api, namespace }) => {
    assert.equal(await api.get(CONFIG_MAP, { namespace, name: "none" }), null);
    assert.equal(await api.delete(CONFIG_MAP, { namespace, name: "none" }), false);
  },

  "a kind that is not served is an error and no absence": async ({ api, namespace }) => {
    const unknown = {
      ...CONFIG_MAP,
      group: "nowhere.quorate.io",
      plural: "nothings",
      kind: "Nothing",
    };
    await rejects(api.get(unknown, { namespace, name: "a" }), "notFound");
    await rejects(api.delete(unknown, { namespace, name: "a" }), "notFound");
    await rejects(api.list(unknown, { namespace }), "notFound");
    assert.equal(await api.serves(unknown), false);
    assert.equal(await api.serves({ ...CONFIG_MAP, plural: "nothings", kind: "Nothing" }), false);
    assert.equal(await api.serves(CONFIG_MAP), true);
    assert.equal(await api.serves(WIDGETS), true);
  },

  "lists select by labels and fields, and say what their items are": async ({ api, namespace }) => {
    const labelled = (name: string, labels: Record<string, string>): Promise<unknown> =>
      api.create(CONFIG_MAP, {
        ...configMap(namespace, name),
        metadata: { name, namespace, labels },
      });
    await labelled("a", { tier: "one", zone: "x" });
    await labelled("b", { tier: "two" });
    await labelled("c", {});
    const names = async (labelSelector: string): Promise<string[]> => {
      const { items } = await api.list(CONFIG_MAP, { namespace, labelSelector });
      for (const item of items) assert.deepEqual([item.apiVersion, item.kind], ["v1", "ConfigMap"]);
      const own = items.filter(({ metadata }) => metadata.name !== "kube-root-ca.crt");
      return own.map(({ metadata }) => metadata.name);
    };
    assert.deepEqual(await names("tier=one"), ["a"]);
    assert.deepEqual(await names("tier!=one"), ["b", "c"]);
    assert.deepEqual(await names("tier in (one, two)"), ["a", "b"]);
    assert.deepEqual(await names("tier notin (one)"), ["b", "c"]);
    assert.deepEqual(await names("tier,zone"), ["a"]);
    assert.deepEqual(await names("!tier"), ["c"]);
    const fieldSelector = "metadata.name=b";
    const { items } = await api.list(CONFIG_MAP, { namespace, fieldSelector });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["b"],
    );
    const everywhere = await api.list(CONFIG_MAP, { namespace: null, labelSelector: "zone=x" });
    assert.ok(everywhere.items.some(({ metadata }) => metadata.namespace === namespace));
    const spaces = await api.list(NAMESPACE, { namespace: null });
    assert.ok(spaces.items.some(({ metadata }) => metadata.name === namespace));
  },

  "a watch tells in order what happens after the list that it follows": async (subject) => {
    const { api, namespace } = subject;
    await api.create(CONFIG_MAP, configMap(namespace, "before"));
    const { resourceVersion } = await api.list(CONFIG_MAP, { namespace });
    const labelSelector = "watched=yes";
    const labels = (value: string | null): object => ({ metadata: { labels: { watched: value } } });
    const ref = { namespace, name: "a" };
    const events = await heard(
      subject,
      [CONFIG_MAP, { namespace, labelSelector, resourceVersion, timeoutSeconds: 60 }, never],
      async () => {
        await api.create(CONFIG_MAP, configMap(namespace, "a"));
        await api.mergePatch(CONFIG_MAP, ref, labels("yes"));
        await api.mergePatch(CONFIG_MAP, ref, { data: { x: "1" } });
        await api.mergePatch(CONFIG_MAP, ref, labels(null));
        await api.mergePatch(CONFIG_MAP, ref, labels("yes"));
        await api.delete(CONFIG_MAP, ref);
      },
      (all) => all.filter(({ type }) => type !== "BOOKMARK").length >= 5,
    );
    const told = events.filter((event) => event.type !== "BOOKMARK");
    assert.deepEqual(
      told.map(({ type }) => type),
      ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"],
    );
    const revisions = told.map(({ object }) => Number(object.metadata.resourceVersion));
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    assert.deepEqual([told[0]?.object.kind, told[0]?.object.apiVersion], ["ConfigMap", "v1"]);
  },

  "a watch ends when its time is over": async ({ api, namespace, until }) => {
    const { resourceVersion } = await api.list(SECRET, { namespace });
    let over = false;
    const reading = (async () => {
      const request = { namespace, resourceVersion, timeoutSeconds: 1 };
      for await (const event of api.watch(SECRET, request, never)) {
        assert.equal(event.type, "BOOKMARK");
      }
      over = true;
    })();
    await until("the watch is over", async () => over);
    await reading;
  },

  "scale reads and sets the replicas": async ({ api, namespace }) => {
    const ref = { namespace, name: "w" };
    await api.apply(WIDGETS, widget(namespace, "w", { replicas: 1 }));
    assert.equal(await api.readScale(WIDGETS, ref), 1);
    await api.scale(WIDGETS, ref, 3);
    const scaled = present(await api.get<Thing>(WIDGETS, ref));
    assert.deepEqual([scaled.spec?.["replicas"], scaled.metadata.generation], [3, 2]);
  },

  "names that would leave their path are refused": async ({ api, namespace }) => {
    await rejects(api.delete(CONFIG_MAP, { namespace, name: "" }), "invalid");
    await rejects(api.get(CONFIG_MAP, { namespace, name: "../secrets/a" }), "invalid");
    await rejects(api.delete(CONFIG_MAP, { namespace: null, name: "a" }), "invalid");
  },
};
