/** What has become of a Job, by what it and its pods say. Pure. */
import { CONTAINER } from "./job.ts";
import type { Job, JobPod } from "./objects.ts";
import { type TransferResult, decodeResult } from "./transfer/result.ts";

export type JobOutcome =
  /** `note`: what it waits for, or how the last attempt failed; empty while there is nothing to say. */
  | { readonly kind: "running"; readonly note: string }
  | { readonly kind: "succeeded"; readonly result: TransferResult }
  | { readonly kind: "failed"; readonly reason: string; readonly message: string }
  /** It has ended well, and nobody knows with what result: its pods are gone. Idempotent as transfers are, it can run again. */
  | { readonly kind: "lost" };

export function judgeJob(job: Job, pods: readonly JobPod[]): JobOutcome {
  const conditions = job.status?.conditions ?? [];
  const isNow = (type: string): boolean =>
    conditions.some((each) => each.type === type && each.status === "True");
  const ended = pods
    .flatMap((pod) => endOf(pod) ?? [])
    .toSorted((a, b) => a.finishedAt.localeCompare(b.finishedAt));
  if (isNow("Complete")) {
    const result = ended.findLast(({ exitCode }) => exitCode === 0)?.result ?? null;
    return result === null ? { kind: "lost" } : { kind: "succeeded", result };
  }
  const last = ended.findLast(({ exitCode }) => exitCode !== 0);
  const failure = last === undefined ? null : failureOf(last);
  if (isNow("Failed")) {
    const { reason = "Failed", message = "" } =
      conditions.find(({ type }) => type === "Failed") ?? {};
    // The deadline of the Job ends an attempt that would otherwise say that it was interrupted.
    if (reason === "DeadlineExceeded" || failure === null)
      return { kind: "failed", reason, message: withLast(message, failure?.message ?? "") };
    return { kind: "failed", ...failure };
  }
  const waiting = pods.flatMap((pod) => waitOf(pod) ?? [])[0];
  return {
    kind: "running",
    note: waiting ?? (failure === null ? "" : `an attempt failed: ${failure.message}`),
  };
}

interface PodEnd {
  readonly exitCode: number;
  readonly finishedAt: string;
  readonly text: string;
  readonly reason: string;
  readonly result: TransferResult | null;
}

function endOf(pod: JobPod): PodEnd | null {
  const state = pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.state;
  const ended = state?.terminated;
  if (ended !== undefined) {
    const { exitCode, finishedAt = "", message: text = "", reason = "" } = ended;
    return { exitCode, finishedAt, text, reason, result: decodeResult(text) };
  }
  if (pod.status?.phase !== "Failed") return null;
  const { reason = "", message: text = "" } = pod.status;
  return { exitCode: 1, finishedAt: "", text, reason, result: null };
}

function failureOf({ result, text, reason, exitCode }: PodEnd): {
  readonly reason: string;
  readonly message: string;
} {
  if (result?.kind === "failure") return { reason: result.reason, message: result.message };
  const said = text.trim().slice(-1000);
  const message = `the transfer ended with ${exitCode}${reason === "" ? "" : ` (${reason})`}${said === "" ? "" : `: ${said}`}`;
  return {
    reason: /^[A-Z][A-Za-z]+$/.test(reason) && reason !== "Error" ? reason : "Failed",
    message,
  };
}

function withLast(message: string, last: string): string {
  return last === "" ? message : `${message}; the last attempt: ${last}`;
}

/** Why a pod has not begun. */
function waitOf({ metadata, status }: JobPod): string | null {
  if (status?.phase !== "Pending") return null;
  const waiting = status.containerStatuses?.find(({ name }) => name === CONTAINER)?.state?.waiting;
  if (waiting?.reason !== undefined && waiting.reason !== "ContainerCreating")
    return `the pod ${metadata.name} waits: ${waiting.reason}: ${waiting.message ?? ""}`;
  const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
  return scheduled?.status === "False"
    ? `the pod ${metadata.name} waits: ${scheduled.reason ?? ""}: ${scheduled.message ?? ""}`
    : null;
}
