/** What clusters ask: restores, each a Job on the volume of ordinal 0, what they read beforehand, and how their backups are. */
import type { Observation } from "../api/conditions.ts";
import { JOB, QUORATE_BACKUP_SCHEDULE } from "../api/resources.ts";
import type {
  DefaultedImageSpec,
  QuorateBackup,
  QuorateBackupSchedule,
  RestoreSource,
} from "../api/gen/types.ts";
import type {
  CheckOrder,
  CheckProgress,
  FoundOrigin,
  Origin,
  RestoreOrder,
  RestorePort,
  RestoreProgress,
} from "../cluster/restore-port.ts";
import type { KubeApi, ObjectRef } from "../kube/api.ts";
import { buildCheckJob, readCheck } from "./check-job.ts";
import { backupHealth } from "./health.ts";
import type { TransferImage } from "./job.ts";
import { buildRestoreJob, isLasting, leavesDataAlone, readRestore } from "./restore-job.ts";
import { findOrigin } from "./restore-source.ts";

/** A large snapshot from a slow store. */
const DEADLINE_SECONDS = 6 * 3_600;

export class Restores implements RestorePort {
  readonly #kube: KubeApi;

  constructor(kube: KubeApi) {
    this.#kube = kube;
  }

  async progress(
    job: ObjectRef,
    source: RestoreSource,
    origin: Origin | null,
  ): Promise<RestoreProgress> {
    const outcome = await readRestore(this.#kube, job);
    if (outcome.kind === "failed") {
      const { reason } = outcome;
      return { ...outcome, harmless: leavesDataAlone(reason), lasting: isLasting(reason) };
    }
    if (outcome.kind !== "absent") return outcome;
    return { kind: "absent", source: await this.#find(job, source, origin) };
  }

  async start({ pull, ...order }: RestoreOrder): Promise<void> {
    const image = { image: order.image, ...pulled(pull) };
    const job = buildRestoreJob({ ...order, image, deadlineSeconds: DEADLINE_SECONDS });
    await this.#kube.create(JOB, job);
  }

  async checked(
    job: ObjectRef,
    source: RestoreSource,
    origin: Origin | null,
  ): Promise<CheckProgress> {
    const check = await readCheck(this.#kube, job);
    return check ?? { kind: "absent", source: await this.#find(job, source, origin) };
  }

  async check({ pull, ...order }: CheckOrder): Promise<void> {
    const image = { image: order.image, ...pulled(pull) };
    const job = buildCheckJob({ ...order, image, deadlineSeconds: DEADLINE_SECONDS });
    await this.#kube.create(JOB, job);
  }

  async #find(
    { namespace }: ObjectRef,
    source: RestoreSource,
    origin: Origin | null,
  ): Promise<FoundOrigin> {
    if (origin !== null) return { kind: "found", origin };
    return await findOrigin(this.#kube, namespace ?? "", source);
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

function pulled({
  pullPolicy,
  pullSecrets = [],
}: DefaultedImageSpec): Omit<TransferImage, "image"> {
  return { pullPolicy, pullSecrets };
}
