/** What stands in a pod's way, in a sentence's second half: for messages that say what is waited for. Pure. */
import type { Action } from "../action.ts";
import type { ContainerState, ContainerStatus, Pod } from "../objects.ts";
import { CONTAINER } from "../names.ts";
import { isTerminating } from "../objects.ts";
import type { Place, View } from "../view.ts";

/** Of what a container said last. */
const SAID_LENGTH_MAX = 600;

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
  const before = container?.lastState?.terminated;
  if (waiting !== undefined) {
    // Of one that ended again and again the kubelet says no more than for how long it waits.
    const why = said(before?.message) || said(waiting.message);
    return `its container waits: ${waiting.reason ?? "no reason given"}${why}`;
  }
  const ended = container?.state?.terminated;
  if (ended !== undefined)
    return `its container ended with ${ended.exitCode}${said(ended.message)}`;
  const found = view.facts.members.get(place.name);
  if (boot !== null && boot.phase === "Running" && boot.reason === "") {
    const silent = [found?.state, found?.readThrough].find((read) => read?.known === false);
    return silent?.known === false ? `it runs, but: ${silent.why}` : "it runs, and is behind";
  }
  if (boot !== null)
    return boot.reason === "" ? `it is ${boot.phase}` : `it is ${boot.phase}: ${boot.reason}`;
  if (before !== undefined)
    return `its container has ended with ${before.exitCode} and runs again${said(before.message)}`;
  if (found?.boot.known === false) return `it does not answer: ${found.boot.why}`;
  return "nothing is known of it yet";
}

/** Its last lines, with what comes before a message. */
function said(message: string | undefined): string {
  const text = message?.trim().slice(-SAID_LENGTH_MAX) ?? "";
  return text === "" ? "" : `: ${text}`;
}

/** Why the kubelet does not let a container begin where no time mends it. */
const FAULTS: ReadonlySet<string> = new Set([
  "CrashLoopBackOff",
  "CreateContainerConfigError",
  "CreateContainerError",
  "ErrImageNeverPull",
  "ErrImagePull",
  "ImageInspectError",
  "ImagePullBackOff",
  "InvalidImageName",
  "RunContainerError",
]);

/** The kubelet has given it up for now. */
export function cannotStart({ pod, boot }: Place): boolean {
  if (boot !== null || pod === null || isTerminating(pod)) return false;
  return FAULTS.has(containerOf(pod)?.state?.waiting?.reason ?? "");
}

/** What is wrong with it waiting alone will not mend, as far as anybody can tell: a person may have to. */
export function isFaulty(place: Place): boolean {
  const { pod, boot } = place;
  if (boot !== null) return boot.refusal !== undefined;
  const container = pod === null ? null : containerOf(pod);
  if (container?.state?.waiting !== undefined) return cannotStart(place);
  return (
    container?.state?.terminated !== undefined || container?.lastState?.terminated !== undefined
  );
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

/** How its container ended last; null: it has not. */
export function endOf(pod: Pod): ContainerEnd | null {
  const container = containerOf(pod);
  return container?.state?.terminated ?? container?.lastState?.terminated ?? null;
}

type ContainerEnd = NonNullable<ContainerState["terminated"]>;

export function isOomKilled(pod: Pod): boolean {
  return endOf(pod)?.reason === "OOMKilled";
}

const DAMAGE = /\bcorrupt|checksum|\bdamaged\b/i;
/** Of a member that refuses what it was told, which may well be a flag with such a name: its data are as they were. */
const USAGE_EXIT = 2;

/** Its data cannot be read. */
export function saysDamage({ exitCode, message = "" }: ContainerEnd): boolean {
  return exitCode !== 0 && exitCode !== USAGE_EXIT && DAMAGE.test(message);
}

/** The volume is on a node that is no more, so the pod can run nowhere. */
export function isStranded(view: View, { pod, claim }: Place): boolean {
  if (pod === null || pod.status?.phase !== "Pending" || claim === null) return false;
  return view.facts.strandedClaims.has(claim.metadata.name);
}
