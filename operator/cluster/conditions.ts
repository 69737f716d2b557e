/** The conditions of a cluster: observations, each with what to do about it. Pure. */
import { type ClusterConditionType, type Observation, setConditions } from "../api/conditions.ts";
import type { Condition } from "../api/gen/types.ts";
import type { Action } from "./action.ts";
import type { Facts } from "./facts.ts";
import { refusedCertificate } from "./given.ts";
import { refusedAuth } from "./operation/auth.ts";
import { nextTurn } from "./operation/authority.ts";
import { corruptionRefusal } from "./operation/corruption.ts";
import { describePod } from "./operation/describe.ts";
import { ROLL_FAILED, tellFailedRoll } from "./operation/failed-roll.ts";
import { spaceRefusal } from "./operation/space.ts";
import { refusedGrowth } from "./operation/volumes.ts";
import { tellTransport } from "./transport-told.ts";
import { type View, healthyVoters, isOutdated, quorumOf, updateRevision } from "./view.ts";

type Told = Observation<ClusterConditionType>;

/** Why a cluster is Stalled though nothing waits: of what was asked for, something is not done. */
export const REFUSED = "SpecRefused";
/** How long a majority has to be away before it is called lost. */
const LOST_AFTER_MS = 300_000;

export function buildConditions(facts: Facts, view: View | null, action: Action): Condition[] {
  const available = tellAvailable(facts, view);
  const told: Told[] = [
    tellReady(facts, view, action),
    available,
    ...tellProgress(view, action),
    tellDegraded(view),
    tellUpdated(view),
    tellTopology(facts, view),
    tellTls(view, action),
    facts.backupHealth,
    tellQuorumLost(facts, view, available),
  ];
  const { metadata, status } = facts.cluster;
  const now = `${new Date(facts.now).toISOString().slice(0, 19)}Z`;
  return setConditions(status?.conditions, told, metadata.generation ?? 1, now);
}

function tell(
  type: ClusterConditionType,
  holds: boolean | null,
  reason: string,
  message: string,
): Told {
  return { type, status: holds === null ? "Unknown" : holds ? "True" : "False", reason, message };
}

function waitOf(action: Action): { readonly reason: string; readonly message: string } | null {
  return action.kind === "wait" ? action : null;
}

function tellReady(facts: Facts, view: View | null, action: Action): Told {
  if (view === null) return tell("Ready", false, "NotBegun", "the cluster has not begun");
  const { spec, journal } = view;
  if (spec.replicas === 0) return tell("Ready", false, ...tellSleep(facts));
  const current = facts.cluster.metadata.generation ?? 1;
  const waiting = waitOf(action);
  if (journal.adopted.refusal !== null)
    return tell("Ready", false, REFUSED, journal.adopted.refusal);
  const failed = tellFailedRoll(view);
  if (failed !== null) {
    const healthy = `${healthyVoters(view)} of ${spec.replicas} members take part`;
    return tell("Ready", false, ROLL_FAILED, `${healthy}; ${failed}`);
  }
  const whole = view.voters.length === spec.replicas && healthyVoters(view) === spec.replicas;
  if (whole && journal.operation === null && journal.adopted.generation === current)
    return tell("Ready", true, "AllMembers", `all ${spec.replicas} members take part`);
  const progress = `${healthyVoters(view)} of ${spec.replicas} members take part`;
  const what = waiting === null ? progress : `${progress}; ${waiting.message}`;
  return tell("Ready", false, waiting?.reason ?? journal.operation?.type ?? "InProgress", what);
}

/** Reason and message of a cluster without replicas. */
function tellSleep({ pods }: Facts): [string, string] {
  const zero = "spec.replicas is 0";
  return pods.size > 0
    ? ["StoppingPods", `${zero}: ${pods.size} pods have not stopped yet`]
    : ["Hibernating", `${zero}: the pods are stopped, the volumes stay`];
}

function tellAvailable(_facts: Facts, view: View | null): Told {
  if (view === null) return tell("Available", false, "NotBegun", "the cluster has not begun");
  if (view.memberList === null) {
    const { memberList } = view.facts;
    const why = memberList.known ? "" : `: ${memberList.why}`;
    return tell("Available", false, "NoQuorum", `no member answers for the cluster${why}`);
  }
  const healthy = healthyVoters(view);
  const quorum = quorumOf(view.voters.length);
  return healthy >= quorum && view.voters.length > 0
    ? tell("Available", true, "Quorum", `${healthy} of ${view.voters.length} voters take part`)
    : tell(
        "Available",
        false,
        "NoQuorum",
        `${healthy} of ${view.voters.length} voters take part, fewer than ${quorum}`,
      );
}

/** Abnormal when true, both. */
function tellProgress(view: View | null, action: Action): Told[] {
  const waiting = action.kind === "wait" ? action : null;
  const told = waiting?.stalled === true ? waiting : view === null ? null : tellUndone(view);
  const isStalled = told !== null;
  const under = view?.journal.operation ?? null;
  const type = under === null ? "InProgress" : under.type;
  const reconciling = action.kind !== "settled" && waiting?.reason !== "Paused" && !isStalled;
  return [
    reconciling
      ? tell(
          "Reconciling",
          true,
          waiting?.reason ?? type,
          waiting?.message ?? "changes are being made",
        )
      : tell(
          "Reconciling",
          false,
          waiting?.reason ?? "Settled",
          waiting?.message ?? "nothing is being changed",
        ),
    told === null
      ? tell("Stalled", false, "None", "nothing waits for a person")
      : tell("Stalled", true, told.reason, told.message),
  ];
}

