/** Facts of a cluster that is well, and what tests change of them. */
import type { BootReport } from "../../../src/api/boot.ts";
import type { MemberEntry, MemberState } from "../../../operator/admin.ts";
import { withDefaults } from "../../../operator/api/apply-defaults.ts";
import type { QuorateCluster, QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import { desiredObjects, desiredStatefulSet } from "../../../operator/cluster/component/objects.ts";
import { type Facts, type MemberFacts, known } from "../../../operator/cluster/facts.ts";
import type {
  Journal,
  Latched,
  Operation,
  RollOperation,
} from "../../../operator/cluster/journal.ts";
import { BOOT_ANNOTATION, ROLE_LABEL, digestOf } from "../../../operator/cluster/names.ts";
import type { Claim, Pod, StatefulSet } from "../../../operator/cluster/objects.ts";
import { buildView, peerUrlOf } from "../../../operator/cluster/view.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";

export const NOW: number = Date.UTC(2026, 0, 5, 12);
export const REVISION = "kv-1";

export const LATCHED: Latched = {
  version: "1.4.2",
  repository: "example.org/quorate",
  layoutRevision: "v1",
  clusterDomain: "cluster.local",
  transport: "Plaintext",
  plaintext: true,
};

/** A roll that took the pod of kv-2 down, and waits for the next one to take part. */
export const ROLLING: RollOperation = {
  id: "1-4",
  type: "Roll",
  step: "AwaitParticipating",
  attempts: 0,
  startedAt: new Date(NOW - 1_000).toISOString(),
  deadline: new Date(NOW + 60_000).toISOString(),
  task: null,
  revision: REVISION,
  current: { member: "kv-2", podUid: "older" },
  seenAt: null,
};

/** One member as a test wants it; what is not said is as it is where all is well. */
export interface MemberSketch {
  readonly voter?: boolean;
  /** False: not in the list. */
  readonly listed?: boolean;
  readonly ready?: boolean;
  readonly leads?: boolean;
  readonly boot?: Partial<BootReport> | null;
  readonly revision?: string;
  readonly pod?: Partial<NonNullable<Pod["status"]>> | null;
  readonly claimLeaves?: boolean;
}

export interface Sketch {
  readonly spec?: Partial<QuorateClusterSpec>;
  readonly members?: readonly MemberSketch[];
  readonly journal?: Partial<Journal>;
  readonly operation?: Operation | null;
  readonly facts?: Partial<Facts>;
  readonly cluster?: Partial<QuorateCluster["metadata"]>;
  /** The list cannot be read. */
  readonly listUnknown?: boolean;
}

export function idOf(ordinal: number): string {
  return `a${ordinal}`;
}

/** As a pass would read them. Three members, the leader first, unless said otherwise. */
export function factsOf(sketch: Sketch = {}): Facts {
  const members = sketch.members ?? [{ leads: true }, {}, {}];
  const cluster = clusterOf(sketch, members.length);
  const journal = journalOf(cluster, sketch, members);
  const bare = baseFacts(cluster, journal);
  const pods = new Map<string, Pod>();
  const claims = new Map<string, Claim>();
  const told = new Map<string, MemberFacts>();
  const list: MemberEntry[] = [];
  const leads = members.findIndex(({ leads: is }) => is === true);
  for (const [ordinal, member] of members.entries()) {
    const name = `kv-${ordinal}`;
    const isVoter = member.voter !== false;
    const url = peerUrlOf(bare, journal, ordinal);
    if (member.listed !== false)
      list.push({ id: idOf(ordinal), name, peerUrls: [url], isLearner: !isVoter });
    if (member.pod !== null) pods.set(name, podOf(name, member, journal, isVoter));
    claims.set(`data-${name}`, claimOf(name, member));
    told.set(name, memberOf(ordinal, member, leads < 0 ? null : idOf(leads), isVoter));
  }
  const listed =
    sketch.listUnknown === true
      ? { known: false as const, why: "no leader" }
      : known<readonly MemberEntry[]>(list);
  const facts = { ...bare, pods, claims, members: told, memberList: listed };
  return { ...withObjects(facts, journal), ...sketch.facts };
}

function clusterOf(sketch: Sketch, replicas: number): QuorateCluster {
  return {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateCluster",
    metadata: { name: "kv", namespace: "data", uid: "c-1", generation: 1, ...sketch.cluster },
    spec: {
      replicas,
      storage: { size: "8Gi" },
      unsafe: { plaintext: true, evenReplicas: true },
      monitoring: { podMonitor: "Disabled", rules: "Disabled" },
      ...sketch.spec,
    },
  };
}

function journalOf(
  cluster: QuorateCluster,
  sketch: Sketch,
  members: readonly MemberSketch[],
): Journal {
  const fence = (ordinal: number): Journal["boot"][string] => ({
    ticket: null,
    fence: { incarnation: 1, clusterId: "cc", memberId: idOf(ordinal) },
  });
  return {
    version: 1,
    revision: 7,
    latched: LATCHED,
    adopted: { generation: 1, spec: withDefaults(cluster.spec), refusal: null },
    proven: {
      revision: REVISION,
      spec: withDefaults(cluster.spec),
      latched: LATCHED,
      outgrown: [],
    },
    failed: null,
    incarnation: 1,
    clusterId: "cc",
    size: members.length,
    asleep: null,
    boot: Object.fromEntries(
      members.flatMap(({ listed }, at) => (listed === false ? [] : [[`kv-${at}`, fence(at)]])),
    ),
    operation: sketch.operation ?? null,
    counter: 3,
    recreates: {},
    rootPassword: null,
    downgradeTo: null,
    rotated: null,
    history: [],
    ...sketch.journal,
  };
}

function baseFacts(cluster: QuorateCluster, document: Journal): Facts {
  return {
    now: NOW,
    entropy: "fresh",
    cluster,
    journal: { document, resourceVersion: "70" },
    bootFiles: { files: document.boot, journalRevision: document.revision, resourceVersion: "71" },
    statefulSet: null,
    pods: new Map(),
    claims: new Map(),
    members: new Map(),
    memberList: known([]),
    alarms: known([]),
    strandedClaims: new Set(),
    expandable: new Map(),
    hashes: new Map(),
    restore: null,
    check: null,
    zones: new Map(),
    secrets: new Map(),
    owned: new Map(),
    served: new Set(),
    tasks: [],
    backups: [],
    backupHealth: {
      type: "BackupHealthy",
      status: "Unknown",
      reason: "NoBackup",
      message: "no backup has been made yet",
    },
    defaults: {
      version: "1.4.2",
      repository: "example.org/quorate",
      layoutRevision: "v1",
      clusterDomain: "cluster.local",
    },
  };
}

function podOf(name: string, member: MemberSketch, { boot }: Journal, isVoter: boolean): Pod {
  const ready = member.ready !== false;
  const role = isVoter && member.listed !== false ? "voter" : "learner";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "data",
      uid: `p-${name}`,
      labels: {
        "quorate.io/cluster": "kv",
        "controller-revision-hash": member.revision ?? REVISION,
        [ROLE_LABEL]: role,
      },
      annotations: { [BOOT_ANNOTATION]: digestOf(boot[name] ?? { ticket: null, fence: null }) },
      creationTimestamp: new Date(NOW - 3_600_000).toISOString(),
    },
    spec: { nodeName: `node-${name}` },
    status: {
      phase: "Running",
      conditions: [
        {
          type: "Ready",
          status: ready ? "True" : "False",
          lastTransitionTime: new Date(NOW - 60_000).toISOString(),
        },
      ],
      containerStatuses: [{ name: "quorate", ready, restartCount: 0, state: { running: {} } }],
      ...member.pod,
    },
  };
}

