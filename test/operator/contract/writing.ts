/** What writing promises. */
import assert from "node:assert/strict";
import { CONFIG_MAP } from "../../../operator/api/resources.ts";
import { WIDGETS } from "../widgets.ts";
import { type Claims, type Thing, configMap, present, rejects, widget } from "./subject.ts";
export const WRITING: Claims = {
  "creation fills in uid, resourceVersion and time, and happens once": async ({
    api,
    namespace,
  }) => {
    const made = await api.create(CONFIG_MAP, configMap(namespace, "a", { x: "1" }));
    const { uid, resourceVersion, creationTimestamp } = made.metadata;
    assert.ok(uid !== undefined && resourceVersion !== undefined);
    assert.match(creationTimestamp ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(await api.get(CONFIG_MAP, { namespace, name: "a" }), made);
    const error = await rejects(
      api.create(CONFIG_MAP, configMap(namespace, "a")),
      "alreadyExists",
      /^configmaps "a" already exists$/,
    );
    assert.equal(error.status, 409);
  },

  "a dry run stores nothing, and is refused what would be": async ({ api, namespace }) => {
    const dryRun = true;
    await api.create(CONFIG_MAP, configMap(namespace, "a"), { dryRun });
    assert.equal(await api.get(CONFIG_MAP, { namespace, name: "a" }), null);
    await api.create(CONFIG_MAP, configMap(namespace, "a"));
    const again = api.create(CONFIG_MAP, configMap(namespace, "a"), { dryRun });
    await rejects(again, "alreadyExists");
  },

  "nothing is created in a namespace that is not there": async ({ api }) => {
    await rejects(
      api.create(CONFIG_MAP, configMap("no-such-namespace", "a")),
      "notFound",
      /namespaces "no-such-namespace" not found/,
    );
    await rejects(api.apply(CONFIG_MAP, configMap("no-such-namespace", "a")), "notFound");
  },

  "an update of what has changed meanwhile is a conflict": async ({ api, namespace }) => {
    const first = await api.create(CONFIG_MAP, configMap(namespace, "a", { x: "1" }));
    const second = await api.update(CONFIG_MAP, { ...first, data: { x: "2" } });
    assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);
    await rejects(
      api.update(CONFIG_MAP, { ...first, data: { x: "3" } }),
      "conflict",
      /the object has been modified; please apply your changes to the latest version and try again/,
    );
    const now = present(await api.get<Thing>(CONFIG_MAP, { namespace, name: "a" }));
    assert.deepEqual(now.data, { x: "2" });
  },

  "a write that changes nothing is no new revision": async ({ api, namespace }) => {
    const first = await api.create(CONFIG_MAP, configMap(namespace, "a", { x: "1" }));
    const second = await api.update(CONFIG_MAP, first);
    const third = await api.apply(CONFIG_MAP, configMap(namespace, "b", { x: "1" }));
    const fourth = await api.apply(CONFIG_MAP, configMap(namespace, "b", { x: "1" }));
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    assert.equal(fourth.metadata.resourceVersion, third.metadata.resourceVersion);
  },

  "a merge patch deletes with null and refuses an old resourceVersion": async ({
    api,
    namespace,
  }) => {
    const ref = { namespace, name: "a" };
    const first = await api.create(CONFIG_MAP, configMap(namespace, "a", { x: "1", y: "1" }));
    const patched = await api.mergePatch<Thing>(CONFIG_MAP, ref, { data: { x: null, z: "3" } });
    assert.deepEqual(patched.data, { y: "1", z: "3" });
    const stale = {
      metadata: { resourceVersion: first.metadata.resourceVersion, labels: { a: "b" } },
    };
    await rejects(api.mergePatch(CONFIG_MAP, ref, stale), "conflict");
    await rejects(api.mergePatch(CONFIG_MAP, { namespace, name: "none" }, {}), "notFound");
  },

  "the status of a custom resource is written by its own call alone": async ({
    api,
    namespace,
  }) => {
    const ref = { namespace, name: "w" };
    const made = await api.create(WIDGETS, {
      ...widget(namespace, "w", { size: 1 }),
      status: { phase: "no" },
    } as Thing);
    assert.equal((made as Thing).status, undefined);
    assert.equal(made.metadata.generation, 1);
    const status = {
      ...widget(namespace, "w", { size: 9 }),
      status: { phase: "Ready", list: [1] },
    };
    await api.applyStatus(WIDGETS, status);
    const after = present(await api.get<Thing>(WIDGETS, ref));
    assert.deepEqual(after.status, { phase: "Ready", list: [1] });
    assert.deepEqual(after.spec, { size: 1 }, "the spec beside it is not looked at");
    assert.equal(after.metadata.generation, 1);
    const grown = await api.apply<Thing>(WIDGETS, {
      ...widget(namespace, "w", { size: 2 }),
      status: { phase: "no" },
    } as Thing);
    assert.equal(grown.metadata.generation, 2);
    assert.deepEqual(grown.status, { phase: "Ready", list: [1] });
    await api.applyStatus(WIDGETS, {
      ...widget(namespace, "w", {}),
      status: { phase: "Again" },
    } as Thing);
    const last = present(await api.get<Thing>(WIDGETS, ref));
    assert.deepEqual(last.status, { phase: "Again" }, "what is applied no more is gone");
    await rejects(
      api.applyStatus(WIDGETS, { ...widget(namespace, "none", {}), status: {} } as Thing),
      "notFound",
    );
  },
};
