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
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import { RESOURCE_SCHEMAS } from "../../../operator/api/schema/catalogue.ts";
import { fillIn } from "../../../operator/api/schema/fill-in.ts";
import type { JsonObject } from "../../../operator/api/schema/node.ts";
import { LEAST } from "./crd/bases.ts";
import { agreements } from "./crd/agreements.ts";
import { backupCases } from "./crd/backup-cases.ts";
import { type Case, check, edit } from "./crd/case.ts";
import { changeCases } from "./crd/change-cases.ts";
import { clusterCases } from "./crd/cluster-cases.ts";
import { kubectlClaims } from "./crd/kubectl-claims.ts";
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

describe("what the operator reads", () => agreements(() => server));

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

describe("kubectl", () => kubectlClaims(() => server));
