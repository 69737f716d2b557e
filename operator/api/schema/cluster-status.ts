/** What the operator found. Rebuildable from the cluster and the journal: nothing is decided by it. */
import type { BootPhase } from "../../../src/api/boot.ts";
import { boolean, choice, int32, int64, list, object, quantity, string, time } from "./node.ts";
import type { ObjectNode } from "./node.ts";
import { conditions, observedGeneration } from "./shared.ts";

const HEX = { maxLength: 16 } as const;
const TEXT = { maxLength: 32768 } as const;
const WORD = { maxLength: 253 } as const;

/** What a member says of itself: a phase that is added there is missing here. */
const REPORTED: Readonly<Record<BootPhase, true>> = {
  AwaitingTicket: true,
  Fenced: true,
  Starting: true,
  Running: true,
};

const operation: ObjectNode = object(
  "OperationStatus",
  "The one operation under way, as the journal has it.",
  {
    id: string("Generation of the spec and a counter.", { ...WORD, required: true }),
    type: string(
      "What is done: Bootstrap, AddMember, RemoveMember, ReplaceMember, Roll, GrowVolumes, Restore ….",
      { ...WORD, required: true },
    ),
    member: string("Pod that it is about.", WORD),
    step: string("What was intended last.", { ...WORD, required: true }),
    message: string("What it waits for.", TEXT),
    attempts: int32("How often the step was tried.", { required: true, minimum: 0 }),
    startedAt: time("When the operation began.", { required: true }),
    deadline: time("When it is called stalled."),
  },
);

const member: ObjectNode = object("MemberStatus", "One pod and the member in it.", {
  name: string("Of the pod, and of the member.", { ...WORD, required: true }),
  id: string("Id of the member, hexadecimal; absent while it has none.", HEX),
  role: choice(
    "What the member list says: Voter, Learner, or None where it is not in it.",
    ["Voter", "Learner", "None"],
    { required: true },
  ),
  phase: choice(
    "What the pod does: no pod or not started (Pending), its own report (AwaitingTicket, Fenced, Starting, Running), no answer (Unreachable), or being deleted (Terminating).",
    ["Pending", ...Object.keys(REPORTED), "Unreachable", "Terminating"],
    { required: true },
  ),
  ready: boolean("Whether its pod is ready.", { required: true }),
  reason: string("Why it is not.", TEXT),
  leader: boolean("Whether it leads.", { required: true }),
  version: string("Version of its build.", WORD),
  node: string("Node that its pod runs on.", WORD),
  zone: string("Zone of that node.", WORD),
  pvcUID: string("UID of its claim.", WORD),
  dbSize: quantity("Size of its database."),
  raftIndex: int64(
    "Last entry of its log, told while no quorum answers: who has the highest raftTerm, and of those the highest raftIndex, lost least.",
    { minimum: 0 },
  ),
  raftTerm: int64("Term of that entry.", { minimum: 0 }),
  recreates: int32("How often its pod was made anew since it was last ready.", {
    required: true,
    minimum: 0,
  }),
});

export const CLUSTER_STATUS: ObjectNode = object(
  "QuorateClusterStatus",
  "What the operator found.",
  {
    observedGeneration: observedGeneration(),
    clusterID: string("Id of the cluster, hexadecimal: 64 bits do not fit a JSON number.", HEX),
    incarnation: int32("Counts recoveries of the cluster; begins with 1.", { minimum: 0 }),
    replicas: int32("Pods there are.", { minimum: 0 }),
    readyReplicas: int32("Pods that are ready.", { minimum: 0 }),
    updatedReplicas: int32("Pods that are as the spec has them now.", { minimum: 0 }),
    selector: string("Labels of the pods, for /scale.", { maxLength: 512 }),
    version: string("Lowest version of a member that runs.", WORD),
    targetVersion: string(
      "Version that the members shall have: the spec's, or the one latched at creation.",
      WORD,
    ),
    image: string("Image that the members shall have.", { maxLength: 1024 }),
    layoutRevision: string("Layout that the pods shall have.", WORD),
    leader: string("Name of the member that leads.", WORD),
    endpoint: string(
      "By which clients reach the cluster now: https where every member serves TLS, http where not. While it changes, the condition " +
        "TLSReady says what clients have to do.",
      { maxLength: 512 },
    ),
    dbSize: quantity("Size of the largest database among the members."),
    alarms: list("Alarms that are raised.", string("NOSPACE or CORRUPT, and the member.", WORD), {
      maxItems: 32,
      keys: [],
    }),
    operation,
    members: list("The members, by ordinal.", member, { maxItems: 16, keys: ["name"] }),
    backup: object("BackupSummary", "The newest backup of this cluster that is complete.", {
      name: string("Name of the QuorateBackup.", WORD),
      lastSuccess: time("When it was complete."),
      revision: int64("Revision that it holds.", { minimum: 0 }),
    }),
    conditions: conditions(
      "Ready, Available, Reconciling, Stalled, Degraded, Updated, BackupHealthy, TLSReady, TopologySatisfied, QuorumLost.",
    ),
  },
);
