/** The five custom resources of the group, in the order in which a person meets them. */
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../resources.ts";
import {
  BACKUP_SPEC,
  BACKUP_STATUS,
  SCHEDULE_SPEC,
  SCHEDULE_STATUS,
  STORE_SPEC,
  STORE_STATUS,
} from "./backup.ts";
import { CLUSTER_SPEC } from "./cluster-spec.ts";
import { CLUSTER_STATUS } from "./cluster-status.ts";
import type { PrinterColumn, ResourceSchema } from "./node.ts";
import { nameRule } from "./shared.ts";
import { TASK_SPEC, TASK_STATUS } from "./task.ts";

function column(
  name: string,
  jsonPath: string,
  description: string,
  options: { readonly type?: PrinterColumn["type"]; readonly priority?: 1 } = {},
): PrinterColumn {
  return { name, type: options.type ?? "string", jsonPath, description, ...options };
}

function condition(type: string, field: "status" | "reason"): string {
  return `.status.conditions[?(@.type=="${type}")].${field}`;
}

const AGE = column("Age", ".metadata.creationTimestamp", "Time since it was made.", {
  type: "date",
});
const WIDE = { priority: 1 } as const;

const CLUSTER: ResourceSchema = {
  resource: QUORATE_CLUSTER,
  singular: "quoratecluster",
  shortNames: ["qc"],
  doc: "A Quorate cluster: an etcd-compatible, replicated key-value store.",
  spec: CLUSTER_SPEC,
  status: CLUSTER_STATUS,
  rules: [nameRule(40, "the names of pods, Services and certificates are made from it")],
  columns: [
    column("Ready", condition("Ready", "status"), "Whether all members are as they shall be."),
    column("Status", condition("Ready", "reason"), "Why it is ready or not."),
    column("Replicas", ".spec.replicas", "Members there shall be.", { type: "integer" }),
    column("Version", ".status.version", "Lowest version of a member that runs."),
    column("Leader", ".status.leader", "Member that leads."),
    AGE,
    column("DB Size", ".status.dbSize", "Size of the largest database.", WIDE),
    column("Last Backup", ".status.backup.lastSuccess", "Time since the newest backup.", {
      type: "date",
      priority: 1,
    }),
    column("Operation", ".status.operation.type", "What is under way.", WIDE),
  ],
  scale: {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
};

const BACKUP: ResourceSchema = {
  resource: QUORATE_BACKUP,
  singular: "quoratebackup",
  shortNames: ["qb"],
  doc: "One snapshot of a cluster, kept in a store or on a claim. It outlives the cluster.",
  spec: BACKUP_SPEC,
  status: BACKUP_STATUS,
  rules: [nameRule(52, "the name of a Job is made from it")],
  columns: [
    column("Cluster", ".spec.clusterRef.name", "What is backed up."),
    column("Phase", ".status.phase", "Where it stands."),
    column("Revision", ".status.revision", "Revision that it holds.", { type: "integer" }),
    column("Size", ".status.storedBytes", "Bytes stored.", { type: "integer" }),
    AGE,
    column("URI", ".status.uri", "Where the file is.", WIDE),
    column("Message", ".status.message", "What it waits for, or why it failed.", WIDE),
  ],
  selectable: [".spec.clusterRef.name"],
};

const SCHEDULE: ResourceSchema = {
  resource: QUORATE_BACKUP_SCHEDULE,
  singular: "quoratebackupschedule",
  shortNames: ["qbs"],
  doc: "Makes QuorateBackups by a schedule, and deletes those that are no longer to be kept.",
  spec: SCHEDULE_SPEC,
  status: SCHEDULE_STATUS,
  rules: [nameRule(36, "the names of its backups are made from it and the time")],
  columns: [
    column("Schedule", ".spec.schedule", "When."),
    column("Cluster", ".spec.backupTemplate.spec.clusterRef.name", "What is backed up."),
    column("Suspend", ".spec.suspend", "Whether it makes none for now.", { type: "boolean" }),
    column("Last Success", ".status.lastSuccessTime", "Time since the newest backup.", {
      type: "date",
    }),
    column("Kept", ".status.kept", "Backups there are.", { type: "integer" }),
    AGE,
    column("Next", ".status.nextScheduleTime", "When the next is due.", WIDE),
    column("Message", ".status.message", "What it waits for, or why the last failed.", WIDE),
  ],
  selectable: [".spec.backupTemplate.spec.clusterRef.name"],
};

const STORE: ResourceSchema = {
  resource: QUORATE_BACKUP_STORE,
  singular: "quoratebackupstore",
  shortNames: ["qbst"],
  doc: "Where backups are kept: a bucket, and how to get in.",
  spec: STORE_SPEC,
  status: STORE_STATUS,
  rules: [],
  columns: [
    column("Ready", condition("Ready", "status"), "Whether it can be used."),
    column("Bucket", ".spec.s3.bucket", "Name of the bucket."),
    column("Endpoint", ".spec.s3.endpoint", "URL of the service."),
    AGE,
    column("Message", ".status.message", "What is missing.", WIDE),
  ],
};

const TASK: ResourceSchema = {
  resource: QUORATE_TASK,
  singular: "quoratetask",
  shortNames: ["qt"],
  doc: "Something done to a cluster once, on a person's word: a GitOps tool that applies it again triggers nothing.",
  spec: TASK_SPEC,
  status: TASK_STATUS,
  rules: [nameRule(52, "the names of what it makes are made from it")],
  columns: [
    column("Cluster", ".spec.clusterRef.name", "What it acts on."),
    column("Phase", ".status.phase", "Where it stands."),
    AGE,
    column("Message", ".status.message", "What it waits for, or why it failed.", WIDE),
  ],
  selectable: [".spec.clusterRef.name"],
};

export const RESOURCE_SCHEMAS: readonly ResourceSchema[] = [CLUSTER, BACKUP, SCHEDULE, STORE, TASK];
