/** QuorateTask: what a person has done once. */
import { boolean, choice, int32, int64, list, object, string, time } from "./node.ts";
import type { BooleanNode, Node, ObjectNode, Rule } from "./node.ts";
import {
  QUORATE_VERSION,
  conditions,
  dnsLabel,
  exactlyOne,
  localReference,
  observedGeneration,
  restoreSource,
} from "./shared.ts";

function acknowledgement(doc: string): BooleanNode {
  return boolean(doc, {
    required: true,
    rules: [
      {
        rule: "self",
        message:
          "acknowledgeDataLoss must be true: set it once you accept that what only the other disks or the present store hold is lost",
      },
    ],
  });
}

const ACTIONS: Readonly<Record<string, Node>> = {
  defragment: object(
    "DefragmentAction",
    "Give free space in the database files back, a member at a time, the leader last.",
    {
      members: list("Pods of the members; absent: all.", dnsLabel("Name of a pod."), {
        maxItems: 7,
        minItems: 1,
        keys: [],
      }),
    },
  ),
  moveLeader: object("MoveLeaderAction", "Hand leadership over.", {
    to: dnsLabel("Pod of the member that shall lead; absent: whichever has most of the log."),
  }),
  replaceMember: object(
    "ReplaceMemberAction",
    "Remove a member with its disk, and let an empty one of the same name join. Needs a quorum of the others.",
    { member: dnsLabel("Name of its pod.", { required: true }) },
  ),
  downgrade: object(
    "DowngradeAction",
    "Allow the cluster to go down a minor version; then set spec.version of the cluster to it.",
    {
      version: string("Version to go down to, of the minor version before.", {
        required: true,
        maxLength: 64,
        pattern: QUORATE_VERSION,
      }),
    },
  ),
  recoverQuorum: object(
    "RecoverQuorumAction",
    "A majority is lost for good: go on with what one member has. The others are wiped and join anew.",
    {
      survivor: dnsLabel(
        "Pod of the member whose data are kept: the one with the highest term and index.",
        { required: true },
      ),
      acknowledgeDataLoss: acknowledgement(
        "Must be true: what the survivor does not have is lost.",
      ),
    },
  ),
  restore: object(
    "RestoreAction",
    "Replace what the cluster holds with a snapshot. It is read through first; then the members stop, and their disks are wiped.",
    {
      from: restoreSource("The snapshot.", { required: true }),
      acknowledgeDataLoss: acknowledgement(
        "Must be true: what was written since the snapshot is lost.",
      ),
    },
  ),
};

const ONE_OF = Object.keys(ACTIONS).join(", ");

/** Pods are named for their cluster, so a wrong one is seen at once. */
function ofThisCluster(action: string, field: string, each = false): Rule {
  const path = `self.${action}.${field}`;
  const prefix = "(self.clusterRef.name + '-')";
  const named = each ? `${path}.all(pod, pod.startsWith${prefix})` : `${path}.startsWith${prefix}`;
  return {
    rule: `!has(self.${action}) || !has(${path}) || ${named}`,
    message: `${action}.${field} must name pods of the cluster in clusterRef, such as kv-0 for the cluster kv: correct one of the two`,
    fieldPath: `.${action}.${field}`,
  };
}

export const TASK_SPEC: ObjectNode = object(
  "QuorateTaskSpec",
  "What to do: exactly one action. Cannot be changed: make another QuorateTask.",
  {
    clusterRef: localReference("The QuorateCluster to act on.", { required: true }),
    ttlSecondsAfterFinished: int32("How long the task is kept once it is done or has failed.", {
      value: 3600,
      minimum: 0,
      maximum: 31536000,
    }),
    ...ACTIONS,
  },
  {
    required: true,
    rules: [
      {
        rule: exactlyOne(Object.keys(ACTIONS)),
        message: `exactly one action must be set: keep one of ${ONE_OF}, and make a task of its own for each other`,
      },
      {
        rule: "self == oldSelf",
        message:
          "spec cannot be changed, since the task may have begun: create another QuorateTask",
      },
      ofThisCluster("defragment", "members", true),
      ofThisCluster("moveLeader", "to"),
      ofThisCluster("replaceMember", "member"),
      ofThisCluster("recoverQuorum", "survivor"),
    ],
  },
);

export const TASK_STATUS: ObjectNode = object("QuorateTaskStatus", "What became of it.", {
  observedGeneration: observedGeneration(),
  phase: choice("Where it stands: Pending waits for another operation of the cluster.", [
    "Pending",
    "Running",
    "Complete",
    "Failed",
  ]),
  message: string("What it waits for, or why it failed.", { maxLength: 32768 }),
  operationID: string("Id of the operation in the journal of the cluster.", { maxLength: 253 }),
  startedAt: time("When it began."),
  completedAt: time("When it was done or had failed."),
  revision: int64("Revision of the store afterwards, where it changed.", { minimum: 0 }),
  conditions: conditions("Complete, Failed, Reconciling, Stalled."),
});
