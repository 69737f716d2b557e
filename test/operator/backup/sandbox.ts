/** The controllers of backups over the API in memory; tests act the parts of people and of the controller of Jobs. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import {
  JOB,
  POD,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  apiVersion,
} from "../../../operator/api/resources.ts";
import type {
  QuorateBackup,
  QuorateBackupSchedule,
  QuorateBackupSpec,
} from "../../../operator/api/gen/types.ts";
import type { BackupHost, Outcome } from "../../../operator/backup/controller.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import { reconcileBackup } from "../../../operator/backup/reconcile-backup.ts";
import { reconcileSchedule } from "../../../operator/backup/reconcile-schedule.ts";
import {
  type BackupResult,
  type TransferResult,
  encodeResult,
} from "../../../operator/backup/transfer/result.ts";
import type { KubeObject, ObjectRef, Resource } from "../../../operator/kube/api.ts";
import { BackupMetrics } from "../../../operator/backup-metrics.ts";
import { FakeApi, type FakeClient } from "../fake-api.ts";
import { customKind } from "../fake/kinds.ts";
import { VirtualTime } from "../virtual-time.ts";

export const NAMESPACE = "data";
export const IMAGE = {
  image: "registry.example/quorate:1.2.3",
  pullPolicy: "IfNotPresent",
  pullSecrets: [],
} as const;
const KINDS = [QUORATE_BACKUP, QUORATE_BACKUP_SCHEDULE, QUORATE_BACKUP_STORE, QUORATE_CLUSTER];
const CONDITIONS = { "status.conditions": { keys: ["type"] } };
/** Until what was deleted in the foreground is gone. */
export const GARBAGE_MS = 1_000;
/** More passes than anything needs that comes to rest. */
const PASSES_MAX = 30;

export const RESULT: BackupResult = {
  kind: "backup",
  uri: "s3://b/kv/snapshot.db.gz",
  member: "kv-1",
  revision: 42,
  clusterId: "8e9e05c52164694d",
  serverVersion: "1.2.3",
  authEnabled: false,
  sizeBytes: 1000,
  storedBytes: 400,
  sha256: "a".repeat(64),
  verified: true,
  seconds: 3,
};

export function at(name: string): ObjectRef {
  return { namespace: NAMESPACE, name };
}

export class BackupSandbox {
  readonly time: VirtualTime = new VirtualTime();
  readonly api: FakeApi;
  readonly events: string[] = [];
  readonly registry: Registry = new Registry();
  readonly gauges: BackupMetrics = new BackupMetrics(this.registry);
  readonly host: BackupHost;
  /** Kubernetes' own controllers. */
  readonly cluster: FakeClient;
  readonly person: FakeClient;

  constructor() {
    this.api = new FakeApi({
      time: this.time,
      kinds: KINDS.map((resource) => customKind(resource, CONDITIONS)),
      namespaces: [NAMESPACE],
    });
    this.cluster = this.api.as("kube-controller-manager");
    this.person = this.api.as("person");
    this.host = {
      kube: this.api.operator,
      wall: () => this.time.wall(),
      image: IMAGE,
      gauges: this.gauges,
      recorder: {
        event: (about, type, reason) =>
          void this.events.push(`${about.metadata.name} ${type} ${reason}`),
      },
    };
  }

  async make(resource: Resource, name: string, content: object): Promise<void> {
    const object: KubeObject = {
      apiVersion: apiVersion(resource),
      kind: resource.kind,
      metadata: { name, namespace: NAMESPACE },
      ...content,
    };
    await this.person.create(resource, object);
  }

  /** The cluster kv, and the store s3. */
  async furnish(): Promise<void> {
    await this.make(QUORATE_CLUSTER, "kv", { spec: { replicas: 3, storage: { size: "8Gi" } } });
    await this.make(QUORATE_BACKUP_STORE, "s3", {
      spec: { s3: { bucket: "b", credentialsSecretRef: { name: "keys" } } },
    });
  }

