import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONFIG_MAP, NAMESPACE, SECRET } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import {
  Controller,
  type ControllerOptions,
  keyInLabel,
  keyOfOwner,
  ownKey,
  refOfKey,
} from "../../../operator/kube/controller.ts";
import { keyOf } from "../../../operator/kube/store.ts";
import { Prng } from "../../../src/base/prng.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { configMap, present } from "../contract/subject.ts";
import { FakeApi, type FakeClient } from "../fake-api.ts";
import { VirtualTime } from "../virtual-time.ts";

interface Stage {
  readonly time: VirtualTime;
  readonly fake: FakeApi;
  readonly user: FakeClient;
  readonly controller: Controller;
  readonly passes: string[];
}

function stage(more: Partial<ControllerOptions> = {}): Stage {
  const time = new VirtualTime();
  const fake = new FakeApi({ time, namespaces: ["default", "one", "two"] });
  const passes: string[] = [];
  const controller = new Controller({
    name: "test",
    api: fake.operator,
    time,
    random: new Prng(3),
    logger: silentLogger,
    namespaces: null,
    sources: [{ resource: CONFIG_MAP, keysOf: ownKey }],
    workers: 2,
    reconcile: async ({ namespace, name }) => {
      passes.push(`${namespace}/${name}`);
      return { afterMs: null };
    },
    ...more,
  });
  return { time, fake, user: fake.as("user"), controller, passes };
}

function secret(name: string, metadata: object): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "default", ...metadata },
  };
}

