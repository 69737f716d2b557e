/**
 * A member whose data are lost makes room at its own place: out of the list, its disk away, its pod anew. What comes back is
 * an idle pod, and joins as every other does.
 */
import { type Action, stalled, wait } from "../action.ts";
import { isBackupReading } from "../facts.ts";
import type { ReplaceMemberOperation } from "../journal.ts";
import { withBootFile } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { finish, write } from "../step.ts";
import { type Place, type View, canLose, placeOf, quorumOf } from "../view.ts";

export function planReplaceMember(view: View, operation: ReplaceMemberOperation): Action {
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read now: no quorum answers");
  const place = placeOf(view, operation.member);
  if (place === null) return finish(view, "Done", `${operation.member} is not there`);
  // The list knows the member by its peer URL; its id tells it from a successor.
  if (place.member !== null && place.member.id === operation.memberId)
    return remove(view, operation, place, place.member.id);
  if (place.member !== null) return finish(view, "Done", `${place.name} has a successor already`);
  return clearAway(view, operation, place);
}

function remove(view: View, operation: ReplaceMemberOperation, place: Place, id: string): Action {
  if (place.member?.isLearner !== true && !canLose(view, place)) {
    const remaining = view.voters.length - 1;
    const why =
      remaining === 0
        ? "it is the only voter. A backup, or a QuorateTask, has to bring the data back"
        : `of the ${remaining} voters that remain, ${quorumOf(remaining)} have to take part`;
    return stalled("AwaitQuorum", `${place.name} is not removed (${operation.reason}): ${why}`);
  }
  // Whose claim was deleted is well until its pod goes.
  const isWell =
    operation.reason === "Asked" || (operation.reason === "ClaimDeleted" && place.participates);
  if (isWell && isBackupReading(view.facts))
    return wait("AwaitBackup", "a backup reads from a member");
  if (operation.reason === "Asked" && view.leader?.name === place.name) {
    const heir = view.places.find(({ participates, name }) => participates && name !== place.name);
    const targetId = heir?.member?.id;
    if (targetId !== undefined) return { kind: "moveLeader", from: place.name, targetId };
  }
  return { kind: "memberRemove", id };
}

/** From here it only goes forward. The pod goes after its claim was marked, or the old volume would be used again. */
function clearAway(view: View, operation: ReplaceMemberOperation, place: Place): Action {
  const { journal } = view;
  if (journal.boot[place.name] !== undefined)
    return write(view, { boot: withBootFile(journal, place.name, null) });
  const { claim, pod } = place;
  const claimUid = claim?.metadata.uid ?? null;
  if (claim !== null && claimUid !== null && claimUid === operation.claimUid) {
    if (!isTerminating(claim))
      return {
        kind: "deleteClaim",
        name: claim.metadata.name,
        uid: claimUid,
        vacated: place.peerUrl,
      };
    if (pod !== null && !isTerminating(pod))
      return { kind: "deletePod", name: pod.metadata.name, uid: pod.metadata.uid ?? "" };
    return wait("AwaitDiskGone", `the claim ${claim.metadata.name} has not gone yet`);
  }
  // A pod that never ran does not hold its claim, and would wait for it for ever.
  if (pod !== null && pod.metadata.uid === operation.podUid) {
    return isTerminating(pod)
      ? wait("AwaitPodGone", `the pod ${pod.metadata.name} has not gone yet`)
      : { kind: "deletePod", name: pod.metadata.name, uid: operation.podUid };
  }
  return finish(view, "Done", `${place.name} made room (${operation.reason})`);
}
