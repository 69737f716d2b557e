/** A disk that no member needs: the claim is marked first, and goes when its pod has gone. Pure. */
import { type Action, wait } from "../action.ts";
import { isTerminating } from "../objects.ts";
import type { Place } from "../view.ts";

/** The next step towards an empty disk at this place. Whoever calls knows that no member of the list lives there. */
export function wipe({ name, claim, pod, peerUrl }: Place): Action {
  if (claim !== null && !isTerminating(claim)) {
    const { name: called, uid = "" } = claim.metadata;
    return { kind: "deleteClaim", name: called, uid, vacated: peerUrl };
  }
  if (pod !== null && !isTerminating(pod))
    return { kind: "deletePod", name: pod.metadata.name, uid: pod.metadata.uid ?? "" };
  return wait("AwaitDisk", `the disk of ${name} is being deleted`);
}
