/** A QuorateBackup from its creation to its end, under whatever goes wrong on the way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  JOB,
  NAMESPACE as NAMESPACES,
  PERSISTENT_VOLUME_CLAIM,
  QUORATE_BACKUP,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
} from "../../../operator/api/resources.ts";
import type { QuorateBackupSpec } from "../../../operator/api/gen/types.ts";
import { isTrue } from "../../../operator/api/conditions.ts";
import { ABANDON_FILE, FILE_FINALIZER } from "../../../operator/backup/names.ts";
import { reconcileBackup } from "../../../operator/backup/reconcile-backup.ts";
import { BackupSandbox, GARBAGE_MS, IMAGE, NAMESPACE, RESULT, at } from "./sandbox.ts";

const MINUTE = 60_000;

async function begun(changes: Partial<QuorateBackupSpec> = {}): Promise<BackupSandbox> {
  const sandbox = new BackupSandbox();
  await sandbox.furnish();
  await sandbox.makeBackup("kv-1", changes);
  await sandbox.settle(at("kv-1"));
  return sandbox;
}

describe("a QuorateBackup", () => {
  it("is announced as running before its Job is made, and complete with what the Job has told", async () => {
    const sandbox = await begun();
    assert.deepEqual(sandbox.mutations, [
      "applyStatus quoratebackups kv-1",
      "create jobs kv-1-backup",
    ]);
    assert.equal((await sandbox.backup("kv-1")).status?.phase, "Running");
    await sandbox.succeed("kv-1-backup");
    const { afterMs } = await sandbox.settle(at("kv-1"));
    assert.equal(afterMs, null);
    const { status } = await sandbox.backup("kv-1");
    const { uri, revision, sha256, verified, clusterID, member, authEnabled } = status ?? {};
    assert.deepEqual(
      [uri, revision, sha256, verified, clusterID, member, authEnabled],
      [RESULT.uri, 42, RESULT.sha256, true, RESULT.clusterId, "kv-1", false],
    );
    assert.equal(status?.phase, "Complete");
    assert.ok(isTrue(status?.conditions, "Complete") && !isTrue(status?.conditions, "Reconciling"));
    assert.deepEqual(sandbox.events, ["kv-1 Normal Running", "kv-1 Normal Complete"]);
    const before = sandbox.mutations.length;
    await sandbox.settle(at("kv-1"));
    assert.equal(sandbox.mutations.length, before, "what is done is left alone");
  });

  it("runs a pod without rights, selected by no cluster, that says what to do", async () => {
    const sandbox = await begun({ source: "Leader" });
    const job = await sandbox.job("kv-1-backup");
    const { uid } = (await sandbox.backup("kv-1")).metadata;
    assert.ok(job !== null);
    assert.deepEqual(
      job.metadata.ownerReferences?.map((owner) => owner.uid),
      [uid],
    );
    const { spec } = job.spec.template;
    const [container] = spec.containers;
    assert.deepEqual(container?.args, [
      "transfer",
      "backup",
      "--backup-namespace=data",
      "--backup-name=kv-1",
      `--backup-uid=${uid}`,
      "--path=kv/",
      "--cluster=kv",
      "--endpoints=https://kv-0.kv-peers.data.svc:2379,https://kv-1.kv-peers.data.svc:2379,https://kv-2.kv-peers.data.svc:2379",
      "--source=Leader",
      "--compression=Gzip",
      "--verify",
      "--store=s3",
      "--s3-bucket=b",
      "--s3-region=us-east-1",
      "--s3-checksums=WhenRequired",
      "--tls-dir=/etc/quorate/tls/operator",
      "--result=/dev/termination-log",
    ]);
    assert.deepEqual(
      container?.env?.map(({ name }) => name),
      ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
    );
    assert.deepEqual(
      spec.volumes?.map(({ secret }) => secret?.secretName),
      ["kv-operator-tls"],
    );
    assert.equal(spec["automountServiceAccountToken"], false);
    const { labels } = job.spec.template.metadata as { labels: Record<string, string> };
    assert.notEqual(labels["app.kubernetes.io/name"], "quorate");
    assert.equal(labels["quorate.io/cluster"], undefined);
  });

  it("names the version of the members, who themselves answer with etcd's", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    sandbox.api.setStatus(QUORATE_CLUSTER, at("kv"), { version: "1.4.2" });
    await sandbox.makeBackup("kv-1");
    await sandbox.settle(at("kv-1"));
    const args = (await sandbox.job("kv-1-backup"))?.spec.template.spec.containers[0]?.args;
    assert.ok(args?.includes("--server-version=1.4.2"), args?.join(" "));
  });

  it("pulls the operator's image as the cluster pulls its members'", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    const image = { pullPolicy: "Always", pullSecrets: [{ name: "registry" }] };
    await sandbox.person.mergePatch(QUORATE_CLUSTER, at("kv"), { spec: { image } });
    await sandbox.makeBackup("kv-1");
    await sandbox.settle(at("kv-1"));
    const spec = (await sandbox.job("kv-1-backup"))?.spec.template.spec;
    assert.deepEqual(spec?.["imagePullSecrets"], [{ name: "registry" }]);
    const [container] = spec?.containers ?? [];
    assert.deepEqual([container?.image, container?.["imagePullPolicy"]], [IMAGE.image, "Always"]);
  });

  it("to a claim mounts it, and is told by the claim's name", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    await sandbox.make(PERSISTENT_VOLUME_CLAIM, "backups", {});
    await sandbox.makeBackup("kv-1", {
      destination: { pvc: { claimName: "backups", subPath: "a/b" } },
    });
    await sandbox.settle(at("kv-1"));
    const job = await sandbox.job("kv-1-backup");
    const args = job?.spec.template.spec.containers[0]?.args ?? [];
    assert.ok(args.includes("--store=claim") && args.includes("--path=a/b"), args.join(" "));
    const claims = job?.spec.template.spec.volumes?.map((each) => each.persistentVolumeClaim);
    assert.equal(claims?.[0]?.claimName, "backups");
    const uri = "file:///mnt/backups/a/b/kv-1-u/snapshot.db.gz";
    await sandbox.succeed("kv-1-backup", { ...RESULT, uri });
    await sandbox.settle(at("kv-1"));
    const { status } = await sandbox.backup("kv-1");
    assert.equal(status?.uri, "pvc://backups/a/b/kv-1-u/snapshot.db.gz");
  });

  it("waits for what is missing, says so, and begins when it comes", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.makeBackup("kv-1");
    const waitsFor = async (text: RegExp): Promise<void> => {
      await sandbox.settle(at("kv-1"));
      const { status } = await sandbox.backup("kv-1");
      assert.equal(status?.phase, "Pending");
      assert.match(status.message ?? "", text);
      assert.equal(await sandbox.job("kv-1-backup"), null);
    };
    await waitsFor(/no QuorateBackupStore s3/);
    await sandbox.make(QUORATE_BACKUP_STORE, "s3", { spec: { s3: { bucket: "b" } } });
    await waitsFor(/no QuorateCluster kv/);
    const storage = { size: "8Gi" };
    await sandbox.make(QUORATE_CLUSTER, "kv", { spec: { replicas: 0, storage } });
    await waitsFor(/no members now/);
    await sandbox.person.mergePatch(QUORATE_CLUSTER, at("kv"), { spec: { replicas: 3 } });
    sandbox.api.setStatus(QUORATE_CLUSTER, at("kv"), { operation: { type: "Restore" } });
    await waitsFor(/busy: Restore/);
    sandbox.api.setStatus(QUORATE_CLUSTER, at("kv"), {});
    await sandbox.settle(at("kv-1"));
    assert.notEqual(await sandbox.job("kv-1-backup"), null);
  });

  it("that cannot begin within its deadline fails, so that nobody waits for it", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.makeBackup("kv-1", { activeDeadlineSeconds: 60 });
    await sandbox.settle(at("kv-1"));
    await sandbox.time.run(2 * MINUTE);
    await sandbox.settle(at("kv-1"));
    const { status } = await sandbox.backup("kv-1");
    assert.equal(status?.phase, "Failed");
    assert.match(status.message ?? "", /not begun within 60 s: there is no QuorateBackupStore/);
    await sandbox.furnish();
    await sandbox.settle(at("kv-1"));
    assert.equal(await sandbox.job("kv-1-backup"), null);
  });

  it("tells how an attempt failed while it is tried again, and why it failed for good", async () => {
    const sandbox = await begun();
    const text = JSON.stringify({
      kind: "failure",
      reason: "StoreUnreachable",
      message: "no route",
    });
    await sandbox.endPod("kv-1-backup", { exitCode: 1, message: text });
    await sandbox.settle(at("kv-1"));
    const running = (await sandbox.backup("kv-1")).status;
    assert.deepEqual(
      [running?.phase, running?.message],
      ["Running", "an attempt failed: no route"],
    );
    await sandbox.fail("kv-1-backup", "StoreConflict");
    await sandbox.settle(at("kv-1"));
    const { status } = await sandbox.backup("kv-1");
    assert.equal(status?.phase, "Failed");
    const condition = status.conditions?.find(({ type }) => type === "Failed");
    assert.deepEqual([condition?.status, condition?.reason], ["True", "StoreConflict"]);
  });

  it("whose pod was killed without a word, or that took too long, says so", async () => {
    const killed = await begun();
    await killed.endPod("kv-1-backup", { exitCode: 137, reason: "OOMKilled" });
    killed.setJob("kv-1-backup", "Failed", "BackoffLimitExceeded");
    await killed.settle(at("kv-1"));
    assert.match((await killed.backup("kv-1")).status?.message ?? "", /137 \(OOMKilled\)/);
    const late = await begun();
    late.setJob("kv-1-backup", "Failed", "DeadlineExceeded");
    await late.settle(at("kv-1"));
    const { status } = await late.backup("kv-1");
    const reason = status?.conditions?.find(({ type }) => type === "Failed")?.reason;
    assert.deepEqual([status?.phase, reason], ["Failed", "DeadlineExceeded"]);
  });

  it("runs again where its result was lost with its pod", async () => {
    const sandbox = await begun();
    sandbox.setJob("kv-1-backup", "Complete");
    const lost = await sandbox.job("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    await sandbox.settle(at("kv-1"));
    const again = await sandbox.job("kv-1-backup");
    assert.ok(again !== null && again.metadata.uid !== lost?.metadata.uid);
    await sandbox.succeed("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    assert.equal((await sandbox.backup("kv-1")).status?.phase, "Complete");
  });

  it("runs again where its Job was cleared away before anybody had read it", async () => {
    const sandbox = await begun();
    const first = await sandbox.job("kv-1-backup");
    assert.ok((first?.spec.ttlSecondsAfterFinished ?? 0) > 0);
    await sandbox.cluster.delete(JOB, at("kv-1-backup"));
    await sandbox.settle(at("kv-1"));
    assert.equal((await sandbox.backup("kv-1")).status?.phase, "Running");
    await sandbox.succeed("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    assert.equal((await sandbox.backup("kv-1")).status?.phase, "Complete");
  });

  it("does not touch a Job of the same name that is another's", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    await sandbox.make(JOB, "kv-1-backup", { spec: {} });
    sandbox.setJob("kv-1-backup", "Complete");
    await sandbox.makeBackup("kv-1");
    await sandbox.settle(at("kv-1"));
    const { status } = await sandbox.backup("kv-1");
    assert.equal(status?.phase, "Pending");
    assert.match(status.message ?? "", /not of this backup/);
    assert.deepEqual(sandbox.mutations, ["applyStatus quoratebackups kv-1"]);
  });

  it("killed before or after any call, a pass is finished by the next: one Job, one result", async () => {
    for (let at1 = 0, more = true; more; at1++) {
      for (const moment of ["before", "after"] as const) {
        const sandbox = new BackupSandbox();
        await sandbox.furnish();
        await sandbox.makeBackup("kv-1", { deletionPolicy: "Delete" });
        let calls = 0;
        sandbox.api.faults.hook = (call, when) => {
          if (call.manager !== "quorate-operator" || when !== moment) return;
          if (calls++ === at1) throw new Error("killed");
        };
        const pass = async (): Promise<void> => {
          await sandbox.settle(at("kv-1")).catch((error: unknown) => {
            assert.equal((error as Error).message, "killed");
          });
        };
        for (let round = 0; round < 3; round++) await pass();
        await sandbox.succeed("kv-1-backup");
        for (let round = 0; round < 3; round++) await pass();
        assert.equal((await sandbox.backup("kv-1")).status?.phase, "Complete", `call ${at1}`);
        const made = sandbox.mutations.filter((each) => each === "create jobs kv-1-backup");
        assert.ok(made.length <= 2, `call ${at1} ${moment}: ${made.length} Jobs asked for`);
        const { items } = await sandbox.person.list(JOB, { namespace: NAMESPACE });
        assert.equal(items.length, 1);
        more = calls > at1;
      }
    }
  });
});

describe("the deletion of a QuorateBackup", () => {
  async function deleted(
    sandbox: BackupSandbox,
  ): Promise<{ readonly message: string; readonly gone: boolean }> {
    await reconcileBackup(sandbox.host, at("kv-1"));
    await sandbox.time.run(GARBAGE_MS);
    const left = await sandbox.person.get(QUORATE_BACKUP, at("kv-1"));
    if (left === null) return { message: "", gone: true };
    return { message: (await sandbox.backup("kv-1")).status?.message ?? "", gone: false };
  }

  async function complete(): Promise<BackupSandbox> {
    const sandbox = await begun({ deletionPolicy: "Delete" });
    await sandbox.succeed("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    return sandbox;
  }

  it("with Retain holds nothing up, and asks for nothing", async () => {
    const sandbox = await begun();
    assert.equal((await sandbox.backup("kv-1")).metadata.finalizers, undefined);
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-1"));
    assert.equal((await deleted(sandbox)).gone, true);
    assert.equal(await sandbox.job("kv-1-delete"), null);
  });

  it("with Delete is held from before the first byte until a Job has removed the file", async () => {
    const sandbox = await begun({ deletionPolicy: "Delete" });
    assert.equal(sandbox.mutations[0], "patch quoratebackups kv-1");
    await sandbox.succeed("kv-1-backup");
    await sandbox.settle(at("kv-1"));
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-1"));
    assert.match((await deleted(sandbox)).message, /being deleted/);
    const args = (await sandbox.job("kv-1-delete"))?.spec.template.spec.containers[0]?.args;
    assert.deepEqual(args?.slice(0, 2), ["transfer", "delete"]);
    assert.equal((await deleted(sandbox)).gone, false);
    await sandbox.succeed("kv-1-delete", { kind: "delete", deleted: 2 });
    assert.equal((await deleted(sandbox)).gone, true);
  });

  it("stops a transfer that is under way first", async () => {
    const sandbox = await begun({ deletionPolicy: "Delete" });
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-1"));
    assert.match((await deleted(sandbox)).message, /being stopped/);
    assert.equal(await sandbox.job("kv-1-delete"), null);
    assert.equal(await sandbox.job("kv-1-backup"), null);
    await deleted(sandbox);
    assert.notEqual(await sandbox.job("kv-1-delete"), null);
  });

  it("that fails is tried again after a while, and says what a person may do", async () => {
    const sandbox = await complete();
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-1"));
    await deleted(sandbox);
    const first = await sandbox.job("kv-1-delete");
    await sandbox.fail("kv-1-delete", "StoreUnreachable");
    const { message } = await deleted(sandbox);
    assert.match(message, /because of StoreUnreachable/);
    assert.match(message, new RegExp(ABANDON_FILE));
    assert.equal((await sandbox.job("kv-1-delete"))?.metadata.uid, first?.metadata.uid);
    await sandbox.time.run(2 * MINUTE);
    await deleted(sandbox);
    await deleted(sandbox);
    assert.notEqual((await sandbox.job("kv-1-delete"))?.metadata.uid, first?.metadata.uid);
    const annotations = { [ABANDON_FILE]: "true" };
    await sandbox.person.mergePatch(QUORATE_BACKUP, at("kv-1"), { metadata: { annotations } });
    assert.equal((await deleted(sandbox)).gone, true);
  });

  it("waits for a store that is gone, not for a claim that is", async () => {
    const sandbox = await complete();
    await sandbox.person.delete(QUORATE_BACKUP_STORE, at("s3"));
    await sandbox.person.delete(QUORATE_BACKUP, at("kv-1"));
    assert.match((await deleted(sandbox)).message, /QuorateBackupStore s3 is gone/);
    const claimed = new BackupSandbox();
    await claimed.furnish();
    await claimed.make(PERSISTENT_VOLUME_CLAIM, "backups", {});
    await claimed.makeBackup("kv-1", {
      deletionPolicy: "Delete",
      destination: { pvc: { claimName: "backups" } },
    });
    await claimed.settle(at("kv-1"));
    await claimed.succeed("kv-1-backup");
    await claimed.settle(at("kv-1"));
    await claimed.person.delete(PERSISTENT_VOLUME_CLAIM, at("backups"));
    await claimed.person.delete(QUORATE_BACKUP, at("kv-1"));
    await claimed.time.run(GARBAGE_MS);
    assert.equal((await deleted(claimed)).gone, true);
  });

  it("of what never began removes nothing; in a namespace that ends it holds nobody up", async () => {
    const idle = new BackupSandbox();
    await idle.makeBackup("kv-1", { deletionPolicy: "Delete" });
    await idle.settle(at("kv-1"));
    assert.deepEqual((await idle.backup("kv-1")).metadata.finalizers, [FILE_FINALIZER]);
    await idle.person.delete(QUORATE_BACKUP, at("kv-1"));
    assert.equal((await deleted(idle)).gone, true);
    for (const goesFirst of [false, true]) {
      const ending = await complete();
      const namespace = { namespace: null, name: NAMESPACE };
      const metadata = { finalizers: ["test/held"] };
      await ending.person.mergePatch(NAMESPACES, namespace, { metadata });
      await ending.person.delete(NAMESPACES, namespace);
      if (goesFirst) await ending.person.delete(QUORATE_BACKUP_STORE, at("s3"));
      await ending.person.delete(QUORATE_BACKUP, at("kv-1"));
      await deleted(ending);
      assert.equal((await deleted(ending)).gone, true, `the store goes first: ${goesFirst}`);
      assert.equal(await ending.job("kv-1-delete"), null);
    }
  });
});
