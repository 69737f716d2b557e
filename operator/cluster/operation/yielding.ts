/** What waits makes room for a repair that need not wait: an alarm, or a member whose data are lost. Pure. */
import type { Action, Wait } from "../action.ts";
import type { Operation } from "../journal.ts";
import { proceed } from "../step.ts";
import { type View, placeOf } from "../view.ts";
import { planCorruption } from "./corruption.ts";
import { planReplacement } from "./repair.ts";
import { planSpace } from "./space.ts";
import { giveUp } from "./tasks.ts";

/**
 * Repairs are operations too, and there is one at a time: what waits for a member, a pod or a person would keep the cluster from
 * taking writes for as long as that takes. What it had begun is seen in what is, and begun again. Null: it goes on.
 */
export function planYielding(view: View, operation: Operation, { message }: Wait): Action | null {
  if (!mayYield(view, operation)) return null;
  const repair = planCorruption(view) ?? planSpace(view) ?? planReplacement(view);
  const begun = repair?.kind === "journal" ? repair.document.operation : null;
  if (begun == null || subjectOf(begun) === subjectOf(operation)) return null;
  const why = `${begun.type} comes first; it waited: ${message}`;
  return operation.type === "AddMember"
    ? proceed(view, operation, { step: "Abandon", abandoned: why })
    : giveUp(view, operation, why);
}

/** A repair does not make room for itself. */
function subjectOf(operation: Operation): string {
  return `${operation.type} ${"member" in operation ? operation.member : ""}`;
}

function mayYield(view: View, operation: Operation): boolean {
  switch (operation.type) {
    case "Roll":
    case "Defragment":
    case "RepairSpace":
    case "RotateAuthority":
    case "MovePeers":
      return true;
    case "RemoveMember":
    case "ReplaceMember":
      // Once it is out of the list there is only forward.
      return placeOf(view, operation.member)?.member != null;
    case "AddMember": {
      // A learner that gets on will soon have been promoted.
      const isLearner = placeOf(view, operation.member)?.member != null;
      const isLate = view.facts.now > Date.parse(operation.deadline ?? "");
      return operation.abandoned === null && (!isLearner || isLate);
    }
    default:
      return false;
  }
}
