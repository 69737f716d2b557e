/** Jobs that end: each has one pod, which says with what, and the controller of Jobs tells it. */
import { JOB, POD } from "../../../operator/api/resources.ts";
import {
  type TransferResult,
  encodeResult,
  exitCodeOf,
} from "../../../operator/backup/transfer/result.ts";
import type { Job, JobPod } from "../../../operator/backup/objects.ts";
import type { FakeApi } from "../fake-api.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { NAMESPACE } from "./world.ts";

const TAKES_MS = 3_000;

/** What it runs: `verify`, `restore`, `backup` or `delete`. */
export function purposeOf(job: Job): string {
  return job.spec.template.spec.containers[0]?.args[1] ?? "";
}

export function flagOf(job: Job, flag: string): string {
  const args = job.spec.template.spec.containers[0]?.args ?? [];
  return args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3) ?? "";
}

/** Those of a purpose that have run for long enough, and have not ended. */
export function dueJobs(api: FakeApi, time: VirtualTime, purpose: string): Job[] {
  const jobs = api.store.all(JOB) as unknown as Job[];
  return jobs.filter((job) => {
    const age = time.wall() - Date.parse(job.metadata.creationTimestamp ?? "");
    const { status, metadata } = job;
    return (
      purposeOf(job) === purpose &&
      status === undefined &&
      metadata.deletionTimestamp === undefined &&
      age >= TAKES_MS
    );
  });
}

/** Those of a purpose that ended long enough ago to be removed by Kubernetes itself. */
export function expiredJobs(api: FakeApi, time: VirtualTime, purpose: string): Job[] {
  const jobs = api.store.all(JOB) as unknown as Job[];
  return jobs.filter((job) => {
    const [ended] = job.status?.conditions ?? [];
    const age = time.wall() - Date.parse(ended?.lastTransitionTime ?? "");
    return purposeOf(job) === purpose && age >= job.spec.ttlSecondsAfterFinished * 1_000;
  });
}

/** Null: its pod was killed before it could tell, and no other was begun in time. */
export function endJob(
  api: FakeApi,
  time: VirtualTime,
  job: Job,
  result: TransferResult | null,
): void {
  const { name, uid = "" } = job.metadata;
  const lastTransitionTime = new Date(time.wall()).toISOString();
  if (result === null) {
    const condition = { type: "Failed", status: "True", reason: "DeadlineExceeded" };
    const conditions = [{ ...condition, lastTransitionTime }];
    api.setStatus(JOB, { namespace: NAMESPACE, name }, { conditions });
    return;
  }
  const owner = { apiVersion: "batch/v1", kind: "Job", name, uid, controller: true };
  const pod: JobPod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${name}-${uid.slice(-4)}`,
      namespace: NAMESPACE,
      labels: { "batch.kubernetes.io/job-name": name },
      ownerReferences: [owner],
    },
  };
  api.store.create(POD, pod, "job-controller");
  const succeeded = result.kind !== "failure";
  const terminated = {
    exitCode: exitCodeOf(result, purposeOf(job)),
    message: encodeResult(result),
    finishedAt: lastTransitionTime,
  };
  api.setStatus(
    POD,
    { namespace: NAMESPACE, name: pod.metadata.name },
    {
      phase: succeeded ? "Succeeded" : "Failed",
      containerStatuses: [{ name: "transfer", state: { terminated } }],
    },
  );
  const type = succeeded ? "Complete" : "Failed";
  const conditions = [{ type, status: "True", lastTransitionTime }];
  api.setStatus(JOB, { namespace: NAMESPACE, name }, { conditions });
}
