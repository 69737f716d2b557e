/** QuorateTask: what a person has done once. */
import { boolean, choice, int32, int64, list, object, string, time } from "./node.ts";
import type { BooleanNode, ObjectNode } from "./node.ts";
import {
  VERSION,
  conditions,
  dnsLabel,
  localReference,
  observedGeneration,
  restoreSource,
} from "./shared.ts";

const WORD = { maxLength: 253 } as const;

function acknowledgement(): BooleanNode {
  return boolean(
    "Must be true: data written since may be lost, and disks of the other members are wiped.",
    { required: true },
  );
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
    defragment: object(
      "DefragmentAction",
      "Give space in the database files back, a member at a time, the leader last.",
      {
        members: list("Pods of the members; absent: all.", dnsLabel("Name of a pod."), {
          maxItems: 7,
          minItems: 1,
          keys: [],
        }),
      },
    ),
    moveLeader: object("MoveLeaderAction", "Hand leadership over.", {
      to: dnsLabel("Pod of the member that shall lead; absent: the one that has most of the log."),
    }),
    replaceMember: object(
      "ReplaceMemberAction",
      "Remove a member with its disk and let an empty one of the same name join. Needs a quorum of the others.",
      {
        member: dnsLabel("Name of its pod.", { required: true }),
      },
    ),
    downgrade: object(
      "DowngradeAction",
      "Let the cluster go down a minor version; set spec.version of the cluster to it afterwards.",
      {
        version: string("Version to go down to: of the minor before.", {
          required: true,
          maxLength: 64,
          pattern: VERSION,
        }),
      },
    ),
    recoverQuorum: object(
      "RecoverQuorumAction",
      "A majority is lost for good: go on with what one member has.",
      {
        survivor: dnsLabel(
          "Pod of the member whose data are kept: the one with the highest term and index.",
          { required: true },
        ),
        acknowledgeDataLoss: acknowledgement(),
      },
    ),
    restore: object(
      "RestoreAction",
      "Replace what the cluster holds with a snapshot. The members stop meanwhile.",
      {
        from: restoreSource("RestoreSource", "The snapshot.", { required: true }),
        acknowledgeDataLoss: acknowledgement(),
      },
    ),
  },
  { required: true },
);

export const TASK_STATUS: ObjectNode = object("QuorateTaskStatus", "What became of it.", {
  observedGeneration: observedGeneration(),
  phase: choice("Where it stands: Pending waits for another operation of the cluster.", [
    "Pending",
    "Running",
    "Complete",
    "Failed",
  ]),
  message: string("What it waits for, or why it failed.", { maxLength: 4096 }),
  operationID: string("Id of the operation in the journal of the cluster.", WORD),
  startedAt: time("When it began."),
  completedAt: time("When it was done or had failed."),
  revision: int64("Revision of the store afterwards, where it changed.", { minimum: 0 }),
  conditions: conditions("Complete, Failed, Reconciling, Stalled."),
});
