/**
 * A Prometheus in the cluster scrapes what the monitors of chart and operator select, and the client port over mutual TLS too;
 * the rules of both are evaluated there. The Prometheus operator is not: its kinds are read as it would.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { POD_MONITOR, PROMETHEUS_RULE } from "../../operator/api/resources.ts";
import type { KubeObject, ObjectRef, Resource } from "../../operator/kube/api.ts";
import { until } from "../conformance/support/tools.ts";
import { eventually } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { installKind, removeKind } from "./support/kinds.ts";
import { OPERATOR_NAMESPACE, installOperator, operatorPods } from "./support/operator.ts";
import { NO_PROGRAMS } from "./support/program.ts";
import {
  type PodMonitor,
  Prometheus,
  type PrometheusRule,
  SECURE_JOB,
} from "./support/prometheus.ts";

const KINDS = [POD_MONITOR, PROMETHEUS_RULE];
const SEEN_MS_MAX = 60_000;
const OPERATOR: ObjectRef = { namespace: OPERATOR_NAMESPACE, name: "quorate-operator" };

async function awaited<T extends KubeObject>(resource: Resource, ref: ObjectRef): Promise<T> {
  const what = `the ${resource.kind} ${ref.name} is there`;
  const found = await eventually<T>(what, resource, ref, (it) => it !== null, SEEN_MS_MAX);
  if (found === null) throw new Error(what);
  return found;
}

describe("a Prometheus beside a cluster of three", { skip: NO_PROGRAMS }, () => {
  let cluster: ClusterUnderTest;
  let prometheus: Prometheus;
  const alerts: string[] = [];

  before(async () => {
    for (const kind of KINDS) await installKind(kind);
    await installOperator("metrics.podMonitor.enabled=true", "metrics.rules.enabled=true");
    cluster = await ClusterUnderTest.create("e2e-monitoring", { replicas: 3 });
    await cluster.ready(60_000);
    const monitors: PodMonitor[] = [];
    const rules: PrometheusRule[] = [];
    for (const ref of [cluster.ref, OPERATOR]) {
      monitors.push(await awaited(POD_MONITOR, ref));
      rules.push(await awaited(PROMETHEUS_RULE, ref));
    }
    for (const { spec } of rules)
      alerts.push(...spec.groups.flatMap((group) => group.rules.map(({ alert }) => alert)));
    prometheus = await Prometheus.start(cluster.ref, monitors, rules);
  });
  after(async () => {
    await cluster.remove();
    await installOperator();
    for (const kind of KINDS) await removeKind(kind);
  });

  it("scrapes every member, in the clear and over mutual TLS, and every operator", async () => {
    const operators = (await operatorPods()).length;
    const jobs = {
      [`e2e-monitoring/kv/0`]: 3,
      [SECURE_JOB]: 3,
      [`${OPERATOR_NAMESPACE}/quorate-operator/0`]: operators,
    };
    let seen: Record<string, number> = {};
    await until(
      `all targets are up; they are ${JSON.stringify(await prometheus.targets())}`,
      SEEN_MS_MAX,
      async () => {
        const up = await prometheus.query("count by (job) (up == 1)");
        seen = Object.fromEntries(up.map(({ metric, value }) => [metric["job"] ?? "", value]));
        return Object.entries(jobs).every(([job, count]) => seen[job] === count);
      },
      500,
    );
    assert.deepEqual(seen, jobs);
  });

  it("reads there what the members and their operator are", async () => {
    const one = async (expression: string): Promise<number | undefined> =>
      (await prometheus.query(expression))[0]?.value;
    const members = 'namespace="e2e-monitoring",pod=~"kv-[0-9]+",quorate_io_cluster="kv"';
    assert.equal(await one(`sum(etcd_server_is_leader{${members}})`), 1);
    assert.equal(await one(`min(etcd_server_has_leader{${members}})`), 1);
    assert.equal(await one(`min(quorate_members{${members}})`), 3);
    assert.equal(await one(`count(etcd_server_is_leader{${members},quorate_io_role="voter"})`), 3);
    assert.equal(await one(`sum(etcd_server_is_leader{job="${SECURE_JOB}"})`), 1);
    assert.equal(await one("sum(quorate_operator_leader)"), 1);
  });

  it("evaluates the rules of the chart and of the cluster, and none of them fires", async () => {
    await until(
      "every rule was evaluated",
      SEEN_MS_MAX,
      async () => (await prometheus.rules()).every(({ health }) => health !== "unknown"),
      500,
    );
    const rules = await prometheus.rules();
    assert.deepEqual(rules.map(({ name }) => name).toSorted(), alerts.toSorted());
    for (const { name, health, state, lastError } of rules) {
      assert.equal(health, "ok", `${name}: ${lastError ?? ""}`);
      assert.notEqual(state, "firing", name);
    }
  });

  it("notices that a member is away", async () => {
    await cluster.replacePod(0, null, SEEN_MS_MAX);
    const expression =
      'max_over_time(ALERTS{alertname="QuorateMembersDown",alertstate="pending"}[5m])';
    await until(
      "QuorateMembersDown was pending",
      SEEN_MS_MAX,
      async () => (await prometheus.query(expression)).length > 0,
      500,
    );
    await cluster.ready(SEEN_MS_MAX);
  });
});
