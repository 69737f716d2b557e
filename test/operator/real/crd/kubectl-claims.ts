/** What a person sees of the resources by kubectl, and what the operator's client writes. */
import assert from "node:assert/strict";
import { it } from "node:test";
import type { QuorateCluster, QuorateClusterStatus } from "../../../../operator/api/gen/types.ts";
import { CLUSTER_CONDITIONS, setConditions } from "../../../../operator/api/conditions.ts";
import { QUORATE_CLUSTER } from "../../../../operator/api/resources.ts";
import { RESOURCE_SCHEMAS } from "../../../../operator/api/schema/catalogue.ts";
import type { ApiServer } from "./server.ts";

export function kubectlClaims(server: () => ApiServer): void {
  const cluster = (name: string, spec: object): string =>
    JSON.stringify({
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateCluster",
      metadata: { name, namespace: "default" },
      spec: { storage: { size: "8Gi" }, ...spec },
    });

  it("explain says something about every field", async () => {
    const { body } = await server().call("GET", "/openapi/v3/apis/quorate.io/v1alpha1");
    const { components } = body as {
      components: { schemas: Record<string, { properties?: Record<string, object> }> };
    };
    for (const { resource } of RESOURCE_SCHEMAS) {
      const schema = components.schemas[`io.quorate.v1alpha1.${resource.kind}`];
      const { spec, status } = schema?.properties ?? {};
      assert.deepEqual(silent(spec, "spec"), [], resource.kind);
      assert.deepEqual(silent(status, "status"), [], resource.kind);
    }
    const { stdout } = await server().kubectl("explain", "qc.spec.server.quotaBackend");
    assert.match(stdout, /40\s+%\s+of\s+storage\.size/);
  });

  for (const flags of [[], ["--server-side"]])
    it(`apply ${flags.join(" ")} replaces one issuer by another`, async () => {
      const name = server().name();
      const issuers = [
        undefined,
        { secretRef: { name: "mine" } },
        { certManager: { issuerRef: { name: "ca" } } },
        { operatorCA: {} },
        undefined,
      ];
      for (const issuer of issuers) {
        const spec = {
          tls: { client: { mode: "Mutual", ...(issuer === undefined ? {} : { issuer }) } },
        };
        const { code, stderr } = await server().apply(cluster(name, spec), flags);
        assert.equal(code, 0, `${JSON.stringify(issuer)}: ${stderr}`);
      }
    });

  it("scale changes the replicas, and cannot make them even", async () => {
    const name = server().name();
    await server().apply(cluster(name, {}), []);
    const scaled = await server().kubectl("scale", "qc", name, "--replicas=5");
    assert.equal(scaled.code, 0, scaled.stderr);
    const read = await server().kubectl("get", "qc", name, "-o", "jsonpath={.spec.replicas}");
    assert.equal(read.stdout, "5");
    const even = await server().kubectl("scale", "qc", name, "--replicas=4");
    assert.notEqual(even.code, 0);
    assert.match(even.stderr, /spec\.replicas.*set unsafe\.evenReplicas/);
  });

  it("get shows what matters, and a status changes neither spec nor generation", async () => {
    const name = server().name();
    await server().apply(cluster(name, {}), []);
    const path = `/apis/quorate.io/v1alpha1/namespaces/default/quorateclusters/${name}`;
    const { body } = await server().call("GET", path);
    const stored = body as { metadata: { generation: number }; spec: object };
    const observations = CLUSTER_CONDITIONS.map((type) => ({
      type,
      status: type === "Ready" ? ("False" as const) : ("Unknown" as const),
      reason: type === "Ready" ? "Rolling" : "NotYetKnown",
      message: "x".repeat(40_000),
    }));
    const status = {
      observedGeneration: 1,
      replicas: 3,
      selector: `quorate.io/cluster=${name}`,
      version: "1.4.1",
      leader: `${name}-1`,
      dbSize: "12.5Mi",
      backup: { lastSuccess: "2020-01-01T00:00:00Z", revision: 1234 },
      conditions: setConditions(undefined, observations, 1, new Date().toISOString()),
    };
    const put = await server().call("PUT", `${path}/status`, { ...stored, spec: {}, status });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    const after = put.body as typeof stored;
    assert.deepEqual(after.spec, stored.spec);
    assert.equal(after.metadata.generation, stored.metadata.generation);
    const { stdout } = await server().kubectl("get", "qc", name, "-o", "wide");
    const row = new RegExp(
      `${name} +False +Rolling +3 +1\\.4\\.1 +${name}-1 +\\S+ +12\\.5Mi +\\S+`,
    );
    assert.match(stdout, row);
    const scale = await server().call("GET", `${path}/scale`);
    const { selector, replicas } = (
      scale.body as { status: { selector: string; replicas: number } }
    ).status;
    assert.deepEqual([selector, replicas], [`quorate.io/cluster=${name}`, 3]);
  });

  it("a status that is applied replaces the one before, down to what is no longer there", async () => {
    const name = server().name();
    await server().apply(cluster(name, {}), []);
    const ref = { namespace: "default", name };
    const operation = {
      id: "1-1",
      type: "Roll",
      step: "Await",
      attempts: 0,
      startedAt: new Date().toISOString(),
    };
    const member = {
      role: "Voter",
      phase: "Running",
      ready: true,
      leader: false,
      recreates: 0,
    } as const;
    const write = async (
      status: QuorateClusterStatus,
    ): Promise<QuorateClusterStatus | undefined> => {
      const kind = { apiVersion: "quorate.io/v1alpha1", kind: "QuorateCluster" };
      const object: QuorateCluster = {
        ...kind,
        metadata: ref,
        spec: { storage: { size: 1 } },
        status,
      };
      const { spec: _, ...applied } = object;
      await server().client.applyStatus(QUORATE_CLUSTER, applied);
      return (await server().client.get<QuorateCluster>(QUORATE_CLUSTER, ref))?.status;
    };
    const members = [0, 1, 2].map((at) => ({ name: `${name}-${at}`, ...member }));
    const alarms = ["NOSPACE kv-0"];
    const full: QuorateClusterStatus = {
      replicas: 3,
      operation,
      members,
      alarms,
      leader: `${name}-0`,
    };
    assert.deepEqual(await write(full), full);
    const less: QuorateClusterStatus = {
      replicas: 2,
      members: members.slice(0, 2),
      leader: undefined,
    };
    assert.deepEqual(await write(less), JSON.parse(JSON.stringify(less)));
  });

  it("get lists all kinds by their category, and backups by their cluster", async () => {
    const backup = { clusterRef: { name: "one" }, destination: { storeRef: { name: "s3" } } };
    const name = server().name();
    const object = { apiVersion: "quorate.io/v1alpha1", kind: "QuorateBackup", metadata: { name } };
    await server().apply(JSON.stringify({ ...object, spec: backup }), []);
    const all = await server().kubectl("get", "quorate", "-o", "name");
    assert.match(all.stdout, new RegExp(`quoratebackup\\.quorate\\.io/${name}`));
    const select = "--field-selector=spec.clusterRef.name";
    const mine = await server().kubectl("get", "qb", `${select}=one`, "-o", "name");
    assert.equal(mine.stdout.trim(), `quoratebackup.quorate.io/${name}`);
    const others = await server().kubectl("get", "qb", `${select}=two`, "-o", "name");
    assert.equal(others.stdout.trim(), "");
  });
}

/** Paths of properties that have no description. */
function silent(schema: unknown, path: string): string[] {
  const { description, properties, items, additionalProperties, allOf } = schema as {
    description?: string;
    properties?: Record<string, unknown>;
    items?: unknown;
    additionalProperties?: unknown;
    allOf?: unknown[];
  };
  if (allOf !== undefined) return allOf.flatMap((part) => silent(part, path));
  return [
    ...(description === undefined || description === "" ? [path] : []),
    ...Object.entries(properties ?? {}).flatMap(([name, inner]) =>
      silent(inner, `${path}.${name}`),
    ),
    ...(items === undefined ? [] : silent(items, `${path}[]`)),
    ...(additionalProperties === undefined ? [] : silent(additionalProperties, `${path}{}`)),
  ];
}