describe("a controller", () => {
  it("reconciles nothing before every source is complete, and then everything", async () => {
    const on = stage({
      sources: [
        { resource: CONFIG_MAP, keysOf: ownKey },
        { resource: SECRET, keysOf: keyInLabel("for") },
      ],
    });
    await on.user.create(CONFIG_MAP, configMap("default", "a"));
    on.fake.faults.plan({ on: { verb: "list", resource: "secrets" }, delayMs: 5000, error: null });
    on.controller.watch();
    const working = on.controller.work();
    await on.time.run(4000);
    assert.deepEqual([on.controller.synced, on.passes], [false, []]);
    await on.time.run(2000);
    await working;
    assert.deepEqual([on.controller.synced, on.passes], [true, ["default/a"]]);
    await on.controller.stop();
  });

  it("objects touch the key of their label, of their owner, and of whoever refers to them", async () => {
    const refers: ControllerOptions["sources"][number]["keysOf"] = ({ metadata: { name } }, seen) =>
      seen
        .all(CONFIG_MAP)
        .filter((object) => (object as { data?: { secret?: string } }).data?.secret === name)
        .map(keyOf);
    const on = stage({
      sources: [
        { resource: CONFIG_MAP, keysOf: ownKey },
        { resource: SECRET, keysOf: keyInLabel("for") },
        { resource: SECRET, keysOf: keyOfOwner(CONFIG_MAP) },
        { resource: SECRET, keysOf: refers },
      ],
    });
    const owner = await on.user.create(CONFIG_MAP, configMap("default", "owner"));
    await on.user.create(CONFIG_MAP, configMap("default", "refers", { secret: "named" }));
    on.controller.watch();
    const working = on.controller.work();
    await on.time.run(100);
    await working;
    const touching = async (metadata: object, name = "s"): Promise<string[]> => {
      on.passes.length = 0;
      await on.user.create(SECRET, secret(name, metadata));
      await on.time.run(1000);
      await on.user.delete(SECRET, { namespace: "default", name });
      await on.time.run(1000);
      return [...new Set(on.passes)];
    };
    assert.deepEqual(await touching({ labels: { for: "labelled" } }), ["default/labelled"]);
    const reference = {
      apiVersion: "v1",
      kind: "ConfigMap",
      name: "owner",
      uid: present(owner.metadata.uid),
    };
    assert.deepEqual(await touching({ ownerReferences: [{ ...reference, controller: true }] }), [
      "default/owner",
    ]);
    assert.deepEqual(
      await touching({ ownerReferences: [reference] }),
      [],
      "an owner that controls nothing",
    );
    assert.deepEqual(await touching({}, "named"), ["default/refers"]);
    assert.deepEqual(await touching({}, "other"), []);
    await on.controller.stop();
  });

  it("an object that changes its label touches the one that it left too", async () => {
    const on = stage({ sources: [{ resource: SECRET, keysOf: keyInLabel("for") }] });
    await on.user.create(SECRET, secret("s", { labels: { for: "one" } }));
    on.controller.watch();
    void on.controller.work();
    await on.time.run(100);
    on.passes.length = 0;
    await on.user.mergePatch(
      SECRET,
      { namespace: "default", name: "s" },
      { metadata: { labels: { for: "two" } } },
    );
    await on.time.run(100);
    assert.deepEqual(on.passes.toSorted(), ["default/one", "default/two"]);
    await on.controller.stop();
  });

  it("an object that a source does not understand keeps no other from being seen", async () => {
    const keysOf: ControllerOptions["sources"][number]["keysOf"] = (object) => {
      if (object.metadata.name === "odd")
        throw new TypeError("cannot read properties of undefined");
      return ownKey(object, on.controller.seen);
    };
    const on = stage({ sources: [{ resource: CONFIG_MAP, keysOf }] });
    await on.user.create(CONFIG_MAP, configMap("default", "odd"));
    await on.user.create(CONFIG_MAP, configMap("default", "plain"));
    on.controller.watch();
    void on.controller.work();
    await on.time.run(1000);
    await on.user.mergePatch(
      CONFIG_MAP,
      { namespace: "default", name: "odd" },
      { data: { x: "1" } },
    );
    await on.user.create(CONFIG_MAP, configMap("default", "later"));
    await on.time.run(1000);
    assert.deepEqual(on.passes, ["default/plain", "default/later"]);
    const lists = on.fake.faults.calls.filter(({ verb }) => verb === "list");
    assert.equal(lists.length, 1, "nothing had to be repeated");
    await on.controller.stop();
  });

  it("watches only the namespaces that it is given, and kinds without one in any case", async () => {
    const on = stage({
      namespaces: ["one", "two"],
      sources: [
        { resource: CONFIG_MAP, keysOf: ownKey },
        { resource: NAMESPACE, keysOf: () => [] },
      ],
    });
    for (const namespace of ["default", "one", "two"])
      await on.user.create(CONFIG_MAP, configMap(namespace, "a"));
    on.controller.watch();
    void on.controller.work();
    await on.time.run(100);
    assert.deepEqual(on.passes.toSorted(), ["one/a", "two/a"]);
    const lists = on.fake.faults.calls.filter(({ verb }) => verb === "list");
    assert.deepEqual(
      lists.map(({ resource, namespace }) => `${resource} ${namespace}`),
      ["configmaps one", "configmaps two", "namespaces null"],
    );
    assert.equal(on.controller.seen.get(CONFIG_MAP, "two/a")?.metadata.name, "a");
    assert.equal(on.controller.seen.get(CONFIG_MAP, "default/a"), null);
    await on.controller.stop();
  });

  it("looks at every object now and then though nothing touches it", async () => {
    const on = stage({ resyncMs: 60_000 });
    await on.user.create(CONFIG_MAP, configMap("default", "a"));
    on.controller.watch();
    void on.controller.work();
    await on.time.run(10 * 60_000);
    assert.ok(
      on.passes.length >= 9 && on.passes.length <= 12,
      `${on.passes.length} passes in ten minutes`,
    );
    await on.controller.stop();
  });

  it("one that is stopped before it was complete never works", async () => {
    const on = stage();
    await on.user.create(CONFIG_MAP, configMap("default", "a"));
    on.fake.faults.plan({ on: { verb: "list" }, delayMs: 1000, error: null });
    on.controller.watch();
    void on.controller.work();
    await on.time.run(10);
    await on.controller.stop();
    await on.time.run(60_000);
    assert.deepEqual(on.passes, []);
  });

  it("keys are taken apart as they were made", () => {
    assert.deepEqual(refOfKey("n/a"), { namespace: "n", name: "a" });
    assert.deepEqual(refOfKey("a"), { namespace: null, name: "a" });
  });
});
