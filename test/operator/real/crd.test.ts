/** The custom resources on a real API server: what it accepts, what it refuses and what it says then. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import {
  withBackupDefaults,
  withDefaults,
  withScheduleDefaults,
  withStoreDefaults,
  withTaskDefaults,
} from "../../../operator/api/apply-defaults.ts";
import type { Resource } from "../../../operator/kube/api.ts";
import { CLUSTER_CONDITIONS, setConditions } from "../../../operator/api/conditions.ts";
import { durationMs, parseDuration } from "../../../operator/api/duration.ts";
import { parseQuantity, quantityOf } from "../../../operator/api/quantity.ts";
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import { RESOURCE_SCHEMAS } from "../../../operator/api/schema/catalogue.ts";
import { CRON } from "../../../operator/api/schema/cron.ts";
import { Schedule } from "../../../operator/backup/cron.ts";
import { Prng } from "../../../src/base/prng.ts";
import { fillIn } from "../../../operator/api/schema/fill-in.ts";
import type { JsonObject } from "../../../operator/api/schema/node.ts";
import { LEAST } from "./crd/bases.ts";
import { backupCases } from "./crd/backup-cases.ts";
import { type Case, check, edit } from "./crd/case.ts";
import { changeCases } from "./crd/change-cases.ts";
import { clusterCases } from "./crd/cluster-cases.ts";
import { misspellings, schemaCases } from "./crd/schema-cases.ts";
import { ApiServer, samples } from "./crd/server.ts";

let server: ApiServer;
let started: ApiServer | null = null;
before(async () => (server = started = await ApiServer.start()));
after(() => started?.stop());

function judge(cases: readonly Case[]): void {
  for (const judged of cases) {
    const outcome = judged.refused === undefined ? "accepted" : "refused";
    it(`${outcome}: ${judged.claim}`, () => check(server, judged));
  }
}

describe("clusters", () => judge(clusterCases()));
describe("backups, schedules, stores and tasks", () => judge(backupCases()));
describe("changes", () => judge(changeCases()));
describe("what the schemas name", () => {
  judge(schemaCases());
  for (const { judged, path } of misspellings())
    it(`refused: ${judged.resource.kind} ${path}`, async () => {
      const { message } = await server.judge(judged.resource, judged.spec);
      assert.ok(message.includes(`unknown field "${path}"`), message);
    });
});

describe("defaults", () => {
  for (const { resource, spec } of RESOURCE_SCHEMAS)
    it(`the API server fills in a ${resource.kind} as we do`, async () => {
      const least = LEAST.get(resource) ?? {};
      const { object, message } = await server.judge(resource, least);
      assert.deepEqual(object["spec"], fillIn(spec, least, "kept"), message);
    });

  it("a spec reads the same before and after the API server has filled it in", async () => {
    const readers: ReadonlyMap<Resource, (spec: never) => object> = new Map<
      Resource,
      (spec: never) => object
    >([
      [QUORATE_CLUSTER, withDefaults],
      [QUORATE_BACKUP, withBackupDefaults],
      [QUORATE_BACKUP_SCHEDULE, withScheduleDefaults],
      [QUORATE_BACKUP_STORE, withStoreDefaults],
      [QUORATE_TASK, withTaskDefaults],
    ]);
    assert.equal(readers.size, RESOURCE_SCHEMAS.length);
    for (const [resource, read] of readers) {
      const least = LEAST.get(resource) ?? {};
      const { object } = await server.judge(resource, least);
      assert.deepEqual(read(object["spec"] as never), read(least as never), resource.kind);
    }
  });

  it("what is filled in inside of what a person gave is the same too", async () => {
    const given = edit(LEAST.get(QUORATE_CLUSTER) ?? {}, {
      tls: { client: { issuer: { certManager: { issuerRef: { name: "ca" } } } }, peer: {} },
      "update.windows": ["Sat 02:00-05:00"],
      "image.pullSecrets": [{ name: "pull" }],
    });
    const { object, message } = await server.judge(QUORATE_CLUSTER, given);
    const schema = RESOURCE_SCHEMAS.find(({ resource }) => resource === QUORATE_CLUSTER);
    assert.ok(schema);
    assert.deepEqual(object["spec"], fillIn(schema.spec, given, "kept"), message);
  });
});

describe("numbers", () => {
  const schema = LEAST.get(QUORATE_CLUSTER) ?? {};

  // A suffix without a number is nought to the API server, and too little by its rule; to us it is no quantity.
  it("the API server takes for a quantity what we take for one", async () => {
    const good = [
      "8Gi",
      "1.5Gi",
      "300M",
      "1e9",
      "1E10",
      "+1Gi",
      "1000000k",
      "5.e9",
      "500000000000m",
    ];
    const bad = ["", "8GB", "8 Gi", "1e", "0x10", "8gi", "1.2.3", "--1", "1KI", "1Gi ", "1e3Gi"];
    for (const size of [...good, ...bad]) {
      const { message } = await server.judge(
        QUORATE_CLUSTER,
        edit(schema, { "storage.size": size }),
      );
      const takes = !message.includes("must be a quantity");
      assert.equal(parseQuantity(size) !== null, takes, `"${size}": ${message}`);
    }
  });

  it("the API server has the order of quantities that we have", async () => {
    const sizes = ["1Gi", "1G", "1.5Gi", "1536Mi", "1500M", 1_610_612_736, "1610612737", "2e9"];
    for (const before of sizes)
      for (const after of sizes) {
        const { accepted } = await server.judgeChange(
          QUORATE_CLUSTER,
          edit(schema, { "storage.size": before }),
          edit(schema, { "storage.size": after }),
        );
        assert.equal(accepted, quantityOf(after) >= quantityOf(before), `${before} to ${after}`);
      }
  });

  it("the API server takes for a duration what we take for one", async () => {
    const good = ["30s", "1h30m", "1.5h", "90000ms", "1m1m"];
    for (const text of [...good, "", "90", "1d", "-1m", "1.m", "1 m", "90000000us"]) {
      const edits = { "repair.notReadyAfter": text };
      const { accepted } = await server.judge(QUORATE_CLUSTER, edit(schema, edits));
      assert.equal(parseDuration(text) !== null, accepted, `"${text}"`);
    }
    for (const [heartbeat, election] of [
      ["0.1s", "500ms"],
      ["101ms", "505ms"],
      ["101ms", "504ms"],
      ["1s", "0.08m"],
    ] as const) {
      const edits = { "server.heartbeatInterval": heartbeat, "server.electionTimeout": election };
      const { accepted } = await server.judge(QUORATE_CLUSTER, edit(schema, edits));
      assert.equal(accepted, durationMs(election) >= 5 * durationMs(heartbeat), election);
    }
  });
});

describe("schedules", () => {
  /** Fields of cron out of parts that are right, wrong, or right somewhere else. */
  function schedules(count: number, seed: number): string[] {
    const random = new Prng(seed);
    const pick = <T>(from: readonly T[]): T => from[random.between(0, from.length)] as T;
    const values = [
      "0",
      "1",
      "2",
      "7",
      "8",
      "12",
      "23",
      "29",
      "31",
      "59",
      "60",
      "SUN",
      "SAT",
      "FEB",
      "DEC",
    ];
    const part = (): string =>
      pick([
        () => "*",
        () => "*",
        () => pick(values),
        () => `${pick(values)}-${pick(values)}`,
        () => `*/${pick(values)}`,
        () => `${pick(values)}-${pick(values)}/${pick(values)}`,
      ])();
    const field = (): string => Array.from({ length: random.between(1, 3) }, part).join(",");
    return Array.from({ length: count }, () => Array.from({ length: 5 }, field).join(" "));
  }

  it("what the API server accepts, the operator can read, and it comes to pass", async () => {
    const least = LEAST.get(QUORATE_BACKUP_SCHEDULE) ?? {};
    let accepted = 0;
    for (const schedule of schedules(9000, 20)) {
      if (!new RegExp(CRON.regex).test(schedule)) continue;
      const verdict = await server.judge(QUORATE_BACKUP_SCHEDULE, edit(least, { schedule }));
      if (!verdict.accepted) continue;
      accepted++;
      assert.notEqual(new Schedule(schedule, "Etc/UTC").next(0), null, schedule);
    }
    assert.ok(accepted > 50, `${accepted} were accepted`);
  });
});

