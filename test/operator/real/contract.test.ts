/** The client keeps the contract with a real kube-apiserver, and so proves the fake, which keeps the same one. */
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import assert from "node:assert/strict";
import { CONFIG_MAP, NAMESPACE } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import type { CallReport } from "../../../operator/kube/transport.ts";
import { systemTime } from "../../../operator/time.ts";
import { Cluster } from "../../conformance/support/cluster.ts";
import { ControlPlane } from "../../conformance/support/kubernetes.ts";
import { until } from "../../conformance/support/tools.ts";
import { contract } from "../contract.ts";
import { type Subject, configMap } from "../contract/subject.ts";
import { WIDGETS, WIDGET_DEFINITION } from "../widgets.ts";

const DEFINITIONS = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};

describe("a kube-apiserver whose state is in Quorate", () => {
  let cluster: Cluster;
  let plane: ControlPlane;
  let credentials: Credentials;
  let client: KubeClient;
  let other: KubeClient;
  const reports: CallReport[] = [];
  let spaces = 0;

  before(async () => {
    const flags = ["--log-level=error"];
    cluster = await Cluster.start({ product: "quorate", members: 1, flags });
    plane = await ControlPlane.start(cluster.members.map(({ clientUrl }) => clientUrl));
    credentials = new Credentials({ kubeconfig: join(plane.folder, "kubeconfig") }, systemTime);
    const shared = { credentials, time: systemTime, userAgent: "quorate-operator/test" };
    client = new KubeClient({ ...shared, onCall: (report) => reports.push(report) });
    other = new KubeClient({ ...shared, fieldManager: "somebody-else" });
    await client.create(DEFINITIONS, WIDGET_DEFINITION as KubeObject);
    await until("the definition is served", 30_000, () => client.serves(WIDGETS));
  });

  after(async () => {
    await credentials.close();
    await plane.stop();
    await cluster.stop();
  });

  const subject = async (): Promise<Subject> => {
    const namespace = `n${++spaces}`;
    const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    await client.create(NAMESPACE, object);
    return {
      api: client,
      other,
      namespace,
      until: (what, holds) => until(what, 60_000, holds, 100),
    };
  };

  contract(subject);

  it("a list of many pages is whole, and each call is reported", async () => {
    const { namespace } = await subject();
    const names = Array.from({ length: 1_050 }, (_, at) => `c${String(at).padStart(4, "0")}`);
    for (let from = 0; from < names.length; from += 50) {
      const some = names.slice(from, from + 50);
      await Promise.all(some.map((name) => client.create(CONFIG_MAP, configMap(namespace, name))));
    }
    reports.length = 0;
    const { items } = await client.list(CONFIG_MAP, { namespace });
    const own = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("c"));
    assert.deepEqual(own, names);
    const pages = reports.map(({ verb, resource, status }) => [verb, resource, status]);
    assert.deepEqual(pages, Array(3).fill(["list", "configmaps", 200]));
  });
});
