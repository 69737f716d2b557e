/** What Prometheus learns of backups: how old the last success is, of each cluster and each schedule, and how old it may be. */
import { Gauge, type Registry } from "prom-client";
import type { BackupGauges, ClusterBackups, ScheduleBackups } from "./context.ts";
import type { ObjectRef } from "./kube/api.ts";

type Labels = Readonly<Record<string, string>>;

/** Series of objects that come and go: what is not told any more is not exported any more. */
class Series {
  readonly #gauge: Gauge;
  readonly #labels = new Map<string, Labels>();

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const full = `quorate_operator_${name}`;
    this.#gauge = new Gauge({
      name: full,
      help,
      labelNames: [...labelNames],
      registers: [registry],
    });
  }

  /** Null: there is nothing to tell. */
  tell(key: string, labels: Labels, value: number | null): void {
    const before = this.#labels.get(key);
    if (before !== undefined) this.#gauge.remove(before);
    this.#labels.delete(key);
    if (value === null) return;
    this.#labels.set(key, labels);
    this.#gauge.set(labels, value);
  }
}

export class BackupMetrics implements BackupGauges {
  readonly #clusterSuccess: Series;
  readonly #clusterHealthy: Series;
  readonly #scheduleSuccess: Series;
  readonly #scheduleInterval: Series;

  constructor(registry: Registry) {
    const cluster = ["namespace", "cluster"];
    const schedule = ["namespace", "schedule", "cluster"];
    this.#clusterSuccess = new Series(
      registry,
      "cluster_backup_last_success_timestamp_seconds",
      "When the last complete backup of a cluster ended.",
      cluster,
    );
    this.#clusterHealthy = new Series(
      registry,
      "cluster_backup_healthy",
      "Whether a cluster is backed up as its schedules promise; absent where nothing is promised yet.",
      cluster,
    );
    this.#scheduleSuccess = new Series(
      registry,
      "schedule_last_success_timestamp_seconds",
      "When the last complete backup of a schedule ended.",
      schedule,
    );
    this.#scheduleInterval = new Series(
      registry,
      "schedule_interval_seconds",
      "From the schedule's next time to the one after it; absent while it is suspended.",
      schedule,
    );
  }

  cluster({ namespace, name }: ObjectRef, told: ClusterBackups | null): void {
    const key = `${namespace ?? ""}/${name}`;
    const labels = { namespace: namespace ?? "", cluster: name };
    const healthy = told?.healthy ?? null;
    this.#clusterSuccess.tell(key, labels, told?.lastSuccessSeconds ?? null);
    this.#clusterHealthy.tell(key, labels, healthy === null ? null : Number(healthy));
  }

  schedule({ namespace, name }: ObjectRef, told: ScheduleBackups | null): void {
    const key = `${namespace ?? ""}/${name}`;
    const labels = { namespace: namespace ?? "", schedule: name, cluster: told?.cluster ?? "" };
    this.#scheduleSuccess.tell(key, labels, told?.lastSuccessSeconds ?? null);
    this.#scheduleInterval.tell(key, labels, told?.intervalSeconds ?? null);
  }
}