describe("the largest objects", () => {
  it("a cluster with as much of everything as there may be stays within the budget of the rules", async () => {
    const many = (count: number, value: string): JsonObject =>
      Object.fromEntries(
        Array.from({ length: count }, (_, at) => [`${"k".repeat(50)}-${at}`, value]),
      );
    const spec = edit(LEAST.get(QUORATE_CLUSTER) ?? {}, {
      "server.extraArgs": many(32, "v".repeat(1024)),
      "podTemplate.metadata.labels": many(64, "v".repeat(63)),
      "podTemplate.metadata.annotations": many(64, "v".repeat(4096)),
      "clientService.annotations": many(32, "v".repeat(4096)),
      "tls.client.extraNames": Array.from({ length: 32 }, (_, at) => `${"n".repeat(240)}${at}`),
      "update.windows": Array.from(
        { length: 21 },
        (_, at) => `Mon-Fri 1${at % 10}:00-2${Math.floor(at / 10)}:00`,
      ),
    });
    const { accepted, message } = await server.judge(QUORATE_CLUSTER, spec);
    assert.ok(accepted, message);
  });
});

describe("samples", () => {
  for (const path of samples())
    it(`${basename(path)} is accepted`, async () => {
      const { stdout, stderr, code } = await server.kubectl(
        "create",
        "--dry-run=server",
        "-f",
        path,
      );
      assert.equal(code, 0, stderr);
      const { kind, metadata } = parse(readFileSync(path, "utf8")) as {
        kind: string;
        metadata: { name: string };
      };
      assert.ok(
        stdout.includes(`${kind.toLowerCase()}.quorate.io/${metadata.name} created`),
        stdout,
      );
    });
});