function claimOf(name: string, { claimLeaves }: MemberSketch): Claim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: `data-${name}`,
      namespace: "data",
      uid: `d-${name}`,
      ...(claimLeaves === true ? { deletionTimestamp: new Date(NOW).toISOString() } : {}),
    },
    spec: { storageClassName: "fast", resources: { requests: { storage: "8Gi" } } },
  };
}

function memberOf(
  ordinal: number,
  member: MemberSketch,
  leader: string | null,
  isVoter: boolean,
): MemberFacts {
  const silent = { known: false as const, why: "connect ECONNREFUSED" };
  if (member.boot === null || member.pod === null)
    return { boot: silent, state: silent, readThrough: silent };
  const boot: BootReport = {
    phase: "Running",
    reason: "",
    name: `kv-${ordinal}`,
    version: "1.4.2",
    memberId: idOf(ordinal),
    clusterId: "cc",
    incarnation: 1,
    usedNonce: "used",
    lastTerm: 2,
    lastIndex: 100,
    appliedIndex: 100,
    leader,
    tls: { client: null, peer: null },
    ...member.boot,
  };
  if (boot.phase !== "Running") return { boot: known(boot), state: silent, readThrough: silent };
  const state: MemberState = {
    memberId: idOf(ordinal),
    clusterId: "cc",
    leader,
    isLearner: !isVoter,
    version: "1.4.2",
    raftTerm: 2,
    raftIndex: 100,
    appliedIndex: 100,
    revision: 90,
    dbSize: 1_000,
    dbSizeInUse: 1_000,
    dbSizeQuota: 3_435_973_836,
    errors: [],
  };
  const readThrough = member.ready === false || leader === null ? silent : known(90);
  return { boot: known(boot), state: known(state), readThrough };
}

/** Everything that the operator applies is there. */
function withObjects(facts: Facts, journal: Journal): Facts {
  const set = desiredStatefulSet(buildView(facts, journal)).object as unknown as StatefulSet;
  const statefulSet: StatefulSet = {
    ...set,
    metadata: { ...set.metadata, uid: "s-1", generation: 1, resourceVersion: "60" },
    status: { observedGeneration: 1, updateRevision: REVISION },
  };
  const owned = new Map<string, KubeObject>([[`StatefulSet/kv`, statefulSet]]);
  for (const { object } of desiredObjects(buildView(facts, journal)))
    owned.set(`${object.kind}/${object.metadata.name}`, object);
  return { ...facts, statefulSet, owned };
}
