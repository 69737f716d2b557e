/**
 * What to do next: facts in, one action out. The order of the questions is the order of what matters more; whatever comes first
 * is done, and then everything is read and asked again.
 */
import { unreachable } from "../../src/base/assert.ts";
import { type Action, type Wait, wait } from "./action.ts";
import { planBirth } from "./birth.ts";
import { planDeletion, planFinalizer } from "./deletion.ts";
import type { Facts } from "./facts.ts";
import { planCertificates } from "./given.ts";
import type { Operation } from "./journal.ts";
import { isTerminating } from "./objects.ts";
import { finish } from "./step.ts";
import { planAdoption } from "./adoption.ts";
import { planAuth, planNote } from "./operation/auth.ts";
import { planRotateAuthority, planRotation } from "./operation/authority.ts";
import { planCorruption, planRepairCorruption } from "./operation/corruption.ts";
import { planHibernate, planSleep, planWake } from "./operation/hibernate.ts";
import { planRecoverQuorum } from "./operation/recover-quorum.ts";
import { planDefragment, planRepairSpace, planSpace } from "./operation/space.ts";
import {
  planDowngrade,
  planGivingUp,
  planMoveLeader,
  planRescue,
  planTask,
  planTaskStatus,
} from "./operation/tasks.ts";
import { planExpansion, planGrowVolumes, planGrowth } from "./operation/volumes.ts";
import { planRestore } from "./operation/restore.ts";
import { planBootstrap } from "./operation/bootstrap.ts";
import { planAddMember } from "./operation/join.ts";
import { planRecreatePod } from "./operation/recreate-pod.ts";
import { planRemoveMember } from "./operation/remove-member.ts";
import { planForgetting, planRepair } from "./operation/repair.ts";
import { planReplaceMember } from "./operation/replace-member.ts";
import { planGoingBack, planProving, planRetry } from "./operation/failed-roll.ts";
import { planRoll, planRollOn, planUnproven } from "./operation/roll.ts";
import { planMovePeers } from "./operation/move-peers.ts";
import {
  planLeftCertificates,
  planTransport,
  planTransportWait,
} from "./operation/transport-turn.ts";
import { planEvenOut, planJoin, planScale } from "./operation/scale.ts";
import { planYielding } from "./operation/yielding.ts";
import { planGate } from "./gate.ts";
import {
  planBootFiles,
  planMarks,
  planSize,
  planStatefulSet,
  planStuckPod,
  planSupport,
} from "./upkeep.ts";
import { planArrival } from "./version-spread.ts";
import { type View, buildView } from "./view.ts";

type Question = (view: View) => Action | null;

/** While an operation is under way, before it. */
const UPKEEP: readonly Question[] = [
  planSupport,
  planCertificates,
  planBootFiles,
  planStatefulSet,
  planLeftCertificates,
  planSize,
  planMarks,
  planArrival,
  planNote,
  planUnproven,
  planStuckPod,
  planTaskStatus,
];

/** Without an operation, by priority. */
const QUESTIONS: readonly Question[] = [
  planSleep,
  planRescue,
  planCorruption,
  planSpace,
  planProving,
  planRetry,
  planGoingBack,
  planRepair,
  planJoin,
  planGrowth,
  planAuth,
  planTask,
  planTransport,
  planGate,
  planRotation,
  planEvenOut,
  planRoll,
  planScale,
  planForgetting,
  planTransportWait,
];

/** Pure. */
export function plan(facts: Facts): Action {
  if (isTerminating(facts.cluster)) return planDeletion(facts);
  if (facts.cluster.spec.paused === true)
    return wait("Paused", "spec.paused is set: nothing is changed", 60_000);
  if (facts.journal === null) return planBirth(facts);
  const finalizer = planFinalizer(facts);
  if (finalizer !== null) return finalizer;
  const view = buildView(facts, facts.journal.document);
  const adoption = planAdoption(view);
  if (adoption !== null) return adoption;
  const upkeep = first(UPKEEP, view);
  if (upkeep !== null) return upkeep;
  const { operation } = view.journal;
  if (operation !== null) {
    const next = planOperation(view, operation);
    if (next.kind === "wait" && isOvertaken(view, operation, next))
      return finish(view, "Abandoned", `the spec has changed while it waited: ${next.message}`);
    if (next.kind !== "wait") return next;
    const givenUp = planGivingUp(view, operation, next) ?? planYielding(view, operation, next);
    return givenUp ?? planExpansion(view) ?? inTime(view, operation, next);
  }
  return first(QUESTIONS, view) ?? { kind: "settled" };
}

function first(questions: readonly Question[], view: View): Action | null {
  for (const question of questions) {
    const action = question(view);
    if (action !== null) return action;
  }
  return null;
}

function planOperation(view: View, operation: Operation): Action {
  switch (operation.type) {
    case "Bootstrap":
      return planBootstrap(view, operation);
    case "AddMember":
      return planAddMember(view, operation);
    case "RemoveMember":
      return planRemoveMember(view, operation);
    case "ReplaceMember":
      return planReplaceMember(view, operation);
    case "RecreatePod":
      return planRecreatePod(view, operation);
    case "Roll":
      return planRollOn(view, operation);
    case "GrowVolumes":
      return planGrowVolumes(view, operation);
    case "Hibernate":
      return planHibernate(view);
    case "Wake":
      return planWake(view);
    case "RepairSpace":
      return planRepairSpace(view, operation);
    case "RepairCorruption":
      return planRepairCorruption(view, operation);
    case "Defragment":
      return planDefragment(view, operation);
    case "MoveLeader":
      return planMoveLeader(view, operation);
    case "Downgrade":
      return planDowngrade(view, operation);
    case "RecoverQuorum":
      return planRecoverQuorum(view, operation);
    case "Restore":
      return planRestore(view, operation);
    case "MovePeers":
      return planMovePeers(view, operation);
    case "RotateAuthority":
      return planRotateAuthority(view, operation);
    default:
      return unreachable(operation);
  }
}

/** What these wait for, a newer spec may be the cure of, and what they have begun is seen in what is. */
const OVERTAKEN: ReadonlySet<string> = new Set([
  "Roll",
  "RemoveMember",
  "RepairCorruption",
  "RepairSpace",
  "ReplaceMember",
  "Wake",
  "MovePeers",
]);
const CURABLE: ReadonlySet<string> = new Set([
  "AwaitQuorum",
  "AwaitMemberList",
  "AwaitMembers",
  "AwaitParticipating",
]);

/** A spec is adopted between operations: one that may wait for ever makes room for it. */
function isOvertaken({ facts, journal }: View, operation: Operation, wait: Wait): boolean {
  const generation = facts.cluster.metadata.generation ?? 0;
  return (
    operation.task === null &&
    generation > journal.adopted.generation &&
    OVERTAKEN.has(operation.type) &&
    CURABLE.has(wait.reason) &&
    !isSoleWitness(operation)
  );
}

/** Alarms that named others have been ended: this operation alone knows who differs. */
function isSoleWitness(operation: Operation): boolean {
  return operation.type === "RepairCorruption" && (operation.odd ?? null) !== null;
}

/** What waits beyond its deadline is called stalled, and goes on waiting. */
function inTime({ facts }: View, { deadline, type }: Operation, action: Wait): Wait {
  if (deadline === null || facts.now <= Date.parse(deadline)) return action;
  return { ...action, stalled: true, message: `${type} takes long: ${action.message}` };
}
