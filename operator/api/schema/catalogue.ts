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
import type { ResourceSchema } from "./node.ts";
import { TASK_SPEC, TASK_STATUS } from "./task.ts";

const CLUSTER: ResourceSchema = {
  resource: QUORATE_CLUSTER,
  singular: "quoratecluster",
  shortNames: ["qc"],
  doc: "A Quorate cluster: an etcd-compatible, replicated key-value store.",
  spec: CLUSTER_SPEC,
  status: CLUSTER_STATUS,
  rules: [],
  columns: [],
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
  rules: [],
  columns: [],
};

const SCHEDULE: ResourceSchema = {
  resource: QUORATE_BACKUP_SCHEDULE,
  singular: "quoratebackupschedule",
  shortNames: ["qbs"],
  doc: "Makes QuorateBackups by a schedule, and deletes those that are no longer to be kept.",
  spec: SCHEDULE_SPEC,
  status: SCHEDULE_STATUS,
  rules: [],
  columns: [],
};

const STORE: ResourceSchema = {
  resource: QUORATE_BACKUP_STORE,
  singular: "quoratebackupstore",
  shortNames: ["qbst"],
  doc: "Where backups are kept: a bucket, and how to get in.",
  spec: STORE_SPEC,
  status: STORE_STATUS,
  rules: [],
  columns: [],
};

const TASK: ResourceSchema = {
  resource: QUORATE_TASK,
  singular: "quoratetask",
  shortNames: ["qt"],
  doc: "Something done to a cluster once, on a person's word: a GitOps tool that applies it again triggers nothing.",
  spec: TASK_SPEC,
  status: TASK_STATUS,
  rules: [],
  columns: [],
};

export const RESOURCE_SCHEMAS: readonly ResourceSchema[] = [CLUSTER, BACKUP, SCHEDULE, STORE, TASK];
