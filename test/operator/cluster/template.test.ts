/** What a member's pod is made of: what nobody may change, and what anybody may. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDefaults } from "../../../operator/api/apply-defaults.ts";
import type { PodTemplateSpec, QuorateCluster } from "../../../operator/api/gen/types.ts";
import { buildStatefulSet } from "../../../operator/cluster/component/stateful-set.ts";
import { digestOf } from "../../../operator/cluster/names.ts";

interface Probe {
  readonly httpGet: { readonly path: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly [field: string]: unknown;
}

interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly [field: string]: unknown;
  };
}

const DOMAIN = "k8s.example.test";

function template(podTemplate?: PodTemplateSpec, replicas = 3): Template {
  const cluster: QuorateCluster = {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateCluster",
    metadata: { name: "kv", namespace: "data", uid: "1" },
    spec: {
      replicas,
      storage: { size: "8Gi" },
      ...(podTemplate === undefined ? {} : { podTemplate }),
    },
  };
  const { object } = buildStatefulSet({
    cluster,
    spec: withDefaults(cluster.spec),
    latched: {
      version: "1.4.2",
      repository: "example.org/quorate",
      layoutRevision: "v1",
      clusterDomain: DOMAIN,
      transport: "Tls",
      plaintext: false,
    },
    replicas,
    claimSize: "8Gi",
    secrets: { server: "kv-server-tls", peer: "kv-peer-tls" },
  });
  return (object as unknown as { spec: { template: Template } }).spec.template;
}

function memberOf({ spec }: Template): Container {
  const [member] = spec.containers;
  assert.equal(member?.name, "quorate");
  return member;
}

describe("a member's pod", () => {
  it("has no hook, no token and no word of who the members are, so that nothing in it changes membership", () => {
    const made = template();
    assert.equal(memberOf(made)["lifecycle"], undefined);
    assert.equal(made.spec["automountServiceAccountToken"], false);
    assert.equal(made.spec["initContainers"], undefined);
    const flags = memberOf(made).args.map((arg) => arg.replace(/=.*/, ""));
    const initial = flags.filter((flag) => flag.startsWith("--initial-cluster"));
    assert.deepEqual(initial, []);
    assert.deepEqual(template(undefined, 7), made);
  });

  it("is alive as long as its process reads, however long its cluster has no quorum", () => {
    const { startupProbe, livenessProbe, readinessProbe } = memberOf(template());
    assert.equal(startupProbe.httpGet.path, "/livez");
    assert.equal(livenessProbe.httpGet.path, "/livez");
    assert.equal(readinessProbe.httpGet.path, "/ready");
    const seconds = ({ periodSeconds, failureThreshold }: Probe): number =>
      periodSeconds * failureThreshold;
    assert.ok(seconds(livenessProbe) >= 60);
    assert.ok(seconds(startupProbe) >= 600);
  });

  it("of layout v1 stays what it is: an operator that made another would restart every member", () => {
    assert.equal(digestOf(template()), "c9e4bf278da30a07", "another template is another layout");
  });

  it("is known by names of the domain that its cluster has", () => {
    const { args } = memberOf(template());
    assert.ok(
      args.includes(
        `--initial-advertise-peer-urls=https://$(POD_NAME).kv-peers.data.svc.${DOMAIN}:2380`,
      ),
    );
    assert.ok(args.includes("--peer-skip-client-san-verification=true"), "no reverse look-ups");
  });
});

describe("spec.podTemplate", () => {
  it("gives resources, places, priority, labels, variables and sidecars", () => {
    const spread = { maxSkew: 2, topologyKey: "rack", whenUnsatisfiable: "DoNotSchedule" };
    const resources = { requests: { cpu: "2", memory: "4Gi" }, limits: { memory: "4Gi" } };
    const sidecar = { name: "shipper", image: "example.org/shipper:1" };
    const own = template();
    const made = template({
      metadata: { labels: { team: "orders" } },
      spec: {
        priorityClassName: "system-cluster-critical",
        nodeSelector: { disk: "nvme" },
        tolerations: [{ key: "dedicated", operator: "Exists" }],
        topologySpreadConstraints: [spread],
        containers: [{ name: "quorate", resources, env: [{ name: "TZ", value: "UTC" }] }, sidecar],
      },
    });
    assert.equal(made.metadata.labels["team"], "orders");
    assert.equal(made.spec["priorityClassName"], "system-cluster-critical");
    assert.deepEqual(made.spec["nodeSelector"], { disk: "nvme" });
    assert.deepEqual(made.spec["tolerations"], [{ key: "dedicated", operator: "Exists" }]);
    assert.deepEqual(made.spec["topologySpreadConstraints"], [spread]);
    assert.deepEqual(memberOf(made)["resources"], resources);
    assert.deepEqual(memberOf(made)["env"], [
      ...(memberOf(own)["env"] as readonly object[]),
      { name: "TZ", value: "UTC" },
    ]);
    assert.deepEqual(made.spec.containers[1], sidecar);
  });

  it("does not touch what the operator lives on", () => {
    const own = template();
    const made = template({
      metadata: { labels: { "quorate.io/cluster": "other", "app.kubernetes.io/name": "other" } },
      spec: {
        hostname: "other",
        restartPolicy: "Never",
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [
          {
            name: "quorate",
            args: ["--force-new-cluster"],
            command: ["sh"],
            ports: [],
            livenessProbe: null,
            readinessProbe: { exec: { command: ["true"] } },
            lifecycle: { preStop: { exec: { command: ["leave"] } } },
            env: [{ name: "POD_NAME", value: "kv-0" }],
            volumeMounts: [{ name: "other", mountPath: "/var/lib/quorate" }],
          },
        ],
      },
    });
    assert.deepEqual(made, own);
  });
});
