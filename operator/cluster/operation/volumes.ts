/** Volumes grow before anything asks whether the members are well: a full disk may be why they are not. Pure. */
import { quantityOf } from "../../api/quantity.ts";
import { type Action, wait } from "../action.ts";
import { specOf } from "../adoption.ts";
import type { GrowVolumesOperation } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { begin, finish } from "../step.ts";
import type { Place, View } from "../view.ts";

/**
 * The next claim that has to grow; null: none that may. Asked while an operation waits as well, and by the spec as it is now: a
 * full disk may be what the operation waits for.
 */
export function planExpansion(view: View): Action | null {
  for (const place of view.places) {
    if (!isTooSmall(view, place) || !mayGrow(view, place)) continue;
    const size = String(sizeOf(view));
    return { kind: "expandClaim", name: place.claim?.metadata.name ?? "", size };
  }
  return null;
}

/** Volumes never shrink, so the larger of what is followed and what was asked for since is what comes. */
function sizeOf({ spec, facts }: View): string | number {
  const { size } = specOf(facts.cluster).storage;
  return quantityOf(size) > quantityOf(spec.storage.size) ? size : spec.storage.size;
}

/** The next claim that has to grow, or the claim template that has to; null: all are as large as the spec says. */
export function planGrowth(view: View): Action | null {
  const { spec, facts } = view;
  const { size } = spec.storage;
  const expansion = planExpansion(view);
  if (expansion !== null) return expansion;
  const set = facts.statefulSet;
  const template = set?.spec.volumeClaimTemplates?.[0]?.spec?.resources?.requests?.storage;
  if (set === null || template === undefined || isTerminating(set)) return null;
  if (quantityOf(template) >= quantityOf(size)) return null;
  const statefulSetUid = set.metadata.uid ?? "";
  return begin(view, { type: "GrowVolumes", step: "RemakeStatefulSet", statefulSetUid });
}

/** The claim template cannot be changed: the set is deleted, its pods stay, and it is made again around them. */
export function planGrowVolumes(view: View, operation: GrowVolumesOperation): Action {
  const set = view.facts.statefulSet;
  if (set !== null && set.metadata.uid === operation.statefulSetUid) {
    return isTerminating(set)
      ? wait("AwaitStatefulSet", "the StatefulSet is being made again, around its pods")
      : { kind: "orphanStatefulSet", uid: operation.statefulSetUid };
  }
  return finish(view, "Done", `new volumes have ${view.spec.storage.size}`);
}

function isTooSmall(view: View, { claim }: Place): boolean {
  const asked = claim?.spec?.resources?.requests?.storage;
  if (claim === null || asked === undefined || isTerminating(claim)) return false;
  return quantityOf(asked) < quantityOf(sizeOf(view));
}

/** As far as the storage class says. */
function mayGrow({ facts }: View, { claim }: Place): boolean {
  return facts.expandable.get(claim?.spec?.storageClassName ?? "") !== false;
}

/** What keeps volumes from growing, for a person; null: nothing does. */
export function refusedGrowth(view: View): string | null {
  const stuck = view.places.filter((place) => isTooSmall(view, place) && !mayGrow(view, place));
  if (stuck.length === 0) return null;
  const [first] = stuck;
  const names = stuck.map(({ claim }) => claim?.metadata.name).join(", ");
  return (
    `the storage class ${first?.claim?.spec?.storageClassName ?? ""} does not let volumes grow: ${names} stay as they are. ` +
    "Replace the members one by one with QuorateTasks: new volumes have the new size"
  );
}
