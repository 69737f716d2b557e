import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  quotaBackendBytes,
  withBackupDefaults,
  withDefaults,
  withScheduleDefaults,
  withStoreDefaults,
  withTaskDefaults,
} from "../../../../operator/api/apply-defaults.ts";
import { CLUSTER_SPEC } from "../../../../operator/api/schema/cluster-spec.ts";
import { fillIn } from "../../../../operator/api/schema/fill-in.ts";

const SMALLEST = { storage: { size: "8Gi" } };

describe("withDefaults", () => {
  it("the smallest cluster is three members with mutual TLS by the operator's authority", () => {
    const spec = withDefaults(SMALLEST);
    assert.equal(spec.replicas, 3);
    assert.deepEqual(spec.tls, {
      client: { mode: "Mutual", issuer: { operatorCA: {} } },
      peer: { issuer: { operatorCA: {} } },
      authorityOverlap: "24h",
    });
    assert.equal(spec.storage.accessMode, "ReadWriteOncePod");
    assert.deepEqual(spec.storage.retention, { onScaleIn: "Delete", onDelete: "Retain" });
    assert.equal(spec.repair.notReadyAfter, "5m");
    assert.equal(spec.version, undefined, "the version is the operator's to latch");
  });

  it("plaintext has no TLS", () => {
    const spec = withDefaults({ ...SMALLEST, unsafe: { plaintext: true } });
    assert.equal(spec.tls, undefined);
    assert.equal(spec.unsafe.evenReplicas, false);
  });

  it("what is given stays, and is filled in inside", () => {
    const tls = { client: { issuer: { certManager: { issuerRef: { name: "ca" } } } } };
    const spec = withDefaults({ ...SMALLEST, replicas: 1, tls });
    assert.equal(spec.replicas, 1);
    const { client, peer } = spec.tls ?? assert.fail("there is TLS");
    assert.deepEqual(client.issuer.certManager?.issuerRef, {
      name: "ca",
      kind: "Issuer",
      group: "cert-manager.io",
    });
    assert.equal(client.issuer.operatorCA, undefined);
    assert.deepEqual(peer.issuer, { operatorCA: {} });
  });

  it("is the same when it is done twice, and leaves what it was given alone", () => {
    const given = structuredClone(SMALLEST);
    const once = withDefaults(given);
    assert.deepEqual(withDefaults(once), once);
    assert.deepEqual(given, SMALLEST);
  });

  it("a field that this build does not know is not lost", () => {
    const given = { ...SMALLEST, ofTheFuture: { a: 1 } };
    assert.deepEqual(fillIn(CLUSTER_SPEC, given, "all")["ofTheFuture"], { a: 1 });
  });

  it("what one of several stands for is not kept in the object", () => {
    const kept = fillIn(CLUSTER_SPEC, { ...SMALLEST, tls: {} }, "kept");
    assert.deepEqual(kept["tls"], { client: { mode: "Mutual" }, authorityOverlap: "24h" });
  });
});

describe("the other resources", () => {
  const destination = { storeRef: { name: "s3" } };
  const backup = { clusterRef: { name: "kv" }, destination };

  it("a backup is compressed, verified, from a follower, and stays", () => {
    assert.deepEqual(withBackupDefaults(backup), {
      ...backup,
      source: "PreferFollower",
      compression: "Gzip",
      verify: true,
      deletionPolicy: "Retain",
      activeDeadlineSeconds: 900,
    });
  });

  it("a schedule's template is filled in like a backup", () => {
    const spec = withScheduleDefaults({ schedule: "@daily", backupTemplate: { spec: backup } });
    assert.deepEqual(spec.backupTemplate.spec, withBackupDefaults(backup));
    assert.equal(spec.concurrencyPolicy, "Forbid");
    assert.equal(spec.timeZone, "Etc/UTC");
  });

  it("a store sends no checksums that older ones refuse, and a task is kept for an hour", () => {
    const { s3 } = withStoreDefaults({ s3: { bucket: "b" } });
    assert.deepEqual(s3, {
      bucket: "b",
      region: "us-east-1",
      forcePathStyle: false,
      checksums: "WhenRequired",
    });
    const task = withTaskDefaults({ clusterRef: { name: "kv" }, defragment: {} });
    assert.equal(task.ttlSecondsAfterFinished, 3600);
  });
});

describe("quotaBackendBytes", () => {
  it("is what the spec says, else 40 % of the volume in whole bytes", () => {
    assert.equal(quotaBackendBytes(SMALLEST), Math.floor(0.4 * 8 * 1024 ** 3));
    assert.equal(quotaBackendBytes({ storage: { size: 1001 } }), 400);
    assert.equal(
      quotaBackendBytes({ ...SMALLEST, server: { quotaBackend: "2Gi" } }),
      2 * 1024 ** 3,
    );
  });
});
