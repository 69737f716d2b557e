/** The operator as manifests/install.yaml installs it, under the rights of that file. No node runs what it makes. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import {
  CONFIG_MAP,
  NETWORK_POLICY,
  POD,
  QUORATE_CLUSTER,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  STATEFUL_SET,
} from "../../../operator/api/resources.ts";
import type { KubeObject, Resource } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { systemTime } from "../../../operator/time.ts";
import { Cluster } from "../../conformance/support/cluster.ts";
import { ControlPlane } from "../../conformance/support/kubernetes.ts";
import { until } from "../../conformance/support/tools.ts";
import { OperatorProcess } from "./process.ts";

const ROOT = join(import.meta.dirname, "../../..");
const ACCOUNT = "system:serviceaccount:quorate-system:quorate-operator";
const NAMESPACE = "default";
const LABELLED = { namespace: NAMESPACE, labelSelector: "quorate.io/cluster=kv" };
/** Of which there must be some; a budget comes with the first voter, for which there is no node here. */
const MADE: readonly Resource[] = [
  STATEFUL_SET,
  SERVICE,
  CONFIG_MAP,
  SECRET,
  SERVICE_ACCOUNT,
  NETWORK_POLICY,
  POD,
];

describe("the operator under the rights of its manifest", () => {
  let cluster: Cluster;
  let plane: ControlPlane;
  let credentials: Credentials;
  let client: KubeClient;
  let operator: OperatorProcess;

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: ["--log-level=error"] });
    plane = await ControlPlane.start(cluster.members.map(({ clientUrl }) => clientUrl));
    const kubeconfig = join(plane.folder, "kubeconfig");
    credentials = new Credentials({ kubeconfig }, systemTime);
    client = new KubeClient({
      credentials,
      time: systemTime,
      userAgent: "test",
      fieldManager: "person",
    });
    for (const document of parseAllDocuments(
      readFileSync(join(ROOT, "manifests/install.yaml"), "utf8"),
    )) {
      const object = document.toJS() as KubeObject | null;
      if (object !== null) await client.apply(await resourceOf(object), object);
    }
    await until("the kinds are served", 30_000, () => client.serves(QUORATE_CLUSTER));
    operator = await OperatorProcess.start({
      name: "operator-0",
      namespace: "quorate-system",
      kubeconfig: impersonating(kubeconfig),
    });
  });

  after(async () => {
    await operator.end("SIGKILL");
    await credentials.close();
    await plane.stop();
    await cluster.stop();
  });

  /** By discovery, as `kubectl apply` finds it. */
  const resourceOf = async ({ apiVersion, kind }: KubeObject): Promise<Resource> => {
    const [version = "", group = ""] = apiVersion.split("/").toReversed();
    const { body } = await plane.call(
      "GET",
      group === "" ? `/api/${version}` : `/apis/${apiVersion}`,
    );
    const { resources } = body as {
      resources: { name: string; kind: string; namespaced: boolean }[];
    };
    const found = resources.find((each) => each.kind === kind && !each.name.includes("/"));
    assert.ok(found !== undefined, `${apiVersion} ${kind} is served`);
    return { group, version, kind, plural: found.name, namespaced: found.namespaced };
  };

  /** The same way in, for the ServiceAccount that the manifest makes. */
  const impersonating = (kubeconfig: string): string => {
    const config = JSON.parse(readFileSync(kubeconfig, "utf8")) as {
      users: { user: Record<string, string> }[];
    };
    for (const { user } of config.users) user["as"] = ACCOUNT;
    const path = join(plane.folder, "kubeconfig-operator");
    writeFileSync(path, JSON.stringify(config));
    return path;
  };

  /** Writes that the operator made so far, of anything but its lease and its events. */
  const writes = async (): Promise<string[]> =>
    (await operator.metrics())
      .split("\n")
      .filter((line) =>
        /^quorate_operator_api_requests_total\{verb="(apply|applyStatus|create|update|patch|delete)"/.test(
          line,
        ),
      )
      .filter((line) => !/resource="(leases|events)"/.test(line));

  it("sees everything that it watches", async () => {
    await until("it is ready", 30_000, async () => (await operator.ready()) === 200);
    await until(
      "it leads",
      30_000,
      async () => (await operator.metric("quorate_operator_leader")) === 1,
    );
  });

  it("makes every part of a cluster, is refused nothing, and comes to rest", async (context) => {
    const sample = readFileSync(join(ROOT, "manifests/samples/cluster-smallest.yaml"), "utf8");
    const object = parse(sample) as KubeObject;
    await client.create(QUORATE_CLUSTER, {
      ...object,
      metadata: { ...object.metadata, namespace: NAMESPACE },
    });
    for (const resource of MADE) {
      await until(
        `there is a ${resource.kind}`,
        60_000,
        async () => (await client.list(resource, LABELLED)).items.length > 0,
        250,
      );
    }
    const passes = 'quorate_operator_reconciles_total{controller="clusters",result="success"}';
    let before = [""];
    let restingSince = 0;
    await until(
      "three passes change nothing",
      150_000,
      async () => {
        const [count, written] = [await operator.metric(passes), await writes()];
        if (JSON.stringify(written) !== JSON.stringify(before)) {
          before = written;
          restingSince = count;
        }
        return count >= restingSince + 3;
      },
      500,
    );
    assert.doesNotMatch(operator.log, /"code":"forbidden"/);
    assert.doesNotMatch(operator.log, /"stack"/);
    const megabytes = (await operator.metric("process_resident_memory_bytes")) / 1e6;
    context.diagnostic(`${megabytes.toFixed(0)} MB resident`);
    const seen = await client.get<KubeObject & { status?: { conditions?: { type: string }[] } }>(
      QUORATE_CLUSTER,
      { namespace: NAMESPACE, name: "kv" },
    );
    assert.ok((seen?.status?.conditions ?? []).length > 3, "the status says how it stands");
    const failed = await operator.metric(
      'quorate_operator_reconciles_total{controller="clusters",result="error"}',
    );
    assert.ok(Number.isNaN(failed) || failed <= 2, `${failed} passes failed\n${operator.log}`);
  });

  it("what it made goes with the cluster", async () => {
    await client.delete(
      QUORATE_CLUSTER,
      { namespace: NAMESPACE, name: "kv" },
      { propagation: "Background" },
    );
    for (const resource of MADE) {
      await until(
        `no ${resource.kind} is left`,
        90_000,
        async () => (await client.list(resource, LABELLED)).items.length === 0,
        250,
      );
    }
    assert.equal(await client.get(QUORATE_CLUSTER, { namespace: NAMESPACE, name: "kv" }), null);
    assert.doesNotMatch(operator.log, /"code":"forbidden"/);
    assert.deepEqual(await operator.end("SIGTERM"), [0, null], operator.log);
  });
});
