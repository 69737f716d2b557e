/** Facts, put together: what stands at each ordinal, who leads, who takes part. Pure. */
import type { BootFile, BootReport } from "../../src/api/boot.ts";
import { present } from "../../src/base/assert.ts";
import type { MemberEntry, MemberState } from "../admin.ts";
import type { DefaultedClusterSpec } from "../api/gen/types.ts";
import { type Facts, valueOf } from "./facts.ts";
import type { Journal } from "./journal.ts";
import {
  CONTAINER,
  PEER_PORT,
  claimName,
  claimOrdinalOf,
  ordinalOf,
  podHost,
  podName,
} from "./names.ts";
import { type Claim, type Pod, isReady, isTerminating } from "./objects.ts";
import {
  type Occupant,
  type Transport,
  advertisedBy,
  isSameAddress,
  schemeOf,
  transportOf,
  wantedTransport,
} from "./transport.ts";

/** Entries that a member may be behind and still count as taking part, or be promoted. */
const LAG_MAX = 1_000;

/** All that is known of one ordinal. */
export interface Place {
  readonly ordinal: number;
  /** Of the pod and of the member. */
  readonly name: string;
  /** By which its member is known to its peers, or shall be, if it is none. */
  readonly peerUrl: string;
  readonly pod: Pod | null;
  /** What the pod was started with; null where there is none. */
  readonly transport: Transport | null;
  readonly claim: Claim | null;
  /** Null: the list has none at this peer URL, or the list is not known. */
  readonly member: MemberEntry | null;
  readonly boot: BootReport | null;
  readonly state: MemberState | null;
  /** It answers linearizable reads and has most of the log. */
  readonly participates: boolean;
}

export interface View {
  readonly facts: Facts;
  readonly journal: Journal;
  readonly spec: DefaultedClusterSpec;
  /** Every ordinal with a pod, a claim, a member, or below the intended size. */
  readonly places: readonly Place[];
  /** Null: the list cannot be read. */
  readonly memberList: readonly MemberEntry[] | null;
  readonly voters: readonly MemberEntry[];
  readonly learners: readonly MemberEntry[];
  /** Members with a peer URL that is no pod's. */
  readonly strangers: readonly MemberEntry[];
  readonly leader: Place | null;
}

export function buildView(facts: Facts, journal: Journal): View {
  const memberList = valueOf(facts.memberList);
  const states = [...facts.members.values()].flatMap(({ state }) => valueOf(state) ?? []);
  const lastIndex = states.reduce((most, { raftIndex }) => Math.max(most, raftIndex), 0);
  const places = ordinals(facts, journal, memberList).map((ordinal) =>
    buildPlace(facts, journal, memberList, ordinal, lastIndex),
  );
  const isPlaced = (url: string): boolean =>
    places.some(({ peerUrl }) => isSameAddress(peerUrl, url));
  const members = memberList ?? [];
  return {
    facts,
    journal,
    spec: journal.adopted.spec,
    places,
    memberList,
    voters: members.filter(({ isLearner }) => !isLearner),
    learners: members.filter(({ isLearner }) => isLearner),
    strangers: members.filter(({ peerUrls }) => !peerUrls.some(isPlaced)),
    leader: leaderOf(places),
  };
}

function ordinals(
  facts: Facts,
  journal: Journal,
  memberList: readonly MemberEntry[] | null,
): number[] {
  const { name } = facts.cluster.metadata;
  const found = new Set<number>(Array.from({ length: journal.size }, (_, at) => at));
  const add = (ordinal: number | null): void => {
    if (ordinal !== null) found.add(ordinal);
  };
  for (const pod of facts.pods.keys()) add(ordinalOf(name, pod));
  for (const claim of facts.claims.keys()) add(claimOrdinalOf(name, claim));
  for (const { peerUrls } of memberList ?? []) add(ordinalOfUrls(facts, journal, peerUrls));
  return [...found].toSorted((a, b) => a - b);
}

function ordinalOfUrls(facts: Facts, journal: Journal, peerUrls: readonly string[]): number | null {
  const { name } = facts.cluster.metadata;
  for (const url of peerUrls) {
    const host = /^https?:\/\/([^.:/]+)\./.exec(url)?.[1];
    const ordinal = host === undefined ? null : ordinalOf(name, host);
    if (ordinal !== null && isSameAddress(peerUrlOf(facts, journal, ordinal), url)) return ordinal;
  }
  return null;
}

/**
 * The URL by which the member of a pod is known to its peers, whatever its id, where it is new. One that is there may be known
 * with the other scheme, as long as the cluster is between the two: host and port are what tells members apart.
 */
export function peerUrlOf(facts: Facts, journal: Journal, ordinal: number): string {
  const { name, namespace } = facts.cluster.metadata;
  const key = { name, namespace: present(namespace, "a cluster has a namespace") };
  const scheme = advertisedBy(journal.latched.transport);
  const host = podHost(key, podName(name, ordinal), journal.latched.clusterDomain);
  return `${scheme}://${host}:${PEER_PORT}`;
}

