/** Who takes part, and the algebra of changing it by one member at a time (Ongaro's thesis, section 4.1). */
import { assert, unreachable } from "../base/assert.ts";
import type { MemberId, Membership, MembershipChange } from "./types.ts";

export const NOBODY: Membership = { voters: [], learners: [] };

export function isVoter(membership: Membership, id: MemberId): boolean {
  return membership.voters.includes(id);
}

export function isMember(membership: Membership, id: MemberId): boolean {
  return membership.voters.includes(id) || membership.learners.includes(id);
}

export type MembershipOutcome =
  | { readonly kind: "changed"; readonly membership: Membership }
  /** A voter cannot become a learner in place: it would have to forget votes. */
  | { readonly kind: "alreadyVoter" }
  | { readonly kind: "alreadyLearner" }
  | { readonly kind: "unknownMember" }
  | { readonly kind: "lastVoter" };

/** The membership after `change`, or why it cannot be. Any two memberships one change apart share a voter in every quorum. */
export function planChange(membership: Membership, change: MembershipChange): MembershipOutcome {
  const { voters, learners } = membership;
  const { id } = change;
  switch (change.kind) {
    case "addVoter":
      if (voters.includes(id)) return { kind: "alreadyVoter" };
      return changed([...voters, id], without(learners, id));
    case "addLearner":
      if (voters.includes(id)) return { kind: "alreadyVoter" };
      if (learners.includes(id)) return { kind: "alreadyLearner" };
      return changed(voters, [...learners, id]);
    case "remove":
      if (learners.includes(id)) return changed(voters, without(learners, id));
      if (!voters.includes(id)) return { kind: "unknownMember" };
      if (voters.length === 1) return { kind: "lastVoter" };
      return changed(without(voters, id), learners);
    default:
      return unreachable(change);
  }
}

/** Ends the process unless nobody is named twice. */
export function assertMembership(membership: Membership): void {
  const { voters, learners } = membership;
  const all = new Set([...voters, ...learners]);
  assert(all.size === voters.length + learners.length, "a member is named once");
  assert(!all.has(0n as MemberId), "0 is no member");
}

/** How many voters one has and the other has not: at most one joins or leaves in a single change. */
export function votersChanged(before: Membership, after: Membership): number {
  let count = 0;
  for (const id of before.voters) if (!after.voters.includes(id)) count++;
  for (const id of after.voters) if (!before.voters.includes(id)) count++;
  return count;
}

function changed(voters: readonly MemberId[], learners: readonly MemberId[]): MembershipOutcome {
  return { kind: "changed", membership: { voters, learners } };
}

function without(ids: readonly MemberId[], id: MemberId): readonly MemberId[] {
  return ids.filter((other) => other !== id);
}
