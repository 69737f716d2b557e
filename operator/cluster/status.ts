/** What a person and their tools are told of a cluster: out of the facts and of what was decided. Pure. */
import type { MemberStatus, OperationStatus, QuorateClusterStatus } from "../api/gen/types.ts";
import type { Action } from "./action.ts";
import { buildConditions } from "./conditions.ts";
import { imageOf } from "./component/stateful-set.ts";
import { type Facts, valueOf } from "./facts.ts";
import type { Operation } from "./journal.ts";
import { CLUSTER_LABEL } from "./names.ts";
import { isReady, isTerminating } from "./objects.ts";
import { describePod } from "./operation/describe.ts";
import { endpointOf } from "./transport-told.ts";
import { type Place, type View, revisionOf, updateRevision } from "./view.ts";

/** Sizes in status are rounded up to it, or every write of a client would be one of ours. */
const SIZE_STEP = 64 * 2 ** 20;

const VERSIONS = new Intl.Collator("en", { numeric: true });

/** `view` is null before the cluster has a journal. */
export function buildStatus(facts: Facts, view: View | null, action: Action): QuorateClusterStatus {
  const { cluster } = facts;
  const pods = [...facts.pods.values()].filter((pod) => !isTerminating(pod));
  const conditions = buildConditions(facts, view, action);
  const base: QuorateClusterStatus = {
    observedGeneration: cluster.metadata.generation ?? 1,
    replicas: pods.length,
    readyReplicas: pods.filter(isReady).length,
    selector: `${CLUSTER_LABEL}=${cluster.metadata.name}`,
    conditions,
  };
  if (view === null) return base;
  const { journal, spec } = view;
  const versions = view.places
    .flatMap(({ boot }) => boot?.version ?? [])
    .toSorted(VERSIONS.compare);
  const alarms = valueOf(facts.alarms) ?? [];
  return {
    ...base,
    ...(journal.clusterId === null ? {} : { clusterID: journal.clusterId }),
    incarnation: journal.incarnation,
    updatedReplicas: updatedPods(view),
    ...(versions[0] === undefined ? {} : { version: versions[0] }),
    targetVersion: journal.latched.version,
    image: imageOf(spec, journal.latched),
    layoutRevision: journal.latched.layoutRevision,
    ...(view.leader === null ? {} : { leader: view.leader.name }),
    endpoint: endpointOf(view),
    ...sizeOf(view.places),
    alarms: alarms.map(({ alarm, memberId }) => `${alarm} ${memberId}`),
    ...(journal.operation === null ? {} : { operation: mirror(journal.operation, action) }),
    members: view.places.map((place) => memberStatus(view, place)),
    ...backupOf(facts),
  };
}

/** Pods that are as the spec has them, whatever pods are made of now. */
function updatedPods(view: View): number {
  const wanted = view.journal.failed?.revision ?? updateRevision(view);
  if (wanted === null) return 0;
  return view.places.filter(({ pod }) => pod !== null && revisionOf(pod) === wanted).length;
}

function sizeOf(places: readonly Place[]): { readonly dbSize?: string } {
  const sizes = places.flatMap(({ state }) => state?.dbSize ?? []);
  return sizes.length === 0 ? {} : { dbSize: rounded(Math.max(...sizes)) };
}

function rounded(bytes: number): string {
  return `${(Math.ceil(bytes / SIZE_STEP) * SIZE_STEP) / 2 ** 20}Mi`;
}

function mirror(operation: Operation, action: Action): OperationStatus {
  const { id, type, step, attempts, startedAt, deadline } = operation;
  return {
    id,
    type,
    ...("member" in operation ? { member: operation.member } : {}),
    step: action.kind === "wait" ? action.reason : step,
    ...(action.kind === "wait" ? { message: action.message } : {}),
    attempts,
    startedAt,
    ...(deadline === null ? {} : { deadline }),
  };
}

function memberStatus(view: View, place: Place): MemberStatus {
  const { pod, member, claim, state, boot, name } = place;
  const node = pod?.spec?.nodeName;
  const zone = node === undefined ? undefined : view.facts.zones.get(node);
  const id = member?.id ?? boot?.memberId ?? null;
  const ready = pod !== null && isReady(pod);
  return {
    name,
    ...(id === null ? {} : { id }),
    role: member === null ? "None" : member.isLearner ? "Learner" : "Voter",
    phase: phaseOf(view, place),
    ready,
    ...(ready ? {} : { reason: describePod(view, place) }),
    leader: view.leader?.name === name,
    ...(boot === null ? {} : { version: boot.version }),
    ...(node === undefined ? {} : { node }),
    ...(zone === undefined ? {} : { zone }),
    ...(claim?.metadata.uid === undefined ? {} : { pvcUID: claim.metadata.uid }),
    ...(state === null ? {} : { dbSize: rounded(state.dbSize) }),
    ...logOf(view, place),
    recreates: view.journal.recreates[name]?.count ?? 0,
  };
}

/** Only while a person may have to choose by it: where there is a leader it would be another number at every pass. */
function logOf(view: View, { boot }: Place): Pick<MemberStatus, "raftTerm" | "raftIndex"> {
  const isLed = view.memberList !== null || view.places.some((place) => place.boot?.leader != null);
  if (isLed || view.journal.clusterId === null || boot === null) return {};
  const { lastTerm, lastIndex } = boot;
  return {
    ...(lastTerm === null ? {} : { raftTerm: lastTerm }),
    ...(lastIndex === null ? {} : { raftIndex: lastIndex }),
  };
}

function phaseOf(view: View, { pod, boot, name }: Place): MemberStatus["phase"] {
  if (pod === null) return "Pending";
  if (isTerminating(pod)) return "Terminating";
  if (boot !== null) return boot.phase;
  return view.facts.members.has(name) && pod.status?.phase === "Running"
    ? "Unreachable"
    : "Pending";
}

function backupOf({ backups }: Facts): Pick<QuorateClusterStatus, "backup"> {
  const done = backups
    .filter(({ status }) => status?.phase === "Complete" && status.completedAt !== undefined)
    .toSorted((a, b) => (b.status?.completedAt ?? "").localeCompare(a.status?.completedAt ?? ""));
  const [newest] = done;
  if (newest?.status === undefined) return {};
  const { completedAt, revision } = newest.status;
  return {
    backup: {
      name: newest.metadata.name,
      ...(completedAt === undefined ? {} : { lastSuccess: completedAt }),
      ...(revision === undefined ? {} : { revision }),
    },
  };
}
