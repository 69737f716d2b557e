/**
 * A majority is lost for good, and a person said what to keep. Every fence is raised first, so that whoever comes back later
 * belongs to a past that was given up; then the survivor goes on alone, and the others join anew.
 */
import type { BootFile } from "../../../src/api/boot.ts";
import { type Action, wait } from "../action.ts";
import type { Journal, RecoverQuorumOperation } from "../journal.ts";
import { isTerminating } from "../objects.ts";
import { finish, proceed } from "../step.ts";
import { type Place, type View, bootFileOf, placeOf } from "../view.ts";
import { describePod } from "./describe.ts";

/** Fences for all, and the one ticket. */
export function raisedFences(view: View, survivor: Place, nonce: string): Partial<Journal> {
  const incarnation = view.journal.incarnation + 1;
  const fence = { incarnation, clusterId: null, memberId: null };
  const boot: Record<string, BootFile> = {};
  for (const { name } of view.places) boot[name] = { ticket: null, fence };
  boot[survivor.name] = {
    ticket: {
      mode: "forceNew",
      nonce,
      incarnation,
      clusterId: survivor.boot?.clusterId ?? view.journal.clusterId,
      initialCluster: `${survivor.name}=${survivor.peerUrl}`,
    },
    fence,
  };
  return { incarnation, boot, clusterId: null };
}

export function planRecoverQuorum(view: View, operation: RecoverQuorumOperation): Action {
  const survivor = placeOf(view, operation.member);
  if (survivor === null || survivor.pod === null)
    return wait("AwaitPod", `the survivor ${operation.member} has no pod`);
  const { boot } = survivor;
  if (boot === null || boot.usedNonce !== operation.nonce || boot.memberId === null) {
    return wait(
      "AwaitSurvivor",
      `${survivor.name} does not go on alone yet: ${describePod(view, survivor)}`,
    );
  }
  if (view.journal.clusterId === null || bootFileOf(view, survivor.name).ticket !== null) {
    const { incarnation } = view.journal;
    const { clusterId, memberId } = boot;
    const file: BootFile = { ticket: null, fence: { incarnation, clusterId, memberId } };
    const taken = { clusterId, boot: { ...view.journal.boot, [survivor.name]: file } };
    return proceed(view, operation, { step: "VerifyReads" }, taken);
  }
  if (!survivor.participates)
    return wait(
      "AwaitSurvivor",
      `${survivor.name} does not answer reads yet: ${describePod(view, survivor)}`,
    );
  return (
    clearOthers(view, operation) ??
    finish(view, "Done", `${survivor.name} goes on as cluster ${view.journal.clusterId}`)
  );
}

/** Their disks, by UID, as the person acknowledged; nothing is waited for where a node is dead. */
function clearOthers(view: View, operation: RecoverQuorumOperation): Action | null {
  for (const { name, claim, pod, member } of view.places) {
    if (name === operation.member || member !== null || claim === null) continue;
    const uid = claim.metadata.uid ?? "";
    if (!operation.claimUids.includes(uid)) continue;
    if (!isTerminating(claim))
      return { kind: "deleteClaim", name: claim.metadata.name, uid, vacated: null };
    if (pod !== null && !isTerminating(pod))
      return { kind: "deletePod", name: pod.metadata.name, uid: pod.metadata.uid ?? "" };
  }
  return null;
}
