import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONFIG_MAP, SECRET } from "../../../operator/api/resources.ts";
import { KubeError, type KubeObject, type WatchEvent } from "../../../operator/kube/api.ts";
import { Reflector, type ReflectorOptions } from "../../../operator/kube/reflector.ts";
import { indexByLabel, indexByOwner, keyOf } from "../../../operator/kube/store.ts";
import { Prng } from "../../../src/base/prng.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { configMap, present } from "../contract/subject.ts";
import { FakeApi } from "../fake-api.ts";
import { unreachable } from "../fake/faults.ts";
import { VirtualTime } from "../virtual-time.ts";
import { WIDGETS, WIDGET_KIND } from "../widgets.ts";

interface Stage {
  readonly time: VirtualTime;
  readonly fake: FakeApi;
  readonly reflector: Reflector;
  readonly touched: string[];
  readonly restarts: string[];
}

function stage(more: Partial<ReflectorOptions> = {}): Stage {
  const time = new VirtualTime();
  const fake = new FakeApi({ time });
  const touched: string[] = [];
  const restarts: string[] = [];
  const reflector = new Reflector({
    api: fake.operator,
    time,
    random: new Prng(7),
    logger: silentLogger,
    resource: CONFIG_MAP,
    namespace: "default",
    onTouched: (object) => touched.push(`${keyOf(object)}=${valueOf(object)}`),
    onRestart: (reason) => restarts.push(reason),
    ...more,
  });
  return { time, fake, reflector, touched, restarts };
}

function valueOf(object: KubeObject): string {
  return (object as { data?: { x?: string } }).data?.x ?? "";
}

function secret(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "default" } };
}

function put(fake: FakeApi, name: string, x: string): Promise<KubeObject> {
  return fake.as("user").apply(CONFIG_MAP, configMap("default", name, { x }));
}

/** What the API server has and what the store has are the same. */
function assertSame({ fake, reflector }: Stage): void {
  const sorted = (objects: readonly KubeObject[]): string[] =>
    objects.map((object) => `${keyOf(object)}@${object.metadata.resourceVersion}`).toSorted();
  assert.deepEqual(sorted(reflector.store.all()), sorted(fake.store.all(CONFIG_MAP)));
}