/** What a person asked for and does not get, and why; null: they get it all. */
function tellUndone(view: View): { readonly reason: string; readonly message: string } | null {
  const failed = tellFailedRoll(view);
  const undone = [
    failed,
    view.journal.adopted.refusal,
    refusedGrowth(view),
    refusedAuth(view),
    spaceRefusal(view),
    corruptionRefusal(view),
  ].filter((each) => each !== null);
  if (undone.length === 0) return null;
  return { reason: failed === null ? REFUSED : ROLL_FAILED, message: undone.join("; ") };
}

function tellDegraded(view: View | null): Told {
  const absent =
    view?.places.filter(({ member, participates }) => member !== null && !participates) ?? [];
  if (view === null || absent.length === 0)
    return tell("Degraded", false, "None", "every member takes part");
  const told = absent.map((place) => `${place.name}: ${describePod(view, place)}`).join("; ");
  return tell("Degraded", true, "MembersAbsent", told);
}

function tellUpdated(view: View | null): Told {
  const outdated = view?.places.filter((place) => isOutdated(view, place)) ?? [];
  if (view === null || updateRevision(view) === null)
    return tell("Updated", null, "RevisionUnknown", "the StatefulSet has not been looked at yet");
  if (view.journal.failed !== null)
    return tell("Updated", false, ROLL_FAILED, "pods are made as they were before the last roll");
  if (outdated.length === 0)
    return tell("Updated", true, "AllPods", "every pod is as the spec has it");
  const names = outdated.map(({ name }) => name).join(", ");
  return tell("Updated", false, "Outdated", `older than the spec: ${names}`);
}

function tellTopology(facts: Facts, view: View | null): Told {
  const zones = new Map<string, number>();
  let voters = 0;
  for (const { member, pod } of view?.places ?? []) {
    if (member === null || member.isLearner) continue;
    voters++;
    const zone = facts.zones.get(pod?.spec?.nodeName ?? "");
    if (zone !== undefined) zones.set(zone, (zones.get(zone) ?? 0) + 1);
  }
  const [heaviest] = [...zones].toSorted(([, a], [, b]) => b - a);
  if (heaviest === undefined)
    return tell(
      "TopologySatisfied",
      null,
      "ZonesUnknown",
      "no node says its zone, or nodes may not be read",
    );
  const [zone, count] = heaviest;
  return voters > 2 && count >= quorumOf(voters)
    ? tell(
        "TopologySatisfied",
        false,
        "ZoneHoldsMajority",
        `zone ${zone} has ${count} of ${voters} voters: with it the quorum goes`,
      )
    : tell("TopologySatisfied", true, "Spread", "no zone has a majority of the voters");
}

function tellTls(view: View | null, action: Action): Told {
  const isMade = action.kind === "makeAuthority" || action.kind === "issue";
  if (isMade && view?.journal.latched.transport !== "Plaintext")
    return tell("TLSReady", false, "Issuing", "certificates are being made");
  if (action.kind === "wait" && action.reason === "AwaitCertificate")
    return tell("TLSReady", false, action.reason, action.message);
  const refused = view === null ? null : refusedCertificate(view);
  if (refused !== null)
    return tell(
      "TLSReady",
      false,
      "RefusedCertificate",
      `${refused}; members go on with what they have`,
    );
  const transport = view === null ? null : tellTransport(view);
  if (transport !== null) return transport;
  const turn = view === null ? null : nextTurn(view);
  if (turn === null && view?.journal.operation?.type === "RotateAuthority")
    return tell("TLSReady", true, "ReplacingAuthority", "members take other authorities over");
  if (turn === null) return tell("TLSReady", true, "Issued", "every certificate is there and good");
  const at = new Date(turn.at).toISOString();
  const then = turn.step === "SignWithNew" ? "the new one signs from" : "the old one until";
  return tell("TLSReady", true, "ReplacingAuthority", `two authorities are trusted, ${then} ${at}`);
}

/** Said, and nothing more: a person decides. */
function tellQuorumLost(facts: Facts, view: View | null, available: Told): Told {
  if (
    view === null ||
    available.status === "True" ||
    view.journal.clusterId === null ||
    view.journal.size === 0
  )
    return tell("QuorumLost", false, "None", "a quorum answers, or is not expected to");
  const before = facts.cluster.status?.conditions?.find(({ type }) => type === "Available");
  const since = before?.status === "False" ? Date.parse(before.lastTransitionTime) : facts.now;
  const hasLeader = view.places.some(({ boot }) => boot?.leader != null);
  if (hasLeader || facts.now - since < LOST_AFTER_MS)
    return tell("QuorumLost", false, "Transient", "no quorum answers; it is not called lost yet");
  const pending = view.places.some(({ pod }) => pod === null || pod.status?.phase === "Pending");
  const best = bestSurvivor(view);
  const hint =
    best === null
      ? "no member says what its disk holds"
      : `if the others are gone for good, a QuorateTask recoverQuorum with survivor ${best} and acknowledgeDataLoss keeps what it has`;
  return tell(
    "QuorumLost",
    true,
    pending ? "Transient" : "Suspected",
    `a majority of the voters does not answer; ${hint}`,
  );
}

/** Who has the highest term and index of those that say. */
export function bestSurvivor({ places }: View): string | null {
  const saying = places.filter(({ boot }) => boot !== null && boot.lastIndex !== null);
  const [best] = saying.toSorted(
    (a, b) =>
      (b.boot?.lastTerm ?? 0) - (a.boot?.lastTerm ?? 0) ||
      (b.boot?.lastIndex ?? 0) - (a.boot?.lastIndex ?? 0),
  );
  return best?.name ?? null;
}
