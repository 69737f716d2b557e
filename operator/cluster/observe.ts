/** Reads everything that a pass needs, from the API server and from the members. Changes nothing, remembers nothing. */
import type { BootFile } from "../../src/api/boot.ts";
import type { Admin, AdminPool, HistoryHash, MemberAddress } from "../admin.ts";
import {
  CERTIFICATE,
  CONFIG_MAP,
  NETWORK_POLICY,
  NODE,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  POD_MONITOR,
  PROMETHEUS_RULE,
  QUORATE_BACKUP,
  QUORATE_TASK,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  STATEFUL_SET,
} from "../api/resources.ts";
import type { QuorateBackup, QuorateCluster, QuorateTask } from "../api/gen/types.ts";
import { type KubeApi, KubeError, type KubeObject, type Resource } from "../kube/api.ts";
import { specOf } from "./adoption.ts";
import { accessOf } from "./access.ts";
import { secretNames } from "./certificates.ts";
import {
  type Facts,
  type MemberFacts,
  type OperatorDefaults,
  type Read,
  type StoredBootFiles,
  type StoredJournal,
  known,
  unknown,
} from "./facts.ts";
import { parseJournal } from "./journal.ts";
import {
  CLUSTER_LABEL,
  checkJobName,
  claimOrdinalOf,
  clusterNames,
  ordinalOf,
  restoreJobName,
} from "./names.ts";
import type { Claim, ConfigMap, Node, Pod, Secret, StatefulSet } from "./objects.ts";
import { isBeforeStop } from "./operation/restore.ts";
import type { RestorePorts } from "./restore-port.ts";
import { expandableClasses, strandedClaims } from "./volumes.ts";

export interface Observer {
  readonly kube: KubeApi;
  readonly admins: AdminPool;
  readonly restores: RestorePorts;
  readonly defaults: OperatorDefaults;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Never the same twice. */
  readonly entropy: () => string;
}

/** Key of the one entry in the journal's ConfigMap, and annotation of the boot ConfigMap. */
export const JOURNAL_KEY = "journal";
export const JOURNAL_REVISION = "quorate.io/journal-revision";

const OWNED: readonly Resource[] = [
  SERVICE,
  SERVICE_ACCOUNT,
  NETWORK_POLICY,
  POD_DISRUPTION_BUDGET,
];
const OPTIONAL: readonly Resource[] = [POD_MONITOR, PROMETHEUS_RULE, CERTIFICATE];

/** What the members are reached by, beside what they said. */
export interface Observation {
  readonly facts: Facts;
  readonly admin: Admin;
}

/** Rejects with a `KubeError` where the API server does not answer, with a `JournalError` where the journal is none. */
export async function observe(observer: Observer, cluster: QuorateCluster): Promise<Observation> {
  const { kube } = observer;
  const { name, namespace = "" } = cluster.metadata;
  const called = clusterNames(name);
  const at = (object: string): { namespace: string; name: string } => ({ namespace, name: object });
  const labelled = { namespace, labelSelector: `${CLUSTER_LABEL}=${name}` };
  // The boot files before the journal: what is written from a journal is never older than what was read with it.
  const bootFiles = readBootFiles(await kube.get<ConfigMap>(CONFIG_MAP, at(called.boot)));
  const journal = readJournal(await kube.get<ConfigMap>(CONFIG_MAP, at(called.journal)), cluster);
  const statefulSet = await kube.get<StatefulSet>(STATEFUL_SET, at(called.statefulSet));
  const pods = await kube.list<Pod>(POD, labelled);
  const claims = await kube.list<Claim>(PERSISTENT_VOLUME_CLAIM, { namespace });
  const spec = journal?.document.adopted.spec ?? specOf(cluster);
  const secrets = await readAll<Secret>(kube, SECRET, namespace, secretNames(name, spec));
  const ownPods = new Map(
    pods.items
      .filter(({ metadata }) => ordinalOf(name, metadata.name) !== null)
      .map((pod) => [pod.metadata.name, pod]),
  );
  const ownClaims = new Map(
    claims.items
      .filter(({ metadata }) => claimOrdinalOf(name, metadata.name) !== null)
      .map((claim) => [claim.metadata.name, claim]),
  );
  const access = accessOf(cluster, journal, statefulSet, ownPods, secrets);
  const admin = observer.admins.reach(`${namespace}/${name}`, access);
  const served = await servedKinds(kube);
  const [members, owned, nodes, backups, tasks] = await Promise.all([
    askMembers(admin, access.members),
    readOwned(kube, labelled, served, statefulSet),
    readNodes(kube, [...ownPods.values()]),
    readBackups(kube, namespace, name),
    readTasks(kube, namespace, name),
  ]);
  const facts: Facts = {
    now: observer.now(),
    entropy: observer.entropy(),
    cluster,
    journal,
    bootFiles,
    statefulSet,
    pods: ownPods,
    claims: ownClaims,
    ...members,
    secrets,
    zones: nodes,
    ...(await readRestore(observer, cluster, journal)),
    expandable: await expandableClasses(kube, [spec, specOf(cluster)], ownClaims),
    hashes: await askHashes(admin, journal, access.members),
    strandedClaims: await strandedClaims(kube, ownPods, ownClaims),
    owned,
    served,
    tasks,
    backups,
    backupHealth: await observer.restores(kube).health(at(name), backups, observer.now()),
    defaults: observer.defaults,
  };
  return { facts, admin };
}