function buildPlace(
  facts: Facts,
  journal: Journal,
  memberList: readonly MemberEntry[] | null,
  ordinal: number,
  lastIndex: number,
): Place {
  const cluster = facts.cluster.metadata.name;
  const name = podName(cluster, ordinal);
  const ownUrl = peerUrlOf(facts, journal, ordinal);
  const isOwn = (url: string): boolean => isSameAddress(url, ownUrl);
  const found = facts.members.get(name);
  const boot = valueOf(found?.boot);
  const state = valueOf(found?.state);
  const member = memberList?.find(({ peerUrls }) => peerUrls.some(isOwn)) ?? null;
  const pod = facts.pods.get(name) ?? null;
  const takesPart =
    member !== null &&
    pod !== null &&
    !isTerminating(pod) &&
    isReady(pod) &&
    state !== null &&
    state.memberId === member.id &&
    state.leader !== null &&
    state.appliedIndex + LAG_MAX >= lastIndex &&
    found?.readThrough.known === true;
  return {
    ordinal,
    name,
    peerUrl: member?.peerUrls.find(isOwn) ?? ownUrl,
    pod,
    transport: pod === null ? null : (transportOf(pod, CONTAINER) ?? journal.latched.transport),
    claim: facts.claims.get(claimName(cluster, ordinal)) ?? null,
    member,
    boot,
    state,
    participates: takesPart && !member.isLearner,
  };
}

/** The member that most of the others with the highest term call the leader, if it says so itself. */
function leaderOf(places: readonly Place[]): Place | null {
  const terms = places.map(({ state }) => state?.raftTerm ?? 0);
  const term = Math.max(0, ...terms);
  return (
    places.find(
      ({ state }) => state !== null && state.raftTerm === term && state.leader === state.memberId,
    ) ?? null
  );
}

/** What the way to TLS, or away from it, is judged by. */
export function occupantsOf({ places }: View): readonly Occupant[] {
  return places
    .filter(({ pod, member }) => pod !== null || member !== null)
    .map(({ name, transport, member, peerUrl }) => ({
      name,
      runs: transport,
      url: member === null ? null : schemeOf(peerUrl),
    }));
}

/** Some member has certificates, or shall have. */
export function isWithTls(view: View): boolean {
  const { spec, journal, places } = view;
  const said = [wantedTransport(spec), journal.latched.transport];
  return [...said, ...places.flatMap(({ transport }) => transport ?? [])].some(
    (one) => one !== "Plaintext",
  );
}

export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** Voters that take part, but for one. */
export function healthyVoters(view: View, but: string | null = null): number {
  return view.places.filter(({ participates, name }) => participates && name !== but).length;
}

/** I2: what remains of the voters is a quorum of them, and is there. */
export function canLose(view: View, place: Place): boolean {
  if (view.memberList === null) return false;
  const remaining = view.voters.filter(({ id }) => id !== place.member?.id).length;
  return remaining > 0 && healthyVoters(view, place.name) >= quorumOf(remaining);
}

/** Whether a quorum stays while this pod is made anew. With two voters it never does, and there is no other way. */
export function canRest(view: View, place: Place): boolean {
  const voters = view.voters.length;
  return (
    view.memberList !== null && (voters < 3 || healthyVoters(view, place.name) >= quorumOf(voters))
  );
}

/** Whether the learner has enough of the log to be asked to vote. */
export function isCaughtUp(view: View, place: Place): boolean {
  const { leader } = view;
  if (place.state === null || leader === null || leader.state === null) return false;
  return place.state.appliedIndex + LAG_MAX >= leader.state.raftIndex;
}

export function placeOf(view: View, name: string): Place | null {
  return view.places.find((place) => place.name === name) ?? null;
}

export function bootFileOf(view: View, name: string): BootFile {
  return view.journal.boot[name] ?? { ticket: null, fence: null };
}

/** The revision of the template that a pod was made from. */
export function revisionOf(pod: Pod): string | null {
  return pod.metadata.labels?.["controller-revision-hash"] ?? null;
}

/** The revision that pods shall have; null while the StatefulSet controller has not looked at its newest template. */
export function updateRevision(view: View): string | null {
  const set = view.facts.statefulSet;
  if (set === null || set.status?.updateRevision === undefined) return null;
  const seen = set.status.observedGeneration ?? 0;
  return seen >= (set.metadata.generation ?? 0) ? set.status.updateRevision : null;
}

export function isOutdated(view: View, { pod }: Place): boolean {
  const revision = updateRevision(view);
  return pod !== null && revision !== null && revisionOf(pod) !== revision;
}

/** `kv-0=https://…,kv-1=https://…`, as `--initial-cluster` has it. */
export function initialCluster(places: readonly Place[]): string {
  return places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
}
