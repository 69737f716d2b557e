/** The status of a QuorateTask, out of how far it has come. Pure. */
import type { Condition, QuorateTask, QuorateTaskStatus } from "../api/gen/types.ts";
import type { TaskProgress } from "./action.ts";

export function isOver({ status }: QuorateTask): boolean {
  return status?.phase === "Complete" || status?.phase === "Failed";
}

export function taskStatus(
  { metadata, status }: QuorateTask,
  changes: TaskProgress,
  now: number,
): QuorateTaskStatus {
  const at = new Date(now).toISOString();
  const { phase, message, operationID, revision } = changes;
  const over = phase === "Complete" || phase === "Failed";
  const generation = metadata.generation ?? 1;
  const condition = (type: string, holds: boolean, reason: string): Condition => {
    const before = status?.conditions?.find((each) => each.type === type);
    const is = holds ? "True" : "False";
    const lastTransitionTime = before?.status === is ? before.lastTransitionTime : at;
    return {
      type,
      status: is,
      observedGeneration: generation,
      lastTransitionTime,
      reason,
      message,
    };
  };
  return {
    observedGeneration: generation,
    phase,
    message,
    ...(operationID === undefined ? {} : { operationID }),
    ...(status?.startedAt === undefined && phase === "Pending"
      ? {}
      : { startedAt: status?.startedAt ?? at }),
    ...(over ? { completedAt: status?.completedAt ?? at } : {}),
    ...(revision === undefined ? {} : { revision }),
    conditions: [
      condition("Complete", phase === "Complete", phase),
      condition("Failed", phase === "Failed", phase),
      condition("Reconciling", !over, phase),
    ],
  };
}
