/** The chart on an empty cluster: the operator comes up, and makes three members that speak mutual TLS within a minute. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  CONFIG_MAP,
  PERSISTENT_VOLUME_CLAIM,
  POD_DISRUPTION_BUDGET,
  SECRET,
} from "../../operator/api/resources.ts";
import type { KubeObject } from "../../operator/kube/api.ts";
import { api } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { OPERATOR_NAMESPACE, helm, installOperator } from "./support/operator.ts";
import { Witness } from "./support/witness.ts";

const READY_MS_MAX = 60_000;

describe("a fresh installation", () => {
  let cluster: ClusterUnderTest;

  before(async () => await installOperator());
  after(async () => await cluster.remove());

  it("has three ready members over mutual TLS within a minute", async () => {
    const began = performance.now();
    cluster = await ClusterUnderTest.create("e2e-install", { replicas: 3 });
    const { status } = await cluster.ready(READY_MS_MAX);
    console.log(`    ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const roles = status?.members?.map(({ role, ready }) => ({ role, ready }));
    assert.deepEqual(
      roles,
      Array.from({ length: 3 }, () => ({ role: "Voter", ready: true })),
    );
    assert.ok(status?.members?.some(({ name, leader }) => leader && name === status.leader));
    assert.match(status?.clusterID ?? "", /^[0-9a-f]+$/);
  });

  it("spreads its members over the nodes", async () => {
    const nodes = new Set((await cluster.members()).map(({ node }) => node));
    assert.equal(nodes.size, 3);
  });

  it("is written to and read from by who has the client's certificate", async () => {
    const witness = await Witness.start(cluster.ref, { members: 3 });
    await witness.assertTrue();
  });

  it("lets one member at a time be evicted", async () => {
    const budget = await api.get<KubeObject & { spec: { minAvailable: number } }>(
      POD_DISRUPTION_BUDGET,
      cluster.ref,
    );
    assert.equal(budget?.spec.minAvailable, 2);
  });

  it("keeps its volumes and its authority's key out of everybody's sight but their users'", async () => {
    const claims = await api.list(PERSISTENT_VOLUME_CLAIM, { namespace: cluster.namespace });
    assert.deepEqual(
      claims.items.map(({ metadata }) => metadata.name).toSorted((a, b) => a.localeCompare(b)),
      ["data-kv-0", "data-kv-1", "data-kv-2"],
    );
    const secrets = await api.list(SECRET, { namespace: cluster.namespace });
    const names = secrets.items.map(({ metadata }) => metadata.name);
    for (const name of [
      "kv-ca",
      "kv-client-tls",
      "kv-operator-tls",
      "kv-peer-tls",
      "kv-server-tls",
    ])
      assert.ok(names.includes(name), `${name} is there`);
    const maps = await api.list<KubeObject>(CONFIG_MAP, { namespace: cluster.namespace });
    assert.doesNotMatch(JSON.stringify(maps.items), /PRIVATE KEY/);
  });

  it("passes the chart's own test", async () => {
    const { code, stdout, stderr } = await helm(
      "test",
      "quorate-operator",
      "--namespace",
      OPERATOR_NAMESPACE,
      "--timeout=120s",
    );
    assert.equal(code, 0, stdout + stderr);
  });
});