describe("kubectl", () => {
  const cluster = (name: string, spec: object): string =>
    JSON.stringify({
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateCluster",
      metadata: { name, namespace: "default" },
      spec: { storage: { size: "8Gi" }, ...spec },
    });

  it("explain says something about every field", async () => {
    const { body } = await server.call("GET", "/openapi/v3/apis/quorate.io/v1alpha1");
    const { components } = body as {
      components: { schemas: Record<string, { properties?: Record<string, object> }> };
    };
    for (const { resource } of RESOURCE_SCHEMAS) {
      const schema = components.schemas[`io.quorate.v1alpha1.${resource.kind}`];
      const { spec, status } = schema?.properties ?? {};
      assert.deepEqual(silent(spec, "spec"), [], resource.kind);
      assert.deepEqual(silent(status, "status"), [], resource.kind);
    }
    const { stdout } = await server.kubectl("explain", "qc.spec.server.quotaBackend");
    assert.match(stdout, /40\s+%\s+of\s+storage\.size/);
  });

  for (const flags of [[], ["--server-side"]])
    it(`apply ${flags.join(" ")} replaces one issuer by another`, async () => {
      const name = server.name();
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
        const { code, stderr } = await server.apply(cluster(name, spec), flags);
        assert.equal(code, 0, `${JSON.stringify(issuer)}: ${stderr}`);
      }
    });

  it("scale changes the replicas, and cannot make them even", async () => {
    const name = server.name();
    await server.apply(cluster(name, {}), []);
    const scaled = await server.kubectl("scale", "qc", name, "--replicas=5");
    assert.equal(scaled.code, 0, scaled.stderr);
    const read = await server.kubectl("get", "qc", name, "-o", "jsonpath={.spec.replicas}");
    assert.equal(read.stdout, "5");
    const even = await server.kubectl("scale", "qc", name, "--replicas=4");
    assert.notEqual(even.code, 0);
    assert.match(even.stderr, /spec\.replicas.*set unsafe\.evenReplicas/);
  });

  it("get shows what matters, and a status changes neither spec nor generation", async () => {
    const name = server.name();
    await server.apply(cluster(name, {}), []);
    const path = `/apis/quorate.io/v1alpha1/namespaces/default/quorateclusters/${name}`;
    const { body } = await server.call("GET", path);
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
    const put = await server.call("PUT", `${path}/status`, { ...stored, spec: {}, status });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    const after = put.body as typeof stored;
    assert.deepEqual(after.spec, stored.spec);
    assert.equal(after.metadata.generation, stored.metadata.generation);
    const { stdout } = await server.kubectl("get", "qc", name, "-o", "wide");
    const row = new RegExp(
      `${name} +False +Rolling +3 +1\\.4\\.1 +${name}-1 +\\S+ +12\\.5Mi +\\S+`,
    );
    assert.match(stdout, row);
    const scale = await server.call("GET", `${path}/scale`);
    const { selector, replicas } = (
      scale.body as { status: { selector: string; replicas: number } }
    ).status;
    assert.deepEqual([selector, replicas], [`quorate.io/cluster=${name}`, 3]);
  });

  it("get lists all kinds by their category, and backups by their cluster", async () => {
    const backup = { clusterRef: { name: "one" }, destination: { storeRef: { name: "s3" } } };
    const name = server.name();
    const object = { apiVersion: "quorate.io/v1alpha1", kind: "QuorateBackup", metadata: { name } };
    await server.apply(JSON.stringify({ ...object, spec: backup }), []);
    const all = await server.kubectl("get", "quorate", "-o", "name");
    assert.match(all.stdout, new RegExp(`quoratebackup\\.quorate\\.io/${name}`));
    const select = "--field-selector=spec.clusterRef.name";
    const mine = await server.kubectl("get", "qb", `${select}=one`, "-o", "name");
    assert.equal(mine.stdout.trim(), `quoratebackup.quorate.io/${name}`);
    const others = await server.kubectl("get", "qb", `${select}=two`, "-o", "name");
    assert.equal(others.stdout.trim(), "");
  });
});

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
