/** Restores, as clusters ask for them: a Job on the volume of ordinal 0. */
import { JOB } from "../api/resources.ts";
import type { RestoreSource } from "../api/gen/types.ts";
import type { RestoreOrder, RestorePort, RestoreProgress } from "../cluster/restore-port.ts";
import { type KubeApi, KubeError, type ObjectRef } from "../kube/api.ts";
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

  async drop(job: ObjectRef): Promise<void> {
    await this.#kube.delete(JOB, job, { propagation: "Background" });
  }
}
