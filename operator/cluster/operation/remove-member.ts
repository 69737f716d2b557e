/** The member with the highest ordinal leaves: leadership first, then the list, then the pod, then by the policy its disk. */
import { type Action, stalled, wait } from "../action.ts";
import { isBackupReading } from "../facts.ts";
import type { RemoveMemberOperation } from "../journal.ts";
import { withBootFile } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { finish, proceed, write } from "../step.ts";
import { type Place, type View, canLose, placeOf, quorumOf } from "../view.ts";
import { describePod } from "./describe.ts";

/** Tries before a leader is removed as it is. */
const HANDOVERS_MAX = 3;

export function planRemoveMember(view: View, operation: RemoveMemberOperation): Action {
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read now: no quorum answers");
  const place = placeOf(view, operation.member);
  if (place?.member != null) return leave(view, operation, place);
  return clearAway(view, operation, place);
}

/** Until it is out of the list, the operation can be given up. */
function leave(view: View, operation: RemoveMemberOperation, place: Place): Action {
  const wanted = view.facts.cluster.spec.replicas ?? view.spec.replicas;
  if (wanted > place.ordinal)
    return finish(view, "Abandoned", `the spec asks for ${wanted} members now`);
  const { member } = place;
  if (member === null || member.isLearner) return { kind: "memberRemove", id: member?.id ?? "" };
  const { alarms } = view.facts;
  if (!alarms.known) return wait("AwaitAlarms", `alarms cannot be read: ${alarms.why}`);
  const [alarm] = alarms.value;
  if (alarm !== undefined)
    return finish(view, "Abandoned", `the alarm ${alarm.alarm} comes first: ${place.name} stays`);
  if (isBackupReading(view.facts)) return wait("AwaitBackup", "a backup reads from a member");
  if (!canLose(view, place)) {
    const remaining = view.voters.length - 1;
    return stalled(
      "AwaitQuorum",
      `${place.name} is not removed: of the ${remaining} voters that remain, ${quorumOf(remaining)} would have to take part`,
    );
  }
  return handOver(view, operation, place) ?? { kind: "memberRemove", id: member.id };
}

function handOver(view: View, operation: RemoveMemberOperation, place: Place): Action | null {
  if (view.leader?.name !== place.name || operation.attempts >= HANDOVERS_MAX) return null;
  if (operation.step !== "MoveLeader") return proceed(view, operation, { step: "MoveLeader" });
  const heir = view.places.find(({ participates, name }) => participates && name !== place.name);
  const targetId = heir?.member?.id;
  return targetId === undefined ? null : { kind: "moveLeader", from: place.name, targetId };
}

/** From here it only goes forward. */
function clearAway(view: View, operation: RemoveMemberOperation, place: Place | null): Action {
  const { member } = operation;
  const { journal } = view;
  const ordinal = place?.ordinal ?? journal.size;
  if (journal.boot[member] !== undefined)
    return write(view, { boot: withBootFile(journal, member, null) });
  if (journal.size > ordinal)
    return proceed(view, operation, { step: "StopPod" }, { size: ordinal });
  if (place?.pod != null)
    return wait(
      "AwaitPodGone",
      `the pod of ${member} has not gone yet: ${describePod(view, place)}`,
    );
  const claim = place?.claim ?? null;
  if (claim !== null && claim.metadata.uid === operation.claimUid) {
    return isTerminating(claim)
      ? wait("AwaitDiskGone", `the claim ${claim.metadata.name} has not gone yet`)
      : {
          kind: "deleteClaim",
          name: claim.metadata.name,
          uid: operation.claimUid,
          vacated: place?.peerUrl ?? null,
        };
  }
  return finish(view, "Done", `${member} has left`);
}
