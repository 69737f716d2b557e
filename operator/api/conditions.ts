/** Conditions: observations, each with the generation that it is about and the time at which its status last changed. Pure. */
import type { Condition } from "./gen/types.ts";

export type ConditionStatus = Condition["status"];

/** What is true now, without its history. `reason` is a word in CamelCase, `message` says what to do. */
export interface Observation<T extends string = string> {
  readonly type: T;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
}

/**
 * Of a cluster. All are set at the first visit. Ready sums up; Reconciling and Stalled are for tools that know kstatus: while one
 * is True, the object is not what its spec says.
 */
export const CLUSTER_CONDITIONS = [
  "Ready",
  "Available",
  "Reconciling",
  "Stalled",
  "Degraded",
  "Updated",
  "BackupHealthy",
  "TLSReady",
  "TopologySatisfied",
  "QuorumLost",
] as const;

export type ClusterConditionType = (typeof CLUSTER_CONDITIONS)[number];

/** As the schema has it; longer ones are cut, since a status that is refused tells nobody anything. */
const MESSAGE_LENGTH_MAX = 32_768;
const REASON = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;

/**
 * The list to write: every observation, in the order given, then those of `previous` that nothing was said about. Where the
 * status is as it was, so is its time. @param now RFC 3339, whole seconds.
 */
export function setConditions(
  previous: readonly Condition[] | undefined,
  observations: readonly Observation[],
  observedGeneration: number,
  now: string,
): Condition[] {
  const before = new Map(previous?.map((condition) => [condition.type, condition]));
  const current = observations.map(({ type, status, reason, message }): Condition => {
    if (!REASON.test(reason)) throw new RangeError(`reason "${reason}" of ${type} is no word`);
    const known = before.get(type);
    before.delete(type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : now;
    return {
      type,
      status,
      observedGeneration,
      lastTransitionTime,
      reason,
      message: truncate(message),
    };
  });
  return [...current, ...before.values()];
}

function truncate(message: string): string {
  // Counted in characters by the API server, in UTF-16 units here: never more of the former than of the latter.
  if (message.length <= MESSAGE_LENGTH_MAX) return message;
  return `${message.slice(0, MESSAGE_LENGTH_MAX - 1)}…`;
}

export function findCondition(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | null {
  return conditions?.find((condition) => condition.type === type) ?? null;
}

/** Whether it was observed to be so; an observation about an older generation counts too. */
export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "True";
}
