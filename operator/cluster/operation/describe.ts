/** What stands in a pod's way, in a sentence's second half: for messages that say what is waited for. Pure. */
import type { Action } from "../action.ts";
import type { ContainerStatus, Pod } from "../objects.ts";
import { isTerminating } from "../objects.ts";
import type { Place, View } from "../view.ts";

export const CONTAINER = "quorate";

export function containerOf(pod: Pod): ContainerStatus | null {
  return pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER) ?? null;
}

export function describePod(view: View, place: Place): string {
  const { pod, boot } = place;
  if (pod === null) return "it has no pod";
  if (isTerminating(pod)) return "its pod is being deleted";
  const unscheduled = pod.status?.conditions?.find(
    ({ type, status }) => type === "PodScheduled" && status === "False",
  );
  if (unscheduled !== undefined)
    return `its pod is not scheduled: ${unscheduled.message ?? unscheduled.reason ?? "no reason given"}`;
  const container = containerOf(pod);
  const waiting = container?.state?.waiting;
  if (waiting !== undefined) {
    const before = container?.lastState?.terminated?.message?.trim();
    const why = waiting.message ?? before ?? "";
    return `its container waits: ${[waiting.reason, why].filter((part) => part !== undefined && part !== "").join(": ")}`;
  }
  const ended = container?.state?.terminated;
  if (ended !== undefined)
    return `its container ended with ${ended.exitCode}${ended.message === undefined ? "" : `: ${ended.message.trim()}`}`;
  const found = view.facts.members.get(place.name);
  if (boot !== null && boot.phase === "Running" && boot.reason === "") {
    const silent = [found?.state, found?.readThrough].find((read) => read?.known === false);
    return silent?.known === false ? `it runs, but: ${silent.why}` : "it runs, and is behind";
  }
  if (boot !== null)
    return boot.reason === "" ? `it is ${boot.phase}` : `it is ${boot.phase}: ${boot.reason}`;
  if (found?.boot.known === false) return `it does not answer: ${found.boot.why}`;
  return "nothing is known of it yet";
}

/** Nothing runs in this pod, or nothing that came up within a minute: deleting it takes nobody away. */
export function isDown({ pod, boot }: Place): boolean {
  // Who answers runs: what Kubernetes says of a pod comes later.
  if (pod === null || boot !== null || isTerminating(pod)) return false;
  if (pod.status?.phase === "Pending" || pod.status?.phase === "Failed") return true;
  const state = containerOf(pod)?.state;
  return state?.waiting !== undefined || state?.terminated !== undefined;
}

/** Takes a pod away in which nothing runs, unless something has begun to. */
export function deleteDown(pod: Pod): Action {
  const { name, uid = "", resourceVersion = "" } = pod.metadata;
  return { kind: "deletePod", name, uid, resourceVersion };
}

export function isOomKilled(pod: Pod): boolean {
  const container = containerOf(pod);
  const ended = container?.state?.terminated ?? container?.lastState?.terminated;
  return ended?.reason === "OOMKilled";
}

/** The volume is on a node that is no more, so the pod can run nowhere. */
export function isStranded(view: View, { pod, claim }: Place): boolean {
  if (pod === null || pod.status?.phase !== "Pending" || claim === null) return false;
  return view.facts.strandedClaims.has(claim.metadata.name);
}
