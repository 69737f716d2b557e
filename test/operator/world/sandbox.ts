/** A modelled cluster of Kubernetes with the real controller in it. */
import { Registry } from "prom-client";
import { Prng } from "../../../src/base/prng.ts";
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import type {
  QuorateCluster,
  QuorateClusterSpec,
  QuorateTask,
  QuorateTaskSpec,
} from "../../../operator/api/gen/types.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import type { Journal } from "../../../operator/cluster/journal.ts";
import { type ClusterReconciler, reconcileCluster } from "../../../operator/cluster/reconcile.ts";
import { CONFIG_MAP } from "../../../operator/api/resources.ts";
import type { ConfigMap } from "../../../operator/cluster/objects.ts";
import { CLUSTER_RULES, NAMESPACED_RULES } from "../../../operator/rbac.ts";
import { BackupMetrics } from "../../../operator/backup-metrics.ts";
import { sleep } from "../../../operator/time.ts";
import { FakeApi } from "../fake-api.ts";
import { customKind } from "../fake/kinds.ts";
import { VirtualTime } from "../virtual-time.ts";
import { type AdminHook, ModelAdmins } from "./model-admin.ts";
import { Restores as RestoreJobs } from "../../../operator/backup/restores.ts";
import { Restores } from "./restores.ts";
import { StoredBackups } from "./stored-backups.ts";
import { StatefulSets } from "./stateful-sets.ts";
import { VERSION } from "./pod-status.ts";
import { NAMESPACE, World } from "./world.ts";

export const CLUSTER = "kv";
const KINDS = [
  QUORATE_CLUSTER,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_TASK,
];

export interface EventTold {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
}

export class Sandbox {
  readonly time: VirtualTime = new VirtualTime();
  readonly random: Prng;
  readonly api: FakeApi;
  readonly world: World;
  readonly restores: Restores;
  readonly backups: StoredBackups;
  readonly actions: Action[] = [];
  readonly events: EventTold[] = [];
  readonly failures: unknown[] = [];
  readonly registry: Registry = new Registry();
  readonly gauges: BackupMetrics = new BackupMetrics(this.registry);
  /** Hears of each action before it is made. */
  onAction: (action: Action) => void = () => {};

  constructor(seed: number) {
    this.random = new Prng(seed);
    this.api = new FakeApi({
      time: this.time,
      kinds: KINDS.map((kind) => customKind(kind)),
      namespaces: [NAMESPACE],
      rules: [...NAMESPACED_RULES, ...CLUSTER_RULES],
    });
    this.world = new World(this.api, this.time, this.random.fork("world"), CLUSTER);
    new StatefulSets(this.api, this.time).start();
    this.world.start();
    this.restores = new Restores(this);
    this.restores.start();
    this.backups = new StoredBackups(this);
    this.backups.start();
  }

  create(spec: Partial<QuorateClusterSpec> = {}): void {
    const cluster: QuorateCluster = {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateCluster",
      metadata: { name: CLUSTER, namespace: NAMESPACE },
      spec: {
        replicas: 3,
        storage: { size: "8Gi" },
        unsafe: { plaintext: true },
        ...spec,
      },
    };
    this.api.store.create(QUORATE_CLUSTER, cluster, "person");
  }

  edit(spec: Partial<QuorateClusterSpec>): void {
    const ref = { namespace: NAMESPACE, name: CLUSTER };
    this.api.store.mergePatch(QUORATE_CLUSTER, ref, { spec }, "person");
  }

  task(name: string, spec: Omit<QuorateTaskSpec, "clusterRef">): void {
    const task: QuorateTask = {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateTask",
      metadata: { name, namespace: NAMESPACE },
      spec: { clusterRef: { name: CLUSTER }, ...spec },
    };
    this.api.store.create(QUORATE_TASK, task, "person");
  }

  taskStatus(name: string): QuorateTask["status"] {
    const ref = { namespace: NAMESPACE, name };
    return (this.api.store.get(QUORATE_TASK, ref) as unknown as QuorateTask | null)?.status;
  }

  get cluster(): QuorateCluster {
    const ref = { namespace: NAMESPACE, name: CLUSTER };
    return this.api.store.get(QUORATE_CLUSTER, ref) as unknown as QuorateCluster;
  }

  /** The generation that says so; null: it is not paused. */
  get paused(): number | null {
    const cluster = this.cluster as QuorateCluster | null;
    return cluster?.spec.paused === true ? (cluster.metadata.generation ?? 1) : null;
  }

  get journal(): Journal | null {
    const ref = { namespace: NAMESPACE, name: `${CLUSTER}-journal` };
    const map = this.api.store.get(CONFIG_MAP, ref) as ConfigMap | null;
    return map === null ? null : (JSON.parse(map.data?.["journal"] ?? "") as Journal);
  }

  condition(type: string): string | undefined {
    return this.cluster.status?.conditions?.find((each) => each.type === type)?.status;
  }

  reconciler(hook: AdminHook = async () => {}): ClusterReconciler {
    return {
      kube: this.api.operator,
      admins: new ModelAdmins(this.world, hook),
      restores: (kube) => new RestoreJobs(kube),
      defaults: {
        version: VERSION,
        repository: "example.org/quorate",
        layoutRevision: "v1",
        clusterDomain: "cluster.local",
      },
      now: () => this.time.wall(),
      entropy: () => `nonce-${this.random.bits().toString(16)}`,
      recorder: {
        event: (_about, type, reason, note) => void this.events.push({ type, reason, note }),
      },
      gauges: this.gauges,
      onAction: (_ref, action) => {
        this.actions.push(action);
        this.onAction(action);
      },
    };
  }

  /** Passes, one after another, until the signal fires. What a pass fails with is kept, and the next one comes a second later. */
  async operate(reconciler: ClusterReconciler, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let afterMs = 1_000;
      try {
        const ref = { namespace: NAMESPACE, name: CLUSTER };
        afterMs = Math.min((await reconcileCluster(reconciler, ref)) ?? 1_000, 2_000);
      } catch (thrown) {
        this.failures.push(thrown);
      }
      await sleep(this.time, Math.max(afterMs, 20), signal);
    }
  }

  /** As the status tells it. */
  isSettled(replicas: number): boolean {
    const { status, metadata } = this.cluster;
    return (
      status?.observedGeneration === metadata.generation &&
      this.condition("Ready") === "True" &&
      status?.readyReplicas === replicas &&
      status.replicas === replicas &&
      this.condition("Updated") === "True" &&
      this.condition("Reconciling") === "False"
    );
  }
}
