/** Backups before a real API server: it takes what is written, and Pod Security admits the pods that its Job controller makes. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { BackupMetrics } from "../../../operator/backup-metrics.ts";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  JOB,
  NAMESPACE as NAMESPACES,
  POD,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  apiVersion,
} from "../../../operator/api/resources.ts";
import type { QuorateBackup, QuorateBackupStore } from "../../../operator/api/gen/types.ts";
import { isTrue } from "../../../operator/api/conditions.ts";
import type { BackupHost } from "../../../operator/backup/controller.ts";
import type { JobPod } from "../../../operator/backup/objects.ts";
import { readJob, reconcileBackup } from "../../../operator/backup/reconcile-backup.ts";
import { reconcileSchedule } from "../../../operator/backup/reconcile-schedule.ts";
import { probeS3, reconcileStore } from "../../../operator/backup/reconcile-store.ts";
import { buildRestoreJob } from "../../../operator/backup/restore-job.ts";
import { findOrigin } from "../../../operator/backup/restore-source.ts";
import { encodeResult } from "../../../operator/backup/transfer/result.ts";
import type { KubeObject, ObjectRef, Resource } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { systemTime } from "../../../operator/time.ts";
import { Cluster, freePorts } from "../../conformance/support/cluster.ts";
import { ControlPlane } from "../../conformance/support/kubernetes.ts";
import { run, tool, until } from "../../conformance/support/tools.ts";
import { IMAGE, NAMESPACE, RESULT, at, backupSpec } from "../backup/sandbox.ts";

const CRDS = join(import.meta.dirname, "../../../manifests/crd");

describe("backups before a kube-apiserver", { timeout: 180_000 }, () => {
  let cluster: Cluster;
  let plane: ControlPlane;
  let credentials: Credentials;
  let kube: KubeClient;
  let host: BackupHost;

  before(async () => {
    const flags = ["--log-level=error"];
    cluster = await Cluster.start({ product: "quorate", members: 1, flags });
    plane = await ControlPlane.start(cluster.members.map(({ clientUrl }) => clientUrl));
    credentials = new Credentials({ kubeconfig: plane.kubeconfig }, systemTime);
    kube = new KubeClient({ credentials, time: systemTime, userAgent: "quorate-operator/test" });
    host = {
      kube,
      wall: Date.now,
      image: IMAGE,
      recorder: { event: () => {} },
      gauges: new BackupMetrics(new Registry()),
    };
    await kubectl("apply", "--server-side", "-f", CRDS);
    await kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS);
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    const metadata = { name: NAMESPACE, labels };
    await kube.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata });
    await make(QUORATE_CLUSTER, "kv", { spec: { replicas: 3, storage: { size: "8Gi" } } });
    const [port = 0] = await freePorts(1);
    const keys = { credentialsSecretRef: { name: "keys" }, endpoint: `http://127.0.0.1:${port}` };
    await make(QUORATE_BACKUP_STORE, "s3", { spec: { s3: { bucket: "backups", ...keys } } });
  });
  after(async () => {
    await credentials.close();
    await plane.stop();
    await cluster.stop();
  });

  async function kubectl(...args: readonly string[]): Promise<void> {
    const command = [tool("kubectl"), `--kubeconfig=${plane.kubeconfig}`, ...args];
    const { code, stderr } = await run(command, { timeoutMs: 90_000 });
    assert.equal(code, 0, stderr);
  }

  async function make(resource: Resource, name: string, content: object): Promise<void> {
    const object: KubeObject = {
      apiVersion: apiVersion(resource),
      kind: resource.kind,
      metadata: { name, namespace: NAMESPACE },
      ...content,
    };
    await kube.create(resource, object);
  }

  async function phaseOf(name: string): Promise<string | undefined> {
    return (await kube.get<QuorateBackup>(QUORATE_BACKUP, at(name)))?.status?.phase;
  }

  async function pass(ref: ObjectRef, reconcile = reconcileBackup): Promise<void> {
    while ((await reconcile(host, ref)).afterMs === 0);
  }

  /** The pod that the Job controller has made ends as a kubelet would tell. */
  async function endPod(job: string, message: string): Promise<void> {
    let pod: JobPod | undefined;
    await until(`a pod of ${job} is there`, 30_000, async () => {
      pod = (await readJob(kube, at(job)))?.pods[0];
      return pod !== undefined;
    });
    assert.ok(pod !== undefined);
    const finishedAt = `${new Date().toISOString().slice(0, 19)}Z`;
    const terminated = {
      exitCode: 0,
      reason: "Completed",
      message,
      startedAt: finishedAt,
      finishedAt,
    };
    const ended = { name: "transfer", image: "i", imageID: "i", ready: false, restartCount: 0 };
    const status = { phase: "Succeeded", containerStatuses: [{ ...ended, state: { terminated } }] };
    const object: KubeObject & { readonly status: object } = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.metadata.name, namespace: NAMESPACE },
      status,
    };
    await kube.applyStatus(POD, object);
  }

  it("a backup with a file to delete goes from its creation to its end and away again", async () => {
    await make(QUORATE_BACKUP, "kv-1", { spec: { ...backupSpec(), deletionPolicy: "Delete" } });
    await pass(at("kv-1"));
    assert.equal(await phaseOf("kv-1"), "Running");
    await endPod("kv-1-backup", encodeResult(RESULT));
    await until("the backup is complete", 30_000, async () => {
      await pass(at("kv-1"));
      return (await phaseOf("kv-1")) === "Complete";
    });
    const done = await kube.get<QuorateBackup>(QUORATE_BACKUP, at("kv-1"));
    assert.equal(done?.status?.revision, RESULT.revision);
    assert.ok(isTrue(done?.status?.conditions, "Complete"));
    await kube.delete(QUORATE_BACKUP, at("kv-1"));
    await pass(at("kv-1"));
    assert.equal(await phaseOf("kv-1"), "Deleting");
    await endPod("kv-1-delete", encodeResult({ kind: "delete", deleted: 2 }));
    await until("the backup is gone", 30_000, async () => {
      await pass(at("kv-1"));
      return (await phaseOf("kv-1")) === undefined;
    });
  });

  it("a schedule makes backups that the schema takes", async () => {
    const spec = { schedule: "@daily", immediate: true, backupTemplate: { spec: backupSpec() } };
    await make(QUORATE_BACKUP_SCHEDULE, "nightly", { spec });
    await pass(at("nightly"), reconcileSchedule);
    const labelSelector = "quorate.io/schedule=nightly";
    const { items } = await kube.list(QUORATE_BACKUP, { namespace: NAMESPACE, labelSelector });
    assert.equal(items.length, 1);
  });

  it("a store that nobody serves says so", async () => {
    const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: at("keys"), stringData: keys };
    await kube.create(
      { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true },
      { ...secret, metadata: { name: "keys", namespace: NAMESPACE } },
    );
    await reconcileStore(host, probeS3, at("s3"));
    const store = await kube.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, at("s3"));
    const ready = store?.status?.conditions?.find(({ type }) => type === "Ready");
    assert.deepEqual([ready?.status, ready?.reason], ["False", "Unreachable"]);
  });

  it("a restore's Job is taken, and its pod admitted", async () => {
    const source = { store: { storeRef: { name: "s3" }, key: "old/etcd.db" } };
    const found = await findOrigin(kube, NAMESPACE, source);
    assert.ok(found.kind === "found");
    const owner = await kube.get(QUORATE_CLUSTER, at("kv"));
    const job = buildRestoreJob({
      namespace: NAMESPACE,
      name: "kv-restore-1",
      owner: {
        apiVersion: apiVersion(QUORATE_CLUSTER),
        kind: "QuorateCluster",
        name: "kv",
        uid: owner?.metadata.uid ?? "",
      },
      labels: {},
      scheduling: { tolerations: [{ key: "storage", operator: "Exists" }] },
      image: IMAGE,
      origin: found.origin,
      claimName: "data-kv-0",
      mountPath: "/var/lib/quorate",
      dataDir: "/var/lib/quorate/data",
      nonce: "1-a",
      inPlace: false,
      member: "kv-0",
      peerUrl: "https://kv-0.kv-peers.data.svc.cluster.local:2380",
      token: "data/kv",
      incarnation: 1,
      deadlineSeconds: 600,
    });
    await kube.create(JOB, job);
    await until("its pod is there", 30_000, async () => {
      return ((await readJob(kube, at("kv-restore-1")))?.pods.length ?? 0) > 0;
    });
  });
});
