/** What kubelets write of pods. Null: it is written already. */
import type { Pod } from "../../../operator/cluster/objects.ts";

type Status = NonNullable<Pod["status"]>;

export const VERSION = "1.4.2";

/** The tag of its image. */
export function versionOf(pod: Pod): string {
  return /:([^:/]+)$/.exec(containerOf(pod)?.image ?? "")?.[1] ?? VERSION;
}

/** Bytes at which its member raises NOSPACE. */
export function quotaOf(pod: Pod): number {
  const flag = "--quota-backend-bytes=";
  const arg = containerOf(pod)?.args?.find((each) => each.startsWith(flag));
  return Number(arg?.slice(flag.length) ?? 0);
}

interface Container {
  readonly image?: string;
  readonly args?: readonly string[];
}

function containerOf(pod: Pod): Container | undefined {
  return (pod as { spec?: { containers?: readonly Container[] } }).spec?.containers?.[0];
}

export function runningStatus(
  pod: Pod,
  running: boolean,
  ready: boolean,
  nowMs: number,
): Status | null {
  const before = pod.status?.conditions?.find(({ type }) => type === "Ready");
  const is = ready ? "True" : "False";
  if (before?.status === is && pod.status?.phase === (running ? "Running" : "Pending")) return null;
  const isSince = before?.status === is ? before.lastTransitionTime : undefined;
  const lastTransitionTime = isSince ?? new Date(nowMs).toISOString();
  return {
    phase: running ? "Running" : "Pending",
    podIP: `10.0.0.${Number(pod.metadata.name.replace(/^.*-/, "")) + 1}`,
    conditions: [{ type: "Ready", status: is, lastTransitionTime }],
    containerStatuses: [
      {
        name: "quorate",
        ready,
        restartCount: 0,
        state: running ? { running: {} } : { waiting: { reason: "ContainerCreating" } },
      },
    ],
  };
}

/** Its container has ended again and again, saying this, and waits for its next turn. */
export function failedStatus(pod: Pod, says: string): Status | null {
  if (pod.status?.containerStatuses?.[0]?.lastState !== undefined) return null;
  const waiting = { reason: "CrashLoopBackOff", message: "back-off 10s restarting the container" };
  const lastState = { terminated: { exitCode: 1, reason: "Error", message: says } };
  return {
    phase: "Running",
    containerStatuses: [
      { name: "quorate", ready: false, restartCount: 2, state: { waiting }, lastState },
    ],
  };
}
