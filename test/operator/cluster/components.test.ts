/** The objects that clusters are made of: as they are written down in `golden`, and what holds of them whatever the spec. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { withDefaults } from "../../../operator/api/apply-defaults.ts";
import type { QuorateCluster, QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import type { AppliedObject } from "../../../operator/cluster/action.ts";
import { buildPodMonitor, buildRules } from "../../../operator/cluster/component/monitors.ts";
import {
  buildBudget,
  buildNetworkPolicy,
  buildServiceAccount,
} from "../../../operator/cluster/component/policies.ts";
import { secretsOf } from "../../../operator/cluster/component/secrets.ts";
import {
  buildClientService,
  buildPeerService,
} from "../../../operator/cluster/component/services.ts";
import { buildStatefulSet } from "../../../operator/cluster/component/stateful-set.ts";
import { type Latched, latchedTransport } from "../../../operator/cluster/journal.ts";
import { APPLIED_ANNOTATION } from "../../../operator/cluster/names.ts";

/** Writes the golden files anew: for whoever changes an object, and reads the difference. */
const UPDATES = process.env["UPDATE_GOLDEN"] === "1";

function clusterOf(spec: Partial<QuorateClusterSpec>): QuorateCluster {
  return {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateCluster",
    metadata: { name: "kv", namespace: "data", uid: "7b1f", generation: 3 },
    spec: { storage: { size: "8Gi" }, ...spec },
  };
}

function latchedOf({ spec }: QuorateCluster): Latched {
  const own = {
    version: spec.version ?? "1.4.2",
    repository: "ghcr.io/quorate/quorate",
    layoutRevision: "v1",
    clusterDomain: "cluster.local",
  };
  return latchedTransport(own, spec.unsafe?.plaintext === true ? "Plaintext" : "Tls");
}

function statefulSetOf(spec: Partial<QuorateClusterSpec>, replicas = 3): AppliedObject {
  const cluster = clusterOf(spec);
  const latched = latchedOf(cluster);
  return buildStatefulSet({
    cluster,
    spec: withDefaults(cluster.spec),
    latched,
    replicas,
    claimSize: cluster.spec.storage.size,
    secrets: secretsOf("kv", latched),
  });
}

function objectsOf(spec: Partial<QuorateClusterSpec>): AppliedObject[] {
  const cluster = clusterOf(spec);
  const whole = withDefaults(cluster.spec);
  const budget = buildBudget(cluster, 3, whole.replicas);
  return [
    buildServiceAccount(cluster),
    buildPeerService(cluster),
    buildClientService(cluster, whole),
    buildNetworkPolicy(cluster),
    ...(budget === null ? [] : [budget]),
    buildPodMonitor(cluster, whole),
    buildRules(cluster, whole),
    statefulSetOf(spec),
  ];
}

interface PodParts {
  readonly metadata: { readonly labels: Record<string, string>; readonly annotations: object };
  readonly spec: {
    readonly [field: string]: unknown;
    readonly securityContext: Record<string, unknown>;
    readonly containers: readonly Record<string, unknown>[];
    readonly volumes: readonly { readonly name: string }[];
  };
}

function templateOf({ object }: AppliedObject): PodParts {
  return (object as unknown as { spec: { template: PodParts } }).spec.template;
}

const SPECS: Readonly<Record<string, Partial<QuorateClusterSpec>>> = {
  smallest: {},
  plaintext: { replicas: 1, unsafe: { plaintext: true } },
  production: {
    replicas: 5,
    version: "1.5.0",
    image: { repository: "registry.example.org/quorate", pullSecrets: [{ name: "pull" }] },
    storage: { size: "100Gi", storageClassName: "fast", accessMode: "ReadWriteOnce" },
    server: { quotaBackend: "16Gi", extraArgs: { "log-level": "warn" } },
    tls: { client: { mode: "Server", extraNames: ["kv.example.org"] } },
    scheduling: { hosts: "Required", zones: "Required" },
    clientService: { type: "LoadBalancer", annotations: { "example.org/lb": "internal" } },
    monitoring: { labels: { release: "prometheus" } },
    podTemplate: {
      metadata: { labels: { team: "storage" }, annotations: { "example.org/scrape": "no" } },
      spec: {
        priorityClassName: "high",
        tolerations: [{ key: "db", operator: "Exists" }],
        containers: [{ name: "quorate", resources: { limits: { memory: "4Gi" } } }],
      },
    },
  },
};

describe("the objects of a cluster", () => {
  for (const [name, spec] of Object.entries(SPECS)) {
    it(`are as they are written down: ${name}`, () => {
      const file = new URL(`golden/${name}.yaml`, import.meta.url);
      const objects = objectsOf(spec).map(({ object }) => object);
      if (UPDATES)
        writeFileSync(
          file,
          objects.map((each) => stringify(each, { aliasDuplicateObjects: false })).join("---\n"),
        );
      const golden = readFileSync(file, "utf8")
        .split("\n---\n")
        .map((text) => parse(text) as unknown);
      assert.deepEqual(JSON.parse(JSON.stringify(objects)), golden);
    });
  }

  it("belong to the cluster, and say so by labels", () => {
    for (const { object } of objectsOf(SPECS["production"] ?? {})) {
      const [owner] = object.metadata.ownerReferences ?? [];
      assert.equal(owner?.uid, "7b1f");
      assert.equal(object.metadata.labels?.["quorate.io/cluster"], "kv");
    }
  });
});

