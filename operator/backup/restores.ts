/** What clusters ask: restores, each a Job on the volume of ordinal 0, and how their backups are. */
import type { Observation } from "../api/conditions.ts";
import { JOB, QUORATE_BACKUP_SCHEDULE } from "../api/resources.ts";
import type { QuorateBackup, QuorateBackupSchedule, RestoreSource } from "../api/gen/types.ts";
import type { RestoreOrder, RestorePort, RestoreProgress } from "../cluster/restore-port.ts";
import { type KubeApi, KubeError, type ObjectRef } from "../kube/api.ts";
import { backupHealth } from "./health.ts";
import { buildRestoreJob, isLasting, leavesDataAlone, readRestore } from "./restore-job.ts";
import { findOrigin } from "./restore-source.ts";

/** A large snapshot from a slow store. */
const DEADLINE_SECONDS = 6 * 3_600;

export class Restores implements RestorePort {
  readonly #kube: KubeApi;

  constructor(kube: KubeApi) {
    this.#kube = kube;
  }

  async progress(job: ObjectRef, source: RestoreSource): Promise<RestoreProgress> {
    const outcome = await readRestore(this.#kube, job);
    if (outcome.kind === "failed") {
      const { reason } = outcome;
      return { ...outcome, harmless: leavesDataAlone(reason), lasting: isLasting(reason) };
    }
    if (outcome.kind !== "absent") return outcome;
    const found = await findOrigin(this.#kube, job.namespace ?? "", source);
    if (found.kind === "found") return { kind: "absent", obstacle: null };
    const { reason, message } = found;
    return { kind: "absent", obstacle: { reason, message, lasting: found.kind === "refused" } };
  }

  async start(order: RestoreOrder): Promise<void> {
    const { source, image, pull, ...rest } = order;
    const found = await findOrigin(this.#kube, order.namespace, source);
    if (found.kind !== "found") throw new KubeError("conflict", found.message);
    const job = buildRestoreJob({
      ...rest,
      origin: found.origin,
      image: { image, pullPolicy: pull.pullPolicy, pullSecrets: pull.pullSecrets ?? [] },
      deadlineSeconds: DEADLINE_SECONDS,
    });
    await this.#kube.create(JOB, job);
  }

  async health(
    cluster: ObjectRef,
    backups: readonly QuorateBackup[],
    now: number,
  ): Promise<Observation<"BackupHealthy">> {
    const { items } = await this.#kube.list<QuorateBackupSchedule>(QUORATE_BACKUP_SCHEDULE, {
      namespace: cluster.namespace,
    });
    const own = items.filter(
      ({ spec }) => spec.backupTemplate.spec.clusterRef.name === cluster.name,
    );
    return backupHealth(backups, own, now);
  }

  async drop(job: ObjectRef): Promise<void> {
    await this.#kube.delete(JOB, job, { propagation: "Background" });
  }
}
