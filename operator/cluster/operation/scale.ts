/** From as many voters as there are to as many as there shall be, one at a time. Pure. */
import { type Action, stalled, wait } from "../action.ts";
import { begin, write } from "../step.ts";
import type { Place, View } from "../view.ts";

/** Whoever has a pod and is no voter yet becomes one. */
export function planJoin(view: View): Action | null {
  const { spec, journal } = view;
  if (view.memberList === null)
    return wait("AwaitMemberList", "the members' list cannot be read: no quorum answers");
  if (view.strangers.length > 0) {
    const urls = view.strangers.flatMap(({ peerUrls }) => peerUrls).join(", ");
    return stalled(
      "Stranger",
      `the cluster has a member that is no pod's: ${urls}. Remove it, if it is not wanted`,
    );
  }
  const learner = view.places.find(({ member }) => member?.isLearner === true);
  if (learner !== undefined) return beginJoin(view, learner);
  const idle = view.places.find(
    ({ member, ordinal }) => member === null && ordinal < Math.min(journal.size, spec.replicas),
  );
  return idle === undefined ? null : beginJoin(view, idle);
}

function beginJoin(view: View, { name }: Place): Action {
  return begin(view, {
    type: "AddMember",
    step: "Announce",
    member: name,
    memberId: null,
    nonce: null,
    abandoned: null,
  });
}

/** An even number of voters bears no more losses than one fewer: nothing is rolled on the way through. */
export function planEvenOut(view: View): Action | null {
  return view.voters.length % 2 === 0 ? planScale(view) : null;
}

/** One more, or one fewer: the place with the highest number goes. */
export function planScale(view: View): Action | null {
  const { spec, journal } = view;
  if (spec.replicas === 0 || spec.replicas === journal.size) return null;
  if (spec.replicas > journal.size) return write(view, { size: journal.size + 1 });
  const place = view.places.find(({ ordinal }) => ordinal === journal.size - 1);
  if (place === undefined) return null;
  const goes = spec.storage.retention.onScaleIn === "Delete";
  return begin(view, {
    type: "RemoveMember",
    step: "Leave",
    member: place.name,
    claimUid: goes ? (place.claim?.metadata.uid ?? null) : null,
  });
}
