/** The three controllers of backups, ready to be started: what each watches, and its pass. */
import {
  JOB,
  POD,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
} from "../api/resources.ts";
import { type Reconcile, type Source, keyInLabel, ownKey } from "../kube/controller.ts";
import type { BackupHost } from "./controller.ts";
import { TRANSFER_NAME } from "./job.ts";
import { BACKUP_LABEL, SCHEDULE_LABEL } from "./names.ts";
import { reconcileBackup } from "./reconcile-backup.ts";
import { reconcileSchedule } from "./reconcile-schedule.ts";
import { type Probe, probeS3, reconcileStore } from "./reconcile-store.ts";

export interface BackupController {
  readonly name: string;
  readonly sources: readonly Source[];
  readonly reconcile: Reconcile;
}

export function backupControllers(host: BackupHost, probe: Probe = probeS3): BackupController[] {
  const labelSelector = `app.kubernetes.io/name=${TRANSFER_NAME}`;
  return [
    {
      name: "backup",
      sources: [
        { resource: QUORATE_BACKUP, keysOf: ownKey },
        { resource: JOB, labelSelector, keysOf: keyInLabel(BACKUP_LABEL) },
        { resource: POD, labelSelector, keysOf: keyInLabel(BACKUP_LABEL) },
      ],
      reconcile: (ref) => reconcileBackup(host, ref),
    },
    {
      name: "schedule",
      sources: [
        { resource: QUORATE_BACKUP_SCHEDULE, keysOf: ownKey },
        { resource: QUORATE_BACKUP, keysOf: keyInLabel(SCHEDULE_LABEL) },
      ],
      reconcile: (ref) => reconcileSchedule(host, ref),
    },
    {
      name: "store",
      sources: [{ resource: QUORATE_BACKUP_STORE, keysOf: ownKey }],
      reconcile: (ref) => reconcileStore(host, probe, ref),
    },
  ];
}
