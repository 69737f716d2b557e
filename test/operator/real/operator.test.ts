/** The operator's process as it is installed, against a real kube-apiserver: two of them, one Lease, Events that are accepted. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CONFIG_MAP, EVENT, LEASE } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { Events } from "../../../operator/kube/events.ts";
import { systemTime } from "../../../operator/time.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { Cluster } from "../../conformance/support/cluster.ts";
import { ControlPlane } from "../../conformance/support/kubernetes.ts";
import { until } from "../../conformance/support/tools.ts";
import { configMap, present } from "../contract/subject.ts";
import { OperatorProcess } from "./process.ts";

const REF = { namespace: "default", name: "quorate-operator" };

type Lease = KubeObject & { spec: { holderIdentity: string; leaseTransitions: number } };

describe("the operator's process", () => {
  let cluster: Cluster;
  let plane: ControlPlane;
  let credentials: Credentials;
  let client: KubeClient;
  const started: OperatorProcess[] = [];

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: ["--log-level=error"] });
    plane = await ControlPlane.start(cluster.members.map(({ clientUrl }) => clientUrl));
    credentials = new Credentials({ kubeconfig: join(plane.folder, "kubeconfig") }, systemTime);
    client = new KubeClient({ credentials, time: systemTime, userAgent: "test" });
  });

  after(async () => {
    await Promise.all(started.map((each) => each.end("SIGKILL")));
    await credentials.close();
    await plane.stop();
    await cluster.stop();
  });

  const start = async (name: string): Promise<OperatorProcess> => {
    const kubeconfig = join(plane.folder, "kubeconfig");
    const made = await OperatorProcess.start({ name, namespace: "default", kubeconfig });
    started.push(made);
    return made;
  };

  const holder = async (): Promise<string> => {
    const lease = await client.get<Lease>(LEASE, REF);
    return lease?.spec.holderIdentity.replace(/_.*/, "") ?? "";
  };

  it("one of two leads; on SIGTERM the other follows at once, on SIGKILL when the lease is over", async () => {
    const first = await start("first");
    await until("the first leads", 10_000, async () => (await holder()) === "first");
    const second = await start("second");
    assert.deepEqual(
      [
        await first.metric("quorate_operator_leader"),
        await second.metric("quorate_operator_leader"),
      ],
      [1, 0],
    );
    let began = performance.now();
    assert.deepEqual(await first.end("SIGTERM"), [0, null], first.log);
    assert.match(first.log, /"msg":"stopped"/);
    await until(
      "the second leads",
      10_000,
      async () => (await second.metric("quorate_operator_leader")) === 1,
    );
    assert.ok(performance.now() - began < 5_000, "it was given the lease");
    const third = await start("third");
    await until("the third has seen the lease", 10_000, async () =>
      third.log.includes("serves probes"),
    );
    began = performance.now();
    await second.end("SIGKILL");
    await until(
      "the third leads",
      30_000,
      async () => (await third.metric("quorate_operator_leader")) === 1,
    );
    const tookMs = performance.now() - began;
    assert.ok(tookMs > 10_000 && tookMs < 20_000, `${tookMs} ms`);
    const lease = present(await client.get<Lease>(LEASE, REF));
    assert.equal(lease.spec.leaseTransitions, 2);
    await third.end("SIGTERM");
  });

  it("a holder that finds another's name in the lease ends, so that its pod begins anew", async () => {
    const lone = await start("lone");
    await until("it leads", 30_000, async () => (await holder()) === "lone");
    const ended = once(lone.child, "exit");
    await client.mergePatch(LEASE, REF, { spec: { holderIdentity: "somebody" } });
    assert.deepEqual(await ended, [1, null], lone.log);
    assert.match(
      lone.log,
      /"reason":"held by somebody".*"msg":"the lease is lost: the process ends"/,
    );
    await client.delete(LEASE, REF);
  });

  it("what it says of an object is accepted as an Event, and counted there when it is said again", async () => {
    const about = await client.create(CONFIG_MAP, configMap("default", "spoken-of"));
    let dropped = 0;
    const events = new Events({
      api: client,
      time: systemTime,
      logger: silentLogger,
      controller: "quorate.io/operator",
      instance: "operator-0",
      namespace: "default",
      onDropped: () => dropped++,
    });
    for (let at = 0; at < 3; at++)
      events.event(about, "Warning", "QuorumLost", `é${"x".repeat(2000)}`);
    events.event(
      { apiVersion: "v1", kind: "Node", metadata: { name: "n0" } },
      "Normal",
      "Seen",
      "a node",
    );
    await events.flush();
    await events.flush();
    assert.equal(dropped, 0);
    const { items } = await client.list<KubeObject & { series?: { count: number } }>(EVENT, {
      namespace: "default",
    });
    const own = items.filter(({ metadata }) => metadata.name.startsWith("spoken-of."));
    assert.deepEqual(
      own.map(({ series }) => series?.count),
      [3],
    );
    assert.ok(items.some(({ metadata }) => metadata.name.startsWith("n0.")));
  });
});
