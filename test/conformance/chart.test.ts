/** Helm's own judgement of the chart, and what it makes of it. `UPDATE_GOLDEN=1` writes the renderings anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  INSTALL_PATH,
  installManifest,
  templateArguments,
} from "../../operator/deploy/install-manifest.ts";
import { ROOT } from "../house/scan.ts";
import { CHART, type Rendered, helm, objectsOf, render } from "./support/helm.ts";

const NO_CRDS = "crds.enabled=false";
const NAMESPACED = ['watchNamespaces=["blue","green"]', "rbac.clusterReads=false"];
const EVERYTHING = [
  "metrics.podMonitor.enabled=true",
  'metrics.podMonitor.labels={"team":"data"}',
  "metrics.rules.enabled=true",
  "networkPolicy.enabled=true",
  'networkPolicy.metricsFrom=[{"namespaceSelector":{"matchLabels":{"name":"monitoring"}}}]',
  'pullSecrets=["registry"]',
  `image.digest="sha256:${"0".repeat(64)}"`,
  'nodeSelector={"disk":"ssd"}',
  'tolerations=[{"key":"infra","operator":"Exists"}]',
  'affinity={"nodeAffinity":{}}',
  'topologySpreadConstraints=[{"maxSkew":2,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}]',
  'priorityClassName="high"',
  'extraArgs=["--log-level=debug"]',
  'env=[{"name":"TZ","value":"UTC"}]',
  'podAnnotations={"a":"b"}',
  'podLabels={"c":"d"}',
  'clusterDomain="example.test"',
  'serviceAccount.name="runner"',
  'serviceAccount.annotations={"role":"x"}',
];

const ofKind = (objects: readonly Rendered[], kind: string): Rendered[] =>
  objects.filter((object) => object.kind === kind);

interface PodSpec {
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly seccompProfile: object };
  readonly containers: readonly { readonly securityContext: object; readonly resources: object }[];
}

describe("helm", () => {
  it("finds nothing wrong with the chart", async () => {
    const { code, stdout } = await helm("lint", CHART, "--strict");
    assert.equal(code, 0, stdout);
  });

  const goldens: Readonly<Record<string, readonly string[]>> = {
    default: [NO_CRDS],
    namespaced: [NO_CRDS, ...NAMESPACED],
    everything: [NO_CRDS, ...EVERYTHING],
  };
  for (const [name, values] of Object.entries(goldens)) {
    it(`renders what test/fixtures/chart/${name}.yaml holds`, async () => {
      const path = join(ROOT, "test/fixtures/chart", `${name}.yaml`);
      const rendered = await render(...values);
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, rendered);
      assert.equal(rendered, readFileSync(path, "utf8"));
    });
  }

  it("refuses values that the schema does not know, and types that it does not expect", async () => {
    for (const [value, complaint] of [
      ["replica=3", /replica/],
      ['replicas="two"', /replicas/],
      ["replicas=-1", /replicas/],
      ['image.pullPolicy="Sometimes"', /pullPolicy/],
      ['image.digest="sha256:abc"', /digest/],
      ['watchNamespaces=["Not A Name"]', /watchNamespaces/],
      ['watchNamespaces=["a","a"]', /watchNamespaces/],
      ['extraArgs=["log-level"]', /extraArgs/],
      ['leaderElection.leaseDuration="15"', /leaseDuration/],
      ["metrics.port=80", /port/],
    ] as const)
      await assert.rejects(render(value), complaint, value);
  });
});

describe("the chart", () => {
  it("keeps the definitions where the release is uninstalled, unless told otherwise", async () => {
    const policies = async (...values: string[]): Promise<unknown[]> =>
      ofKind(objectsOf(await render(...values)), "CustomResourceDefinition").map(
        ({ metadata }) => metadata.annotations?.["helm.sh/resource-policy"],
      );
    assert.deepEqual(
      await policies(),
      Array.from({ length: 5 }, () => "keep"),
    );
    assert.deepEqual(
      await policies("crds.keep=false"),
      Array.from({ length: 5 }, () => undefined),
    );
    assert.deepEqual(await policies(NO_CRDS), []);
  });

  it("gives no right outside the namespaces named, and none cluster-wide", async () => {
    const objects = objectsOf(await render(NO_CRDS, ...NAMESPACED, "rbac.aggregate=false"));
    assert.deepEqual(ofKind(objects, "ClusterRole"), []);
    assert.deepEqual(ofKind(objects, "ClusterRoleBinding"), []);
    const places = ofKind(objects, "RoleBinding").map(({ metadata }) => metadata.namespace ?? "");
    assert.deepEqual(places.toSorted(), ["blue", "green", "quorate-system"]);
  });

  it("asks for pods that Pod Security `restricted` admits", async () => {
    const objects = objectsOf(await render(NO_CRDS, ...EVERYTHING));
    const specs = [
      ...ofKind(objects, "Deployment").map(({ spec }) => spec as { template: { spec: PodSpec } }),
      ...ofKind(objects, "Pod").map((template) => ({
        template: template as unknown as { spec: PodSpec },
      })),
    ].map(({ template }) => template.spec);
    assert.equal(specs.length, 2);
    for (const { securityContext, containers } of specs) {
      assert.equal(securityContext.runAsNonRoot, true);
      assert.deepEqual(securityContext.seccompProfile, { type: "RuntimeDefault" });
      for (const container of containers)
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
    }
  });

  it("has no budget where there is one replica", async () => {
    assert.equal(ofKind(objectsOf(await render(NO_CRDS)), "PodDisruptionBudget").length, 1);
    const one = objectsOf(await render(NO_CRDS, "replicas=1"));
    assert.deepEqual(ofKind(one, "PodDisruptionBudget"), []);
  });
});

describe("manifests/install.yaml", () => {
  it("is what `npm run generate:install` makes of the chart", async () => {
    const { stdout } = await helm(...templateArguments(ROOT));
    assert.equal(readFileSync(join(ROOT, INSTALL_PATH), "utf8"), installManifest(stdout));
  });
});
