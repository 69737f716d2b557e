/** What is kept as it shall be in every pass, whatever operation is under way. Pure. */
import type { BootFile } from "../../src/api/boot.ts";
import { type Action, type AppliedObject, stalled } from "./action.ts";
import { desiredObjects } from "./component/objects.ts";
import { differs, isOwned } from "./drift.ts";
import { BOOT_ANNOTATION, ROLE_LABEL, digestOf } from "./names.ts";
import { isTerminating } from "./objects.ts";
import { isDown } from "./operation/describe.ts";
import { type View, bootFileOf, isOutdated } from "./view.ts";

/** The boot ConfigMap is the journal's `boot`. */
export function planBootFiles({ facts, journal }: View): Action | null {
  const { bootFiles } = facts;
  if (bootFiles !== null && digestOf(bootFiles.files) === digestOf(journal.boot)) return null;
  return { kind: "bootFiles" };
}

export function planObjects(view: View): Action | null {
  const wrong: AppliedObject[] = [];
  for (const desired of desiredObjects(view)) {
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

/** A pod in which nothing runs, of an old revision, is made anew: the new one may be what mends it. */
export function planStuckPod(view: View): Action | null {
  const stuck = view.places.find((place) => isOutdated(view, place) && isDown(place));
  if (stuck?.pod == null) return null;
  return { kind: "deletePod", name: stuck.name, uid: stuck.pod.metadata.uid ?? "" };
}
