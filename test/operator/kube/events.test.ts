import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONFIG_MAP, EVENT } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { Events } from "../../../operator/kube/events.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { configMap } from "../contract/subject.ts";
import { FakeApi } from "../fake-api.ts";
import { unreachable } from "../fake/faults.ts";
import { VirtualTime } from "../virtual-time.ts";

type Event = KubeObject & {
  note: string;
  reason: string;
  type: string;
  eventTime: string;
  regarding: { name: string; uid: string; kind: string };
  series?: { count: number; lastObservedTime: string };
};

class Stage {
  readonly time = new VirtualTime();
  readonly fake = new FakeApi({ time: this.time });
  dropped = 0;
  readonly events = new Events({
    api: this.fake.operator,
    time: this.time,
    logger: silentLogger,
    controller: "quorate.io/operator",
    instance: "operator-0",
    namespace: "default",
    onDropped: () => this.dropped++,
  });

  make(name: string): Promise<KubeObject> {
    return this.fake.as("user").create(CONFIG_MAP, configMap("default", name));
  }

  written(): Event[] {
    return this.fake.store.all(EVENT) as unknown as Event[];
  }
}

describe("events", () => {
  it("an event says of what, by whom, when and why", async () => {
    const on = new Stage();
    const about = await on.make("kv");
    on.events.event(about, "Warning", "QuorumLost", "two of three members do not answer");
    await on.time.run(10);
    const [event] = on.written();
    assert.ok(event !== undefined);
    const { metadata, apiVersion: _version, kind: _kind, ...rest } = event;
    assert.match(metadata.name, /^kv\.[0-9a-f]+$/);
    assert.equal(metadata.namespace, "default");
    assert.deepEqual(rest, {
      eventTime: "2026-01-05T00:00:00.000000Z",
      reportingController: "quorate.io/operator",
      reportingInstance: "operator-0",
      action: "QuorumLost",
      reason: "QuorumLost",
      type: "Warning",
      note: "two of three members do not answer",
      regarding: {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: "kv",
        namespace: "default",
        uid: about.metadata.uid,
        resourceVersion: about.metadata.resourceVersion,
      },
    });
  });

  it("what repeats is one event that counts, written now and then", async () => {
    const on = new Stage();
    const about = await on.make("kv");
    for (let at = 0; at < 100; at++) {
      on.events.event(about, "Normal", "Waits", "for a pod");
      await on.time.run(1000);
    }
    const writes = on.fake.faults.calls.filter(({ resource }) => resource === "events").length;
    assert.ok(writes <= 6, `${writes} writes for a hundred events`);
    await on.events.flush();
    const all = on.written();
    assert.deepEqual([all.length, all[0]?.series?.count], [1, 100]);
    assert.match(all[0]?.series?.lastObservedTime ?? "", /\.\d{6}Z$/);
  });

  it("another reason, another note and another object are other events, and so is one after a silence", async () => {
    const on = new Stage();
    const [a, b] = [await on.make("a"), await on.make("b")];
    on.events.event(a, "Normal", "One", "x");
    on.events.event(a, "Normal", "Two", "x");
    on.events.event(a, "Normal", "One", "y");
    on.events.event(a, "Warning", "One", "x");
    on.events.event(b, "Normal", "One", "x");
    await on.time.run(7 * 60_000);
    on.events.event(a, "Normal", "One", "x");
    await on.time.run(10);
    assert.equal(on.written().length, 6);
    assert.equal(on.dropped, 0);
  });

  it("an object that says too much is cut short, and others are heard all the same", async () => {
    const on = new Stage();
    const [loud, calm] = [await on.make("loud"), await on.make("calm")];
    for (let at = 0; at < 500; at++) on.events.event(loud, "Normal", "Says", `number ${at}`);
    on.events.event(calm, "Normal", "Says", "a word");
    await on.time.run(1000);
    const of = (name: string): number =>
      on.written().filter(({ regarding }) => regarding.name === name).length;
    assert.deepEqual([of("loud"), of("calm"), on.dropped], [25, 1, 475]);
    await on.time.run(10 * 60_000);
    for (let at = 0; at < 500; at++) on.events.event(loud, "Normal", "Says", `again ${at}`);
    await on.time.run(1000);
    assert.equal(of("loud"), 35);
  });

  it("an API server that hangs or fails stops nobody, and fills no memory", async () => {
    const on = new Stage();
    const about = await on.make("kv");
    const many = await Promise.all(Array.from({ length: 40 }, (_, at) => on.make(`o${at}`)));
    on.fake.faults.plan({ on: { resource: "events" }, delayMs: 60_000, error: unreachable() });
    on.events.event(about, "Normal", "First", "is lost");
    await on.time.run(10);
    for (const object of many) {
      for (let at = 0; at < 20; at++) on.events.event(object, "Normal", "Says", `number ${at}`);
    }
    assert.equal(on.dropped, 600, "two hundred wait, the rest is dropped");
    await on.time.run(120_000);
    assert.deepEqual([on.written().length, on.dropped], [200, 601]);
  });

  it("a note that is too long is shortened between two characters", async () => {
    const on = new Stage();
    const about = await on.make("kv");
    on.events.event(about, "Normal", "Says", "é".repeat(2000));
    await on.time.run(10);
    const { note = "" } = on.written()[0] ?? {};
    assert.ok(Buffer.byteLength(note) <= 1024);
    assert.match(note, /^é{500,}…$/);
  });
});