describe("the StatefulSet", () => {
  it("has a template that nothing but the spec and what is latched changes", () => {
    const one = statefulSetOf({ replicas: 1 }, 1).object.metadata;
    const seven = statefulSetOf({ replicas: 7 }, 7).object.metadata;
    assert.equal(one.annotations?.[APPLIED_ANNOTATION], seven.annotations?.[APPLIED_ANNOTATION]);
    const template = (replicas: number): PodParts =>
      templateOf(statefulSetOf({ replicas }, replicas));
    assert.deepEqual(template(1), template(7));
    assert.doesNotMatch(JSON.stringify(template(3)), /kv-[0-9]/, "no member is named");
  });

  it("runs pods that Pod Security admits at its level restricted", () => {
    for (const spec of Object.values(SPECS)) {
      const { spec: pod } = templateOf(statefulSetOf(spec));
      assert.equal(pod.securityContext["runAsNonRoot"], true);
      assert.deepEqual(pod.securityContext["seccompProfile"], { type: "RuntimeDefault" });
      assert.equal(pod["automountServiceAccountToken"], false);
      for (const container of pod.containers) {
        const context = container["securityContext"] as Record<string, unknown>;
        assert.equal(context["allowPrivilegeEscalation"], false);
        assert.deepEqual(context["capabilities"], { drop: ["ALL"] });
      }
    }
  });

  it("has a person's template laid over it, but for what the operator lives on", () => {
    const { spec, metadata } = templateOf(
      statefulSetOf({
        podTemplate: {
          metadata: { labels: { "quorate.io/cluster": "other", tier: "one" } },
          spec: {
            hostname: "elsewhere",
            nodeSelector: { disk: "ssd" },
            containers: [
              {
                name: "quorate",
                args: ["--force"],
                image: "example.org/debug:1",
                readinessProbe: null,
                env: [
                  { name: "POD_NAME", value: "kv-7" },
                  { name: "NODE_OPTIONS", value: "--max-old-space-size=512" },
                ],
                volumeMounts: [{ name: "mine", mountPath: "/var/lib/quorate" }],
              },
              { name: "sidecar", image: "example.org/sidecar:1" },
            ],
            volumes: [
              { name: "boot", emptyDir: {} },
              { name: "mine", emptyDir: {} },
            ],
          },
        },
      }),
    );
    const plain = templateOf(statefulSetOf({}));
    const [own, sidecar] = spec.containers;
    assert.equal(metadata.labels["quorate.io/cluster"], "kv");
    assert.equal(metadata.labels["tier"], "one");
    assert.equal(spec["hostname"], undefined);
    assert.deepEqual(spec["nodeSelector"], { disk: "ssd" });
    assert.deepEqual(own?.["args"], plain.spec.containers[0]?.["args"]);
    assert.deepEqual(own?.["readinessProbe"], plain.spec.containers[0]?.["readinessProbe"]);
    assert.equal(own?.["image"], "example.org/debug:1");
    assert.deepEqual(own?.["env"], [
      { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "NODE_OPTIONS", value: "--max-old-space-size=512" },
    ]);
    assert.deepEqual(own?.["volumeMounts"], plain.spec.containers[0]?.["volumeMounts"]);
    assert.equal(sidecar?.["name"], "sidecar");
    assert.deepEqual(spec.volumes.slice(0, plain.spec.volumes.length), plain.spec.volumes);
    assert.equal(spec.volumes.at(-1)?.name, "mine");
  });

  it("asks for the certificates of clients only where TLS is mutual", () => {
    const args = (spec: Partial<QuorateClusterSpec>): string =>
      JSON.stringify(templateOf(statefulSetOf(spec)).spec.containers[0]?.["args"]);
    assert.match(args({}), /--client-cert-auth=true/);
    assert.doesNotMatch(args({ tls: { client: { mode: "Server" } } }), /"--client-cert-auth/);
    assert.match(args({ tls: { client: { mode: "Server" } } }), /--peer-client-cert-auth=true/);
    assert.doesNotMatch(args({ unsafe: { plaintext: true } }), /cert|https/);
  });
});

describe("the disruption budget", () => {
  const minimum = (voters: number, wanted: number): unknown => {
    const built = buildBudget(clusterOf({}), voters, wanted);
    return (built?.object as { spec?: { minAvailable: unknown } } | undefined)?.spec?.minAvailable;
  };

  it("keeps a quorum of the voters that there are or shall be, as a number", () => {
    assert.equal(minimum(3, 3), 2);
    assert.equal(minimum(5, 5), 3);
    assert.equal(minimum(3, 5), 3, "growing");
    assert.equal(minimum(5, 3), 3, "shrinking");
    assert.equal(minimum(1, 3), 2, "beginning");
    assert.equal(minimum(2, 2), 2);
  });

  it("is none for a single member, whose node could never be drained", () => {
    assert.equal(minimum(1, 1), undefined);
  });
});
