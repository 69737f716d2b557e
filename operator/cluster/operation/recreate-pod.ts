/** A pod that stayed unready is deleted once; the StatefulSet makes it anew. */
import type { Action } from "../action.ts";
import type { RecreatePodOperation } from "../journal.ts";
import { isReady, isTerminating } from "../objects.ts";
import { finish } from "../step.ts";
import { type View, placeOf } from "../view.ts";

export function planRecreatePod(view: View, operation: RecreatePodOperation): Action {
  const pod = placeOf(view, operation.member)?.pod ?? null;
  if (pod === null || pod.metadata.uid !== operation.podUid || isTerminating(pod))
    return finish(view, "Done", `the pod ${operation.member} is made anew`);
  if (isReady(pod)) return finish(view, "Abandoned", `${operation.member} became ready by itself`);
  return { kind: "deletePod", name: pod.metadata.name, uid: operation.podUid };
}
