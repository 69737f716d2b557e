/**
 * The Job that puts a snapshot on the volume of ordinal 0, for the operation that restores a cluster. It needs the volume to
 * itself: no pod of that ordinal may run. Made again with the same nonce it goes on where it was, or tells its result again.
 */
import type { Origin, RestoreWork } from "../cluster/restore-port.ts";
import type { KubeApi, ObjectRef } from "../kube/api.ts";
import { type Attached, type TransferImage, attachPlace, buildJob } from "./job.ts";
import type { Job } from "./objects.ts";
import { type JobOutcome, judgeJob } from "./outcome.ts";
import { readJob } from "./reconcile-backup.ts";
import type { FailureReason, RestoreResult } from "./transfer/result.ts";

export interface RestoreJobInput extends RestoreWork {
  /** Of the members: what it writes is read by this version. */
  readonly image: TransferImage;
  readonly origin: Origin;
  readonly deadlineSeconds: number;
}

export function buildRestoreJob(input: RestoreJobInput): Job {
  const { namespace, name, owner, image, origin, member, peerUrl, labels } = input;
  const { sha256, key } = origin;
  const volume: Attached = {
    args: [],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: input.claimName } }],
    mounts: [{ name: "data", mountPath: input.mountPath }],
    env: [],
    serviceAccountName: null,
  };
  return buildJob({
    namespace,
    name,
    owner,
    image,
    labels,
    scheduling: input.scheduling,
    // It opens the store that it makes, with an index of every key in memory, as a member does.
    memoryLimit: null,
    deadlineSeconds: input.deadlineSeconds,
    args: [
      "restore",
      `--key=${key}`,
      ...(sha256 === null ? [] : [`--sha256=${sha256}`]),
      `--data-dir=${input.dataDir}`,
      `--nonce=${input.nonce}`,
      ...(input.inPlace ? ["--in-place"] : []),
      `--member=${member}`,
      `--initial-cluster=${member}=${peerUrl}`,
      `--initial-cluster-token=${input.token}#${input.nonce}`,
      `--peer-urls=${peerUrl}`,
      `--incarnation=${input.incarnation}`,
    ],
    attached: [attachPlace(origin.place, true), volume],
  });
}

export type RestoreOutcome =
  | Exclude<JobOutcome, { readonly kind: "succeeded" }>
  | { readonly kind: "succeeded"; readonly result: RestoreResult }
  /** There is no such Job. */
  | { readonly kind: "absent" };

/** What has become of it. "lost": delete the Job and make it again with the same nonce. */
export async function readRestore(kube: KubeApi, ref: ObjectRef): Promise<RestoreOutcome> {
  const seen = await readJob(kube, ref);
  if (seen === null) return { kind: "absent" };
  const outcome = judgeJob(seen.job, seen.pods);
  if (outcome.kind !== "succeeded") return outcome;
  const { result } = outcome;
  return result.kind === "restore" ? { kind: "succeeded", result } : { kind: "lost" };
}

/**
 * Whether a transfer that failed with this reason has surely not touched the data that were there: it said so itself, before it
 * put anything in their place. What is killed, or runs out of time, may have; made again, it finishes what it began.
 */
export function leavesDataAlone(reason: string): boolean {
  return HARMLESS.has(reason);
}

const HARMLESS: ReadonlySet<string> = new Set<FailureReason>([
  "StoreUnreachable",
  "StoreCredentials",
  "StoreDenied",
  "StoreConflict",
  "StoreFull",
  "StoreFailed",
  "NotFound",
  "SnapshotDamaged",
  "VolumeFull",
  "VolumeInUse",
  "Misconfigured",
]);

/** Whether trying again cannot help. */
export function isLasting(reason: string): boolean {
  return LASTING.has(reason);
}

const LASTING: ReadonlySet<string> = new Set<FailureReason>([
  "NotFound",
  "SnapshotDamaged",
  "VolumeInUse",
  "Misconfigured",
]);
