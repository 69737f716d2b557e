import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { readConfig } from "../../operator/config.ts";
import type { ControllerDefinition } from "../../operator/context.ts";
import { CONFIG_MAP, EVENT, LEASE } from "../../operator/api/resources.ts";
import { ownKey } from "../../operator/kube/controller.ts";
import { Metrics } from "../../operator/metrics.ts";
import { Operator } from "../../operator/operator.ts";
import { sleep } from "../../operator/time.ts";
import { Prng } from "../../src/base/prng.ts";
import { silentLogger } from "../../src/base/ports.ts";
import { configMap } from "./contract/subject.ts";
import { FakeApi } from "./fake-api.ts";
import { unreachable } from "./fake/faults.ts";
import { VirtualTime } from "./virtual-time.ts";

class Stage {
  readonly time = new VirtualTime();
  readonly fake = new FakeApi({ time: this.time });
  readonly operators: Operator[] = [];
  readonly passes: string[] = [];
  readonly lost: string[] = [];
  /** How long a pass takes, and whether it fails. */
  passMs = 0;
  failing = false;

  async begin(instance: string, args: readonly string[] = []): Promise<Operator> {
    const flags = ["--metrics-port=0", "--metrics-host=127.0.0.1", ...args];
    const config = readConfig(flags, {
      env: { POD_NAME: instance },
      resolvConf: "",
      namespace: null,
    });
    const metrics = new Metrics("1.2.3");
    const operator = new Operator({
      config,
      api: this.fake.as(instance),
      time: this.time,
      random: new Prng(this.operators.length + 1),
      logger: silentLogger,
      metrics,
      controllers: [this.#echo(instance)],
      onLost: (reason) => this.lost.push(`${instance}: ${reason}`),
    });
    this.operators.push(operator);
    await operator.start();
    return operator;
  }

  /** Says an event about each ConfigMap that it passes. */
  #echo(instance: string): ControllerDefinition {
    return {
      name: "echo",
      sources: [{ resource: CONFIG_MAP, keysOf: ownKey }],
      build: ({ api, recorder }) => ({
        reconcile: async (ref) => {
          const object = await api.get(CONFIG_MAP, ref);
          if (this.passMs > 0) await sleep(this.time, this.passMs);
          if (this.failing) throw new Error("as the test wants");
          this.passes.push(`${instance} ${ref.name}`);
          if (object !== null) recorder.event(object, "Normal", "Seen", "by the test");
          return { afterMs: null };
        },
      }),
    };
  }

  make(name: string): Promise<unknown> {
    return this.fake.as("user").create(CONFIG_MAP, configMap("default", name));
  }
}

async function ask({ port }: Operator, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: answer.status, body: await answer.text() };
}

describe("the operator", () => {
  let on = new Stage();
  afterEach(async () => {
    const stopped = Promise.all(on.operators.map((operator) => operator.stop()));
    await on.time.run(3_600_000);
    await stopped;
    on = new Stage();
  });

  it("one of two works, the other is ready, and takes over when the first stops", async () => {
    const one = await on.begin("one");
    await on.time.run(100);
    const two = await on.begin("two");
    await on.make("a");
    await on.time.run(5000);
    assert.deepEqual([on.passes, one.isLeader, two.isLeader], [["one a"], true, false]);
    assert.deepEqual(await ask(two, "/readyz"), { status: 200, body: "ok\n" });
    await one.stop();
    await on.make("b");
    await on.time.run(5000);
    assert.deepEqual(on.passes.toSorted(), ["one a", "two a", "two b"]);
  });

  it("finishes its pass, sends its events, and gives the lease back, in this order", async () => {
    on.passMs = 3000;
    const one = await on.begin("one");
    await on.make("a");
    await on.time.run(1000);
    const calls = on.fake.faults.calls;
    const stopped = one.stop();
    await on.time.run(5000);
    await stopped;
    assert.deepEqual(on.passes, ["one a"]);
    const last = calls.slice(-3).map(({ verb, resource }) => `${verb} ${resource}`);
    assert.deepEqual(last, ["create events", "get leases", "update leases"]);
    assert.equal(on.fake.store.all(EVENT).length, 1);
    const [lease] = on.fake.store.all(LEASE);
    assert.equal(lease?.spec?.["holderIdentity"], "");
  });

  it("tells when the lease is lost", async () => {
    await on.begin("one");
    await on.time.run(1000);
    on.fake.faults.plan({
      on: { manager: "one", resource: "leases" },
      times: Infinity,
      error: unreachable(),
    });
    await on.time.run(20_000);
    assert.deepEqual(on.lost, ["one: not renewed within 10000 ms"]);
  });

  it("without an election it works at once and touches no lease", async () => {
    await on.begin("one", ["--leader-elect=false"]);
    await on.make("a");
    await on.time.run(1000);
    assert.deepEqual(on.passes, ["one a"]);
    assert.deepEqual(on.fake.store.all(LEASE), []);
  });

  it("is not ready before it sees what it watches, and not alive when a pass hangs", async () => {
    on.fake.faults.plan({ on: { manager: "one", verb: "list" }, delayMs: 5000, error: null });
    const one = await on.begin("one");
    await on.time.run(1000);
    assert.deepEqual(await ask(one, "/readyz"), {
      status: 503,
      body: "controller echo does not yet see all that it watches\n",
    });
    assert.equal((await ask(one, "/livez")).status, 200);
    await on.time.run(5000);
    assert.equal((await ask(one, "/readyz")).status, 200);
    on.passMs = 20 * 60_000;
    await on.make("a");
    await on.time.run(9 * 60_000);
    assert.equal((await ask(one, "/livez")).status, 200);
    await on.time.run(2 * 60_000);
    assert.deepEqual(await ask(one, "/healthz"), {
      status: 503,
      body: "a pass of controller echo hangs\n",
    });
    await on.time.run(20 * 60_000);
  });

  it("counts passes, failures, calls and what waits", async () => {
    const one = await on.begin("one");
    await on.make("a");
    await on.time.run(1000);
    on.failing = true;
    await on.make("b");
    await on.time.run(1000);
    on.failing = false;
    await on.time.run(10_000);
    const { body } = await ask(one, "/metrics");
    const value = (line: RegExp): number => Number(line.exec(body)?.[1] ?? Number.NaN);
    assert.equal(value(/^quorate_operator_leader (\d+)$/m), 1);
    assert.equal(
      value(/^quorate_operator_reconciles_total\{controller="echo",result="success"\} (\d+)$/m),
      2,
    );
    assert.ok(
      value(/^quorate_operator_reconciles_total\{controller="echo",result="error"\} (\d+)$/m) >= 1,
    );
    assert.equal(value(/^quorate_operator_queue_depth\{controller="echo"\} (\d+)$/m), 0);
    assert.equal(value(/^quorate_operator_build_info\{version="1.2.3"\} (\d+)$/m), 1);
    assert.match(body, /^process_cpu_seconds_total /m);
  });

  it("answers nothing but what it is for", async () => {
    const one = await on.begin("one");
    assert.equal((await ask(one, "/")).status, 404);
    const posted = await fetch(`http://127.0.0.1:${one.port}/metrics`, { method: "POST" });
    assert.equal(posted.status, 405);
    const head = await fetch(`http://127.0.0.1:${one.port}/livez`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  });
});
