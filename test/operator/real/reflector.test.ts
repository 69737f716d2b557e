/** A reflector against a real kube-apiserver, whose own store is killed under it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION } from "../../../operator/api/resources.ts";
import { KubeError, type KubeObject } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { keyOf } from "../../../operator/kube/store.ts";
import { systemTime } from "../../../operator/time.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Cluster } from "../../conformance/support/cluster.ts";
import { ControlPlane } from "../../conformance/support/kubernetes.ts";
import { until } from "../../conformance/support/tools.ts";
import { configMap } from "../contract/subject.ts";
import { WIDGETS, WIDGET_DEFINITION } from "../widgets.ts";

const NAMESPACE = "default";
const SEED = 20_260_105;

describe("a reflector of a real API server", () => {
  let cluster: Cluster;
  let plane: ControlPlane;
  let credentials: Credentials;
  let client: KubeClient;

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: ["--log-level=error"] });
    plane = await ControlPlane.start(cluster.members.map(({ clientUrl }) => clientUrl));
    credentials = new Credentials({ kubeconfig: join(plane.folder, "kubeconfig") }, systemTime);
    client = new KubeClient({ credentials, time: systemTime, userAgent: "test", timeoutMs: 5_000 });
  });

  after(async () => {
    await credentials.close();
    await plane.stop();
    await cluster.stop();
  });

  it("a revision that the API server does not remember is expired", async () => {
    // What it remembers of a kind begins with the kind's definition.
    await client.create(CUSTOM_RESOURCE_DEFINITION, WIDGET_DEFINITION as KubeObject);
    const request = { namespace: NAMESPACE, resourceVersion: "1", timeoutSeconds: 5 };
    const watched = async (): Promise<KubeError> => {
      const events = client.watch(WIDGETS, request, new AbortController().signal);
      const thrown = await events.next().then(
        () => assert.fail("was to be refused"),
        (error: unknown) => error,
      );
      assert.ok(thrown instanceof KubeError, String(thrown));
      return thrown;
    };
    let error = new KubeError("notFound", "not asked yet");
    // Told 404 until the kind is served, and 429 until the server's cache of it is filled, which no list waits for.
    await until("the kind is watched", 30_000, async () => {
      error = await watched();
      return !["notFound", "tooManyRequests"].includes(error.code);
    });
    assert.equal(error.code, "expired", error.message);
    assert.match(error.message, /too old resource version/);
    assert.equal(error.status, 410);
  });

  it("holds in the end what the API server holds, though its store dies twice meanwhile", async (context) => {
    const restarts: string[] = [];
    const touched = new Set<string>();
    const reflector = new Reflector({
      api: client,
      time: systemTime,
      random: new Prng(SEED),
      logger: silentLogger,
      resource: CONFIG_MAP,
      namespace: NAMESPACE,
      onTouched: (object) => touched.add(`${keyOf(object)}@${object.metadata.resourceVersion}`),
      onRestart: (reason) => restarts.push(reason),
    });
    reflector.start();
    await reflector.whenSynced();
    const random = new Prng(SEED).fork("writes");
    let refused = 0;
    const write = async (): Promise<void> => {
      const name = `o${random.between(0, 20)}`;
      try {
        if (random.chance(0.3)) await client.delete(CONFIG_MAP, { namespace: NAMESPACE, name });
        else
          await client.apply(CONFIG_MAP, configMap(NAMESPACE, name, { x: String(random.next()) }));
      } catch (thrown) {
        assert.ok(thrown instanceof KubeError, String(thrown));
        refused++;
      }
    };
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < 60; at++) await write();
      const member = cluster.member(0);
      await member.stop("SIGKILL");
      await Promise.all([write(), write()]);
      cluster.restart(member);
      await member.awaitHealthy();
      for (let at = 0; at < 60; at++) await write();
    }
    await until("the API server writes again", 30_000, async () => {
      const before = refused;
      await write();
      return refused === before;
    });
    const versions = (objects: readonly KubeObject[]): string[] =>
      objects.map((object) => `${keyOf(object)}@${object.metadata.resourceVersion}`).toSorted();
    await until("both hold the same", 60_000, async () => {
      const { items } = await client.list(CONFIG_MAP, { namespace: NAMESPACE });
      return JSON.stringify(versions(items)) === JSON.stringify(versions(reflector.store.all()));
    });
    reflector.stop();
    context.diagnostic(
      `${refused} writes refused, ${touched.size} states seen, watch: ${restarts.join(", ")}`,
    );
    assert.ok(refused > 0, "the store was away");
    assert.ok(touched.size > 100, "what happened was told as it happened");
  });
});
