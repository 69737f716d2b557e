/**
 * The Job that reads a restore's source through while the members serve: that it is there, may be read, and is what was stored.
 * It writes nothing, needs no volume of a member, and says by its end alone what it found.
 */
import type { CheckProgress, JobFrame, Origin } from "../cluster/restore-port.ts";
import type { KubeApi, ObjectRef } from "../kube/api.ts";
import { MEMORY_LIMIT, type TransferImage, attachPlace, buildJob } from "./job.ts";
import type { Job } from "./objects.ts";
import { judgeJob } from "./outcome.ts";
import { readJob } from "./reconcile-backup.ts";

/** Its operation deletes it; this is for one that a held up operator made when that was over. Lost, it is made again. */
const KEPT_SECONDS = 600;

export interface CheckJobInput extends JobFrame {
  readonly image: TransferImage;
  readonly origin: Origin;
  readonly deadlineSeconds: number;
}

export function buildCheckJob({ origin, ...rest }: CheckJobInput): Job {
  const { place, key, sha256 } = origin;
  return buildJob({
    ...rest,
    memoryLimit: MEMORY_LIMIT,
    keptSeconds: KEPT_SECONDS,
    args: ["verify", `--key=${key}`, ...(sha256 === null ? [] : [`--sha256=${sha256}`])],
    attached: [attachPlace(place, true)],
  });
}

/** What has become of it; null: there is none, or it is leaving. */
export async function readCheck(
  kube: KubeApi,
  ref: ObjectRef,
): Promise<Exclude<CheckProgress, { readonly kind: "absent" }> | null> {
  const seen = await readJob(kube, ref);
  if (seen === null || seen.job.metadata.deletionTimestamp !== undefined) return null;
  const outcome = judgeJob(seen.job, seen.pods);
  switch (outcome.kind) {
    case "running":
      return outcome;
    case "failed":
      return { kind: "failed", message: outcome.message };
    default:
      // Whoever reads to the end has said so by ending well, though its pod be gone.
      return { kind: "sound" };
  }
}