describe("a reflector", () => {
  it("is synced after its first list, and follows what happens then", async () => {
    const on = stage();
    await put(on.fake, "a", "1");
    on.reflector.start();
    assert.equal(on.reflector.synced, false);
    const synced = on.reflector.whenSynced();
    await on.time.run(0);
    await synced;
    await put(on.fake, "b", "1");
    await put(on.fake, "a", "2");
    await on.fake.as("user").delete(CONFIG_MAP, { namespace: "default", name: "b" });
    await on.time.run(100);
    assert.deepEqual(on.touched, [
      "default/a=1",
      "default/b=1",
      "default/a=1",
      "default/a=2",
      "default/b=1",
    ]);
    assertSame(on);
  });

  it("survives every error of list and watch, and waits longer each time", async () => {
    const on = stage();
    await put(on.fake, "a", "1");
    on.fake.faults.plan({ on: { verb: "list" }, times: 4, error: unreachable() });
    on.fake.faults.plan({
      on: { verb: "watch" },
      times: 3,
      error: new KubeError("internal", "500"),
    });
    on.reflector.start();
    await on.time.run(120_000);
    assert.equal(on.reflector.synced, true);
    await put(on.fake, "a", "2");
    await on.time.run(0);
    assertSame(on);
    const lists = on.fake.faults.calls.filter(({ verb }) => verb === "list").length;
    // Four that failed, one that worked, and one for each watch whose error may have hidden something.
    assert.equal(lists, 8);
  });

  it("goes on where it was after a broken connection, without a list", async () => {
    const on = stage();
    on.reflector.start();
    await on.time.run(5000);
    await put(on.fake, "a", "1");
    await on.time.run(0);
    on.fake.watches.drop();
    await put(on.fake, "b", "1");
    await on.time.run(30_000);
    assertSame(on);
    assert.equal(on.fake.faults.calls.filter(({ verb }) => verb === "list").length, 1);
    assert.deepEqual(on.restarts, ["error"]);
  });

  it("lists anew when its revision is gone, and tells what it had missed", async () => {
    const on = stage();
    await put(on.fake, "gone", "1");
    await put(on.fake, "kept", "1");
    on.reflector.start();
    await on.time.run(5000);
    on.touched.length = 0;
    on.fake.watches.drop();
    await put(on.fake, "kept", "2");
    await put(on.fake, "new", "1");
    await on.fake.as("user").delete(CONFIG_MAP, { namespace: "default", name: "gone" });
    on.fake.watches.forget();
    await on.time.run(30_000);
    assertSame(on);
    assert.deepEqual(on.touched, [
      "default/gone=1",
      "default/kept=1",
      "default/kept=2",
      "default/new=1",
    ]);
    assert.deepEqual(on.restarts, ["error", "expired"]);
  });

  it("an object that was made again comes as the old one and as the new", async () => {
    const on = stage();
    await put(on.fake, "a", "old");
    on.reflector.start();
    await on.time.run(5000);
    const first = on.reflector.store.get("default/a");
    on.touched.length = 0;
    on.fake.watches.drop();
    await on.fake.as("user").delete(CONFIG_MAP, { namespace: "default", name: "a" });
    await put(on.fake, "a", "new");
    on.fake.watches.forget();
    await on.time.run(30_000);
    assert.deepEqual(on.touched, ["default/a=old", "default/a=new"]);
    assert.notEqual(on.reflector.store.get("default/a")?.metadata.uid, first?.metadata.uid);
  });

  it("bookmarks keep its revision young, though nothing of its kind happens", async () => {
    const on = stage();
    const user = on.fake.as("user");
    on.reflector.start();
    await on.time.run(5000);
    for (let at = 0; at < 5; at++) await user.create(SECRET, secret(`s${at}`));
    await on.time.run(61_000);
    // Everything before the last bookmark is forgotten.
    on.fake.watches.forget();
    on.fake.watches.drop();
    await on.time.run(30_000);
    assert.deepEqual(on.restarts, ["error"], "no list was needed");
  });

  it("one that was stopped during its list or its watch stays stopped", async () => {
    const on = stage();
    await put(on.fake, "a", "1");
    on.fake.faults.plan({ on: { verb: "list" }, delayMs: 1000, error: null });
    on.reflector.start();
    await on.time.run(500);
    on.reflector.stop();
    await on.time.run(10_000);
    assert.deepEqual([on.touched, on.fake.watches.size, on.reflector.synced], [[], 0, false]);
    on.reflector.start();
    on.reflector.stop();
    on.reflector.start();
    await on.time.run(10_000);
    assert.deepEqual([on.touched, on.fake.watches.size], [["default/a=1"], 1]);
    on.reflector.stop();
    await put(on.fake, "b", "1");
    await on.time.run(10_000);
    assert.deepEqual([on.touched, on.fake.watches.size], [["default/a=1"], 0]);
  });

  it("a kind that may be missing counts as empty, and is found when it comes", async () => {
    const on = stage({ resource: WIDGETS, optional: true });
    on.reflector.start();
    await on.time.run(1000);
    assert.equal(on.reflector.synced, true);
    on.fake.store.register(WIDGET_KIND);
    const object = {
      apiVersion: "test.quorate.io/v1",
      kind: "Widget",
      metadata: { name: "w", namespace: "default" },
    };
    await on.fake.as("user").create(WIDGETS, object);
    await on.time.run(61_000);
    assert.deepEqual(on.touched, ["default/w="]);
    on.fake.store.unregister(WIDGETS);
    await on.time.run(1);
    on.fake.watches.drop();
    await on.time.run(61_000);
    assert.deepEqual(on.reflector.store.all(), []);
  });

  it("finds objects by owner and by label, and forgets what they were", async () => {
    const on = stage({ indexers: [indexByOwner, indexByLabel("team")] });
    const owner = await put(on.fake, "owner", "1");
    const ownerReferences = [
      { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: present(owner.metadata.uid) },
    ];
    const user = on.fake.as("user");
    const metadata = { name: "a", namespace: "default", ownerReferences, labels: { team: "one" } };
    await user.create(CONFIG_MAP, { ...configMap("default", "a"), metadata });
    on.reflector.start();
    await on.time.run(100);
    const names = (word: string): string[] =>
      on.reflector.store.find(word).map(({ metadata: { name } }) => name);
    assert.deepEqual(names(`owner:${owner.metadata.uid}`), ["a"]);
    assert.deepEqual(names("label:default/team=one"), ["a"]);
    await user.mergePatch(
      CONFIG_MAP,
      { namespace: "default", name: "a" },
      { metadata: { labels: { team: "two" } } },
    );
    await on.time.run(100);
    assert.deepEqual(
      [names("label:default/team=one"), names("label:default/team=two")],
      [[], ["a"]],
    );
    await user.delete(CONFIG_MAP, { namespace: "default", name: "a" });
    await on.time.run(100);
    assert.deepEqual(
      [names("label:default/team=two"), names(`owner:${owner.metadata.uid}`)],
      [[], []],
    );
  });

  it("holds what the API server holds after any sequence of writes and faults", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Prng(seed);
      const on = stage({ random: random.fork("reflector") });
      on.reflector.start();
      const user = on.fake.as("user");
      for (let step = 0; step < 60; step++) {
        const name = `o${random.between(0, 6)}`;
        const choice = random.between(0, 10);
        if (choice < 5) await put(on.fake, name, String(step));
        else if (choice < 7) await user.delete(CONFIG_MAP, { namespace: "default", name });
        else if (choice === 7) on.fake.watches.drop();
        else if (choice === 8) on.fake.watches.forget();
        else
          on.fake.faults.plan({
            on: { verb: random.chance(0.5) ? "list" : "watch" },
            error: unreachable(),
          });
        await on.time.run(random.between(0, 3000));
      }
      on.fake.faults.clear();
      await on.time.run(60_000);
      assertSame(on);
    }
  });

  it("a watch that ends at once again and again does not spin", async () => {
    const time = new VirtualTime();
    let watches = 0;
    const fake = new FakeApi({ time });
    const api = Object.assign(fake.as("quorate-operator"), {
      watch: async function* (): AsyncGenerator<WatchEvent> {
        watches++;
        yield { type: "BOOKMARK", resourceVersion: "1" };
      },
    });
    const reflector = new Reflector({
      api,
      time,
      random: new Prng(1),
      logger: silentLogger,
      resource: CONFIG_MAP,
      namespace: "default",
      onTouched: () => {},
    });
    reflector.start();
    await time.run(60_000);
    assert.ok(watches >= 3 && watches <= 10, `${watches} watches in a minute`);
    reflector.stop();
  });
});
