/** From an idle pod with an empty disk to a voter: the one way in, for a new place and for a lost disk alike. */
import type { BootFile, BootReport } from "../../../src/api/boot.ts";
import { present } from "../../../src/base/assert.ts";
import { type Action, stalled, wait } from "../action.ts";
import type { AddMemberOperation } from "../journal.ts";
import { withBootFile } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { wipe } from "./wipe.ts";
import { finish, proceed, revoked, write } from "../step.ts";
import { advertisedBy } from "../transport.ts";
import {
  type Place,
  type View,
  bootFileOf,
  healthyVoters,
  initialCluster,
  isCaughtUp,
  placeOf,
  quorumOf,
} from "../view.ts";
import { describePod } from "./describe.ts";
import { needsReplacement } from "./repair.ts";

export function planAddMember(view: View, operation: AddMemberOperation): Action {
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read now: no quorum answers");
  const place = placeOf(view, operation.member);
  if (operation.abandoned !== null)
    return planAbandoned(view, operation, place, operation.abandoned);
  if (place?.member != null && !place.member.isLearner) {
    const boot = revoked(view, place.name);
    return finish(view, "Done", `${place.name} is a voter`, { boot });
  }
  const reason = reasonToAbandon(view, operation);
  if (reason !== null) return proceed(view, operation, { step: "Abandon", abandoned: reason });
  if (place === null || place.pod === null)
    return wait("AwaitPod", `${operation.member} has no pod yet`);
  return place.member === null
    ? announce(view, place)
    : planLearner(view, operation, place, place.member.id);
}

/** A join can be given up until the promotion; the spec as it is now counts, not the adopted one. */
function reasonToAbandon(view: View, operation: AddMemberOperation): string | null {
  const ordinal = placeOf(view, operation.member)?.ordinal ?? 0;
  const wanted = view.facts.cluster.spec.replicas ?? view.spec.replicas;
  const settled = view.voters.some(({ peerUrls }) =>
    peerUrls.includes(placeOf(view, operation.member)?.peerUrl ?? ""),
  );
  if (settled) return null;
  if (wanted <= ordinal && ordinal > 0 && wanted > 0 && ordinal >= view.voters.length)
    return `the spec asks for ${wanted} members now`;
  const broken = view.places.find(
    (place) => place.name !== operation.member && needsReplacement(view, place) !== null,
  );
  if (broken !== undefined && view.voters.length > 2)
    return `${broken.name} has to be replaced first`;
  return null;
}

/** The place is named to the cluster once somebody waits there with an empty disk, and no old ticket is about. */
function announce(view: View, place: Place): Action {
  const { boot, claim } = place;
  const [other] = view.learners;
  if (other !== undefined)
    return wait("AwaitLearner", `another learner is there: ${other.peerUrls.join(", ")}`);
  const file = bootFileOf(view, place.name);
  if (file.ticket !== null || file.fence !== null)
    return write(view, { boot: withBootFile(view.journal, place.name, null) });
  if (boot !== null && boot.memberId !== null) {
    if (isOfRemovedMember(view, boot) && view.spec.storage.retention.onScaleIn === "Delete")
      return wipe(place);
    return stalled(
      "RetainedClaim",
      `the claim ${claim?.metadata.name ?? ""} holds the data of member ${boot.memberId}, which is not one of the cluster: ` +
        "delete the claim and its pod, if they are not wanted",
    );
  }
  if (boot === null || boot.phase !== "AwaitingTicket")
    return wait(
      "AwaitIdle",
      `${place.name} does not wait for its ticket: ${describePod(view, place)}`,
    );
  // It would look for its place under the URL that it was started with.
  const { transport } = place;
  if (transport !== null && !place.peerUrl.startsWith(`${advertisedBy(transport)}:`))
    return { kind: "deletePod", name: place.name, uid: place.pod?.metadata.uid ?? "" };
  return { kind: "memberAdd", peerUrl: place.peerUrl };
}

function planLearner(view: View, operation: AddMemberOperation, place: Place, id: string): Action {
  const { boot } = place;
  const { ticket } = bootFileOf(view, place.name);
  if (operation.memberId !== id) return issueTicket(view, operation, place, id);
  if (boot === null || isTerminating(present(place.pod, "the place has a pod")))
    return wait("AwaitStart", `${place.name} has not started: ${describePod(view, place)}`);
  if (boot.phase === "AwaitingTicket") {
    return ticket === null || place.member?.name !== ""
      ? proceed(view, operation, {
          step: "Abandon",
          abandoned: "its disk was lost while it joined",
        })
      : wait("AwaitStart", `${place.name} has not seen its ticket yet`);
  }
  if (boot.memberId !== id) {
    return wait("AwaitStart", `${place.name} is not member ${id}: ${describePod(view, place)}`);
  }
  if (ticket !== null)
    return proceed(view, operation, { step: "CatchUp" }, { boot: revoked(view, place.name) });
  if (place.state === null || !isCaughtUp(view, place)) {
    const at = place.state?.appliedIndex ?? boot.appliedIndex ?? 0;
    const end = view.leader?.state?.raftIndex ?? 0;
    return wait(
      "AwaitCatchUp",
      `${place.name} has applied ${at} of ${end} entries: ${describePod(view, place)}`,
    );
  }
  const voters = view.voters.length + 1;
  if (healthyVoters(view) + 1 < quorumOf(voters))
    return wait(
      "AwaitQuorum",
      `with ${place.name} as a voter, ${quorumOf(voters)} would have to take part`,
    );
  return { kind: "memberPromote", id };
}

function issueTicket(view: View, operation: AddMemberOperation, place: Place, id: string): Action {
  const { clusterId, incarnation } = view.journal;
  const nonce = view.facts.entropy;
  const members = view.places.filter(({ member }) => member !== null);
  const file: BootFile = {
    ticket: {
      mode: "join",
      nonce,
      incarnation,
      clusterId,
      initialCluster: initialCluster(members),
    },
    fence: { incarnation, clusterId, memberId: id },
  };
  const boot = withBootFile(view.journal, place.name, file);
  return proceed(view, operation, { step: "Join", memberId: id, nonce }, { boot });
}

/** The learner goes, and then what its disk holds: it was never more than a copy. */
function planAbandoned(
  view: View,
  operation: AddMemberOperation,
  place: Place | null,
  reason: string,
): Action {
  if (place?.member != null) {
    // Promoted by somebody in between: it is a voter, and stays one.
    if (!place.member.isLearner) return proceed(view, operation, { step: "Join", abandoned: null });
    return { kind: "memberRemove", id: place.member.id };
  }
  const boot = withBootFile(view.journal, operation.member, null);
  if (view.journal.boot[operation.member] !== undefined) return write(view, { boot });
  const holds = place?.boot?.memberId ?? null;
  if (place !== null && holds !== null && holds === operation.memberId) return wipe(place);
  return finish(view, "Abandoned", reason);
}

/** It was of this very cluster, and the list, read just now, has it no more. */
function isOfRemovedMember(view: View, { clusterId, memberId }: BootReport): boolean {
  return (
    clusterId !== null &&
    clusterId === view.journal.clusterId &&
    view.memberList !== null &&
    !view.memberList.some(({ id }) => id === memberId)
  );
}
