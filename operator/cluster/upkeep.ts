/** What is kept as it shall be in every pass, whatever operation is under way. Pure. */
import type { BootFile } from "../../src/api/boot.ts";
import { type Action, type AppliedObject, stalled } from "./action.ts";
import {
  CERTIFICATE,
  NETWORK_POLICY,
  POD_DISRUPTION_BUDGET,
  POD_MONITOR,
  PROMETHEUS_RULE,
} from "../api/resources.ts";
import type { Resource } from "../kube/api.ts";
import { desiredObjects, desiredStatefulSet } from "./component/objects.ts";
import { differs, isOwned } from "./drift.ts";
import { BOOT_ANNOTATION, ROLE_LABEL, digestOf } from "./names.ts";
import { isTerminating } from "./objects.ts";
import { deleteDown, isDown } from "./operation/describe.ts";
import { isLeftAlone } from "./operation/failed-roll.ts";
import { type View, bootFileOf, isOutdated } from "./view.ts";

/** The boot ConfigMap is the journal's `boot`. */
export function planBootFiles({ facts, journal }: View): Action | null {
  const { bootFiles } = facts;
  if (bootFiles !== null && digestOf(bootFiles.files) === digestOf(journal.boot)) return null;
  return { kind: "bootFiles" };
}

/** What pods need, and what is around them. */
export function planSupport(view: View): Action | null {
  const desired = desiredObjects(view);
  return applied(view, desired) ?? planSuperfluous(view, desired);
}

/** After everything that its pods need. */
export function planStatefulSet(view: View): Action | null {
  return applied(view, [desiredStatefulSet(view)]);
}

function applied(view: View, wanted: readonly AppliedObject[]): Action | null {
  const wrong: AppliedObject[] = [];
  for (const desired of wanted) {
    const { kind, metadata } = desired.object;
    const live = view.facts.owned.get(`${kind}/${metadata.name}`);
    if (live === undefined) wrong.push(desired);
    else if (!isOwned(live, view.facts.cluster)) {
      return stalled(
        "ForeignObject",
        `${kind} ${metadata.name} is there and belongs to something else: delete or rename it`,
      );
    } else if (differs(desired.object, live)) wrong.push(desired);
  }
  return wrong.length === 0 ? null : { kind: "apply", objects: wrong };
}

/** Kinds of which a cluster may have one or none. */
const OPTIONAL: readonly Resource[] = [
  POD_DISRUPTION_BUDGET,
  NETWORK_POLICY,
  POD_MONITOR,
  PROMETHEUS_RULE,
  CERTIFICATE,
];

/** What the spec does not ask for any more. Without the member list nobody knows whether a budget is needed: it stays. */
function planSuperfluous(view: View, desired: readonly AppliedObject[]): Action | null {
  const { cluster, owned } = view.facts;
  const wanted = new Set(desired.map(({ object }) => `${object.kind}/${object.metadata.name}`));
  for (const resource of OPTIONAL) {
    if (resource === POD_DISRUPTION_BUDGET && view.memberList === null) continue;
    for (const [key, { metadata }] of owned) {
      const isKind = key.startsWith(`${resource.kind}/`);
      if (!isKind || wanted.has(key) || !isOwned({ ...cluster, metadata }, cluster)) continue;
      const { name, uid = "" } = metadata;
      return { kind: "deleteOwned", resource, name, uid };
    }
  }
  return null;
}

/** The StatefulSet has as many pods as the journal says. */
export function planSize({ facts, journal }: View): Action | null {
  const set = facts.statefulSet;
  if (set === null || set.spec.replicas === journal.size) return null;
  const resourceVersion = set.metadata.resourceVersion ?? "";
  return { kind: "scale", replicas: journal.size, resourceVersion };
}

/** The role, for the disruption budget, and the digest of the boot file, for the kubelet. */
export function planMarks(view: View): Action | null {
  for (const place of view.places) {
    const { pod, member, name } = place;
    if (pod === null || isTerminating(pod)) continue;
    const role = member !== null && !member.isLearner ? "voter" : "learner";
    const digest = digestOfFile(bootFileOf(view, name));
    const labels = pod.metadata.labels ?? {};
    const isRoleKnown = view.memberList !== null;
    const hasRole = !isRoleKnown || labels[ROLE_LABEL] === role;
    if (hasRole && pod.metadata.annotations?.[BOOT_ANNOTATION] === digest) continue;
    return {
      kind: "markPod",
      name,
      uid: pod.metadata.uid ?? "",
      labels: isRoleKnown ? { [ROLE_LABEL]: role } : {},
      annotations: { [BOOT_ANNOTATION]: digest },
    };
  }
  return null;
}

function digestOfFile(file: BootFile): string {
  return digestOf(file);
}

/**
 * A pod in which nothing runs, of an old revision, is made anew: the new one may be what mends it. So is one whose member is
 * refused, as long as no roll waits for another one: then the old revision is what those have that it waits for.
 */
export function planStuckPod(view: View): Action | null {
  const { operation } = view.journal;
  const rolls = operation?.type === "Roll" && operation.current !== null;
  const stuck = view.places.find(
    (place) =>
      isOutdated(view, place) &&
      !isLeftAlone(view, place) &&
      (isDown(place) || (!rolls && place.boot?.refusal !== undefined)),
  );
  if (stuck?.pod == null) return null;
  return deleteDown(stuck.pod);
}