  async makeBackup(name: string, changes: Partial<QuorateBackupSpec> = {}): Promise<void> {
    await this.make(QUORATE_BACKUP, name, { spec: { ...backupSpec(), ...changes } });
  }

  async backup(name: string): Promise<QuorateBackup> {
    const found = await this.person.get<QuorateBackup>(QUORATE_BACKUP, at(name));
    assert.ok(found !== null, `the backup ${name} is there`);
    return found;
  }

  async schedule(name: string): Promise<QuorateBackupSchedule> {
    const found = await this.person.get<QuorateBackupSchedule>(QUORATE_BACKUP_SCHEDULE, at(name));
    assert.ok(found !== null, `the schedule ${name} is there`);
    return found;
  }

  async job(name: string): Promise<Job | null> {
    return await this.person.get<Job>(JOB, at(name));
  }

  /** Passes over one object until it is to be looked at later. */
  async settle(
    ref: ObjectRef,
    reconcile: typeof reconcileBackup = reconcileBackup,
  ): Promise<Outcome> {
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const outcome = await reconcile(this.host, ref);
      await this.time.run(GARBAGE_MS);
      if (outcome.afterMs !== 0) return outcome;
    }
    throw new Error(`${ref.name} does not come to rest`);
  }

  async settleSchedule(name: string): Promise<Outcome> {
    return await this.settle(at(name), reconcileSchedule);
  }

  /** A pod of the Job ends. */
  async endPod(
    job: string,
    ended: { readonly exitCode: number; readonly message?: string; readonly reason?: string },
  ): Promise<string> {
    const found = await this.job(job);
    assert.ok(found !== null, `the Job ${job} is there`);
    const { items } = await this.cluster.list(POD, { namespace: NAMESPACE });
    const name = `${job}-${items.length}`;
    await this.cluster.create(POD, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        namespace: NAMESPACE,
        labels: { "batch.kubernetes.io/job-name": job },
        ownerReferences: [
          { apiVersion: "batch/v1", kind: "Job", name: job, uid: found.metadata.uid ?? "" },
        ],
      },
    });
    const terminated = { ...ended, finishedAt: new Date(this.time.wall()).toISOString() };
    this.api.setStatus(POD, at(name), {
      phase: ended.exitCode === 0 ? "Succeeded" : "Failed",
      containerStatuses: [{ name: "transfer", state: { terminated } }],
    });
    return name;
  }

  /** The Job ends, as its controller would tell. */
  setJob(job: string, type: "Complete" | "Failed", reason = ""): void {
    const lastTransitionTime = new Date(this.time.wall()).toISOString();
    this.api.setStatus(JOB, at(job), {
      conditions: [{ type, status: "True", reason, message: `Job: ${reason}`, lastTransitionTime }],
    });
  }

  async succeed(job: string, result: TransferResult = RESULT): Promise<void> {
    await this.endPod(job, { exitCode: 0, message: encodeResult(result) });
    this.setJob(job, "Complete");
  }

  async fail(job: string, reason: "StoreUnreachable" | "StoreConflict"): Promise<void> {
    const message = encodeResult({ kind: "failure", reason, message: `because of ${reason}` });
    await this.endPod(job, { exitCode: reason === "StoreConflict" ? 2 : 1, message });
    this.setJob(
      job,
      "Failed",
      reason === "StoreConflict" ? "PodFailurePolicy" : "BackoffLimitExceeded",
    );
  }

  /** What the operator has asked for, without reads: `create jobs kv-1-backup`. */
  get mutations(): string[] {
    return this.api.faults.calls
      .filter(({ manager, verb }) => manager === "quorate-operator" && !READS.has(verb))
      .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);
  }
}

const READS: ReadonlySet<string> = new Set(["get", "list", "watch", "discover"]);

export function backupSpec(): QuorateBackupSpec {
  return { clusterRef: { name: "kv" }, destination: { storeRef: { name: "s3" }, path: "kv/" } };
}
