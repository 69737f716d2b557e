/** Where restores read from, the Jobs that check and write them, and what is told of those. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  JOB,
  PERSISTENT_VOLUME_CLAIM,
  QUORATE_BACKUP,
  QUORATE_BACKUP_STORE,
} from "../../../operator/api/resources.ts";
import { buildCheckJob, readCheck } from "../../../operator/backup/check-job.ts";
import {
  buildRestoreJob,
  leavesDataAlone,
  readRestore,
} from "../../../operator/backup/restore-job.ts";
import { findOrigin } from "../../../operator/backup/restore-source.ts";
import type { Origin } from "../../../operator/cluster/restore-port.ts";
import { TransferOptions } from "../../../operator/backup/transfer/options.ts";
import { BackupSandbox, IMAGE, NAMESPACE, RESULT, at } from "./sandbox.ts";

describe("findOrigin", () => {
  async function complete(): Promise<BackupSandbox> {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    await sandbox.makeBackup("kv-1", { compression: "None" });
    await sandbox.settle(at("kv-1"));
    await sandbox.succeed("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    return sandbox;
  }

  it("finds a backup's file by what the backup is, with the hash that it must have", async () => {
    const sandbox = await complete();
    const { uid } = (await sandbox.backup("kv-1")).metadata;
    const found = await findOrigin(sandbox.host.kube, NAMESPACE, { backupRef: { name: "kv-1" } });
    assert.ok(found.kind === "found");
    assert.equal(found.origin.key, `kv/kv-1-${uid}/snapshot.db`);
    assert.deepEqual([found.origin.sha256, found.origin.authEnabled], [RESULT.sha256, false]);
    assert.ok(found.origin.place.kind === "s3" && found.origin.place.s3.bucket === "b");
  });

  it("waits for a backup that may yet be complete, refuses one that cannot", async () => {
    const sandbox = new BackupSandbox();
    const source = { backupRef: { name: "kv-1" } };
    const look = async (): Promise<string> =>
      (await findOrigin(sandbox.host.kube, NAMESPACE, source)).kind;
    assert.equal(await look(), "missing");
    await sandbox.makeBackup("kv-1");
    assert.equal(await look(), "missing");
    sandbox.api.setStatus(QUORATE_BACKUP, at("kv-1"), { phase: "Failed" });
    assert.equal(await look(), "refused");
    sandbox.api.setStatus(QUORATE_BACKUP, at("kv-1"), { phase: "Complete" });
    assert.equal(await look(), "missing", "its store is not there");
    const done = await complete();
    await done.person.delete(QUORATE_BACKUP_STORE, at("s3"));
    assert.equal((await findOrigin(done.host.kube, NAMESPACE, source)).kind, "missing");
  });

  it("finds a file in a store or on a claim that has no QuorateBackup", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    const { kube } = sandbox.host;
    const stored = { store: { storeRef: { name: "s3" }, key: "old/etcd.db", sha256: "c" } };
    const found = await findOrigin(kube, NAMESPACE, stored);
    assert.ok(found.kind === "found" && found.origin.key === "old/etcd.db");
    const claimed = { pvc: { claimName: "disk", path: "/old//etcd.db" } };
    assert.equal((await findOrigin(kube, NAMESPACE, claimed)).kind, "missing");
    await sandbox.make(PERSISTENT_VOLUME_CLAIM, "disk", {});
    const there = await findOrigin(kube, NAMESPACE, claimed);
    assert.ok(there.kind === "found");
    assert.deepEqual(there.origin, {
      place: { kind: "claim", claimName: "disk" },
      key: "old/etcd.db",
      sha256: null,
      authEnabled: null,
    });
  });
});

const origin: Origin = {
  place: { kind: "claim", claimName: "disk" },
  key: "old/etcd.db",
  sha256: "c".repeat(64),
  authEnabled: null,
};

describe("buildRestoreJob", () => {
  const job = buildRestoreJob({
    namespace: NAMESPACE,
    name: "kv-restore-4",
    owner: { apiVersion: "quorate.io/v1alpha1", kind: "QuorateCluster", name: "kv", uid: "u" },
    labels: { "app.kubernetes.io/name": "quorate", "quorate.io/cluster": "kv" },
    scheduling: { nodeSelector: { disk: "fast" } },
    image: IMAGE,
    origin,
    claimName: "data-kv-0",
    mountPath: "/var/lib/quorate",
    dataDir: "/var/lib/quorate/data",
    nonce: "4-abc",
    inPlace: true,
    member: "kv-0",
    peerUrl: "https://kv-0.kv-peers.data.svc.cluster.local:2380",
    token: "data/kv",
    incarnation: 3,
    deadlineSeconds: 3600,
  });
  const { spec } = job.spec.template;

  it("mounts the member's volume, and the source so that nothing can be written to it", () => {
    const mounts = spec.containers[0]?.volumeMounts ?? [];
    assert.deepEqual(mounts, [
      { name: "backups", mountPath: "/mnt/backups", readOnly: true },
      { name: "data", mountPath: "/var/lib/quorate" },
    ]);
    assert.deepEqual(
      spec.volumes?.map(({ persistentVolumeClaim }) => persistentVolumeClaim),
      [{ claimName: "disk", readOnly: true }, { claimName: "data-kv-0" }],
    );
  });

  it("is no member, whatever it is labelled with", () => {
    const { labels } = job.spec.template.metadata as { labels: Record<string, string> };
    assert.equal(labels["app.kubernetes.io/name"], "quorate-transfer");
    assert.equal(labels["quorate.io/cluster"], "kv");
  });

  it("runs where the members may run", () => {
    assert.deepEqual(spec["nodeSelector"], { disk: "fast" });
  });

  it("says it in the words that the transfer understands", () => {
    const args = spec.containers[0]?.args ?? [];
    assert.deepEqual(args.slice(0, 2), ["transfer", "restore"]);
    const options = new TransferOptions(args.slice(2));
    assert.equal(options.required("nonce"), "4-abc");
    assert.equal(options.required("initial-cluster-token"), "data/kv#4-abc");
    assert.equal(options.count("incarnation", 1), 3);
    assert.equal(options.has("in-place"), true);
    assert.equal(options.required("claim-root"), "/mnt/backups");
  });
});

describe("buildCheckJob", () => {
  const job = buildCheckJob({
    namespace: NAMESPACE,
    name: "kv-check-4",
    owner: { apiVersion: "quorate.io/v1alpha1", kind: "QuorateCluster", name: "kv", uid: "u" },
    labels: { "app.kubernetes.io/name": "quorate", "quorate.io/cluster": "kv" },
    scheduling: { nodeSelector: { disk: "fast" } },
    image: IMAGE,
    origin,
    deadlineSeconds: 3600,
  });
  const { spec } = job.spec.template;

  it("has the source alone, so that nothing can be written to it, and no member's volume", () => {
    assert.deepEqual(
      spec.volumes?.map(({ persistentVolumeClaim }) => persistentVolumeClaim),
      [{ claimName: "disk", readOnly: true }],
    );
    assert.deepEqual(spec.containers[0]?.volumeMounts, [
      { name: "backups", mountPath: "/mnt/backups", readOnly: true },
    ]);
  });

  it("says it in the words that the transfer understands", () => {
    const args = spec.containers[0]?.args ?? [];
    assert.deepEqual(args.slice(0, 2), ["transfer", "verify"]);
    const options = new TransferOptions(args.slice(2));
    assert.equal(options.required("key"), "old/etcd.db");
    assert.equal(options.required("sha256"), "c".repeat(64));
    assert.equal(options.required("claim-root"), "/mnt/backups");
  });

  it("belongs to the cluster, whose pass sees it end, and goes by itself before long", () => {
    assert.equal(job.metadata.ownerReferences?.[0]?.kind, "QuorateCluster");
    assert.equal(job.metadata.labels?.["quorate.io/cluster"], "kv");
    assert.ok(job.spec.ttlSecondsAfterFinished <= 600);
  });
});

describe("readCheck", () => {
  it("tells that it runs, its failure, and that it ended well though its pod be gone", async () => {
    const sandbox = new BackupSandbox();
    const { kube } = sandbox.host;
    assert.equal(await readCheck(kube, at("c")), null);
    await sandbox.make(JOB, "c", { spec: {} });
    assert.deepEqual(await readCheck(kube, at("c")), { kind: "running", note: "" });
    sandbox.setJob("c", "Complete");
    assert.deepEqual(await readCheck(kube, at("c")), { kind: "sound" });
    const other = new BackupSandbox();
    await other.make(JOB, "c", { spec: {} });
    await other.fail("c", "StoreUnreachable");
    const failed = await readCheck(other.host.kube, at("c"));
    assert.ok(failed?.kind === "failed" && failed.message !== "");
  });
});

describe("readRestore", () => {
  it("tells the result, the failure, and that nobody knows", async () => {
    const sandbox = new BackupSandbox();
    const { kube } = sandbox.host;
    const look = async (): Promise<string> => (await readRestore(kube, at("r"))).kind;
    assert.equal(await look(), "absent");
    await sandbox.make(JOB, "r", { spec: {} });
    assert.equal(await look(), "running");
    sandbox.setJob("r", "Complete");
    assert.equal(await look(), "lost");
    const result = {
      kind: "restore",
      clusterId: "a",
      memberId: "b",
      revision: 7,
      sizeBytes: 1,
      seconds: 1,
    } as const;
    await sandbox.succeed("r", result);
    assert.deepEqual(await readRestore(kube, at("r")), { kind: "succeeded", result });
    const other = new BackupSandbox();
    await other.make(JOB, "r", { spec: {} });
    await other.fail("r", "StoreConflict");
    const failed = await readRestore(other.host.kube, at("r"));
    assert.ok(failed.kind === "failed" && failed.reason === "StoreConflict");
  });

  it("a failure that may have come after the swap is told from those that cannot have", () => {
    for (const reason of ["SnapshotDamaged", "StoreUnreachable", "VolumeFull"])
      assert.ok(leavesDataAlone(reason), reason);
    for (const reason of ["DeadlineExceeded", "Interrupted", "OOMKilled", "Failed"])
      assert.ok(!leavesDataAlone(reason), reason);
  });
});