export function readJournal(map: ConfigMap | null, cluster: QuorateCluster): StoredJournal | null {
  if (map === null) return null;
  const owner = map.metadata.ownerReferences?.some(({ uid }) => uid === cluster.metadata.uid);
  if (owner !== true)
    throw new KubeError("conflict", `the ConfigMap ${map.metadata.name} belongs to something else`);
  return {
    document: parseJournal(map.data?.[JOURNAL_KEY] ?? ""),
    resourceVersion: map.metadata.resourceVersion ?? "",
  };
}

export function readBootFiles(map: ConfigMap | null): StoredBootFiles | null {
  if (map === null) return null;
  const files: Record<string, BootFile> = {};
  for (const [name, text] of Object.entries(map.data ?? {}))
    files[name.replace(/\.json$/, "")] = parseBootFile(text);
  return {
    files,
    journalRevision: Number(map.metadata.annotations?.[JOURNAL_REVISION] ?? 0),
    resourceVersion: map.metadata.resourceVersion ?? "",
  };
}

/** What somebody else wrote there is not what the journal says, and is written anew. */
function parseBootFile(text: string): BootFile {
  try {
    return JSON.parse(text) as BootFile;
  } catch {
    return { ticket: null, fence: null };
  }
}

async function readAll<T extends KubeObject>(
  kube: KubeApi,
  resource: Resource,
  namespace: string,
  names: readonly string[],
): Promise<Map<string, T>> {
  const found = await Promise.all(
    names.map(async (name) => await kube.get<T>(resource, { namespace, name })),
  );
  return new Map(found.flatMap((each) => (each === null ? [] : [[each.metadata.name, each]])));
}

async function servedKinds(kube: KubeApi): Promise<ReadonlySet<string>> {
  const asked = await Promise.all(
    OPTIONAL.map(async (resource) => ((await kube.serves(resource)) ? [resource.kind] : [])),
  );
  return new Set(asked.flat());
}

async function readOwned(
  kube: KubeApi,
  labelled: { readonly namespace: string; readonly labelSelector: string },
  served: ReadonlySet<string>,
  statefulSet: StatefulSet | null,
): Promise<ReadonlyMap<string, KubeObject>> {
  const kinds = [...OWNED, ...OPTIONAL.filter(({ kind }) => served.has(kind))];
  const lists = await Promise.all(
    kinds.map(async (resource) => ({
      resource,
      items: (await kube.list(resource, labelled)).items,
    })),
  );
  const found = lists.flatMap(({ resource, items }) =>
    items.map((item): [string, KubeObject] => [`${resource.kind}/${item.metadata.name}`, item]),
  );
  if (statefulSet !== null) found.push([`StatefulSet/${statefulSet.metadata.name}`, statefulSet]);
  return new Map(found);
}

/** Zones by node; nothing where nodes may not be read. */
async function readNodes(
  kube: KubeApi,
  pods: readonly Pod[],
): Promise<ReadonlyMap<string, string>> {
  const names = new Set(pods.flatMap(({ spec }) => spec?.nodeName ?? []));
  const zones = new Map<string, string>();
  for (const name of names) {
    const node = await readOrNull(kube.get<Node>(NODE, { namespace: null, name }));
    const zone = node?.metadata.labels?.["topology.kubernetes.io/zone"];
    if (zone !== undefined) zones.set(name, zone);
  }
  return zones;
}

async function readOrNull<T>(reading: Promise<T | null>): Promise<T | null> {
  try {
    return await reading;
  } catch (thrown) {
    if (thrown instanceof KubeError && thrown.code === "forbidden") return null;
    throw thrown;
  }
}

async function readBackups(
  kube: KubeApi,
  namespace: string,
  name: string,
): Promise<readonly QuorateBackup[]> {
  const { items } = await kube.list<QuorateBackup>(QUORATE_BACKUP, { namespace });
  return items.filter(({ spec }) => spec.clusterRef.name === name);
}

async function readTasks(
  kube: KubeApi,
  namespace: string,
  name: string,
): Promise<readonly QuorateTask[]> {
  const { items } = await kube.list<QuorateTask>(QUORATE_TASK, { namespace });
  const when = ({ metadata }: QuorateTask): string => metadata.creationTimestamp ?? "";
  return items
    .filter(({ spec }) => spec.clusterRef.name === name)
    .toSorted(
      (a, b) => when(a).localeCompare(when(b)) || (a.metadata.name < b.metadata.name ? -1 : 1),
    );
}

type MemberAnswers = Pick<Facts, "members" | "memberList" | "alarms">;

/** Asks all at once; each answer stands for itself. */
async function askMembers(
  admin: Admin,
  addresses: readonly MemberAddress[],
): Promise<MemberAnswers> {
  if (addresses.length === 0) {
    const why = "no pod has an address";
    return { members: new Map(), memberList: unknown(why), alarms: unknown(why) };
  }
  const asked = addresses.map(async ({ name }): Promise<[string, MemberFacts]> => {
    const boot = await attempt(admin.boot(name));
    // Whoever does not run serves no requests: they would only have to time out.
    if (!boot.known || boot.value.phase !== "Running") {
      const why = boot.known ? `it is ${boot.value.phase}` : boot.why;
      return [name, { boot, state: unknown(why), readThrough: unknown(why) }];
    }
    const [state, readThrough] = await Promise.all([
      attempt(admin.status(name)),
      attempt(admin.readThrough(name)),
    ]);
    return [name, { boot, state, readThrough }];
  });
  const members = new Map(await Promise.all(asked));
  const running = [...members.values()].some(({ state }) => state.known);
  if (!running) {
    const why = whyNone(members);
    return { members, memberList: unknown(why), alarms: unknown(why) };
  }
  const [memberList, alarms] = await Promise.all([
    attempt(admin.members()),
    attempt(admin.alarms()),
  ]);
  return { members, memberList, alarms };
}

/** Of members that run and are not reached as they should be, what the first one says. */
function whyNone(members: ReadonlyMap<string, MemberFacts>): string {
  for (const [name, { boot, state }] of members)
    if (boot.known && boot.value.phase === "Running" && !state.known)
      return `${name}: ${state.why}`;
  return "no member runs";
}

async function readRestore(
  { kube, restores }: Observer,
  { metadata }: QuorateCluster,
  journal: StoredJournal | null,
): Promise<Pick<Facts, "restore" | "check">> {
  const operation = journal?.document.operation;
  if (journal === null || operation?.type !== "Restore" || operation.restored !== null)
    return { restore: null, check: null };
  const { name, namespace = "" } = metadata;
  const { nonce, source, origin } = operation;
  const port = restores(kube);
  if (isBeforeStop(journal.document, operation)) {
    const job = { namespace, name: checkJobName(name, nonce) };
    return { restore: null, check: await port.checked(job, source, origin) };
  }
  const job = { namespace, name: restoreJobName(name, nonce) };
  return { restore: await port.progress(job, source, origin), check: null };
}

/** Only while members are compared: it reads all that they have. */
async function askHashes(
  admin: Admin,
  journal: StoredJournal | null,
  addresses: readonly MemberAddress[],
): Promise<Facts["hashes"]> {
  const operation = journal?.document.operation;
  if (operation?.type !== "RepairCorruption" || operation.revision === null) return new Map();
  const { revision } = operation;
  const asked = addresses.map(async ({ name }): Promise<[string, Read<HistoryHash>]> => [
    name,
    await attempt(admin.hashKv(name, revision)),
  ]);
  return new Map(await Promise.all(asked));
}

async function attempt<T>(answer: Promise<T>): Promise<Read<T>> {
  try {
    return known(await answer);
  } catch (thrown) {
    return unknown(thrown instanceof Error ? thrown.message : String(thrown));
  }
}
