/** The three controllers of backups: what each watches, and its pass. */
import {
  JOB,
  POD,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
} from "../api/resources.ts";
import type { ControllerDefinition, OperatorContext } from "../context.ts";
import { keyInLabel, ownKey } from "../kube/controller.ts";
import type { BackupHost } from "./controller.ts";
import { TRANSFER_NAME } from "./job.ts";
import { BACKUP_LABEL, SCHEDULE_LABEL } from "./names.ts";
import { reconcileBackup } from "./reconcile-backup.ts";
import { reconcileSchedule } from "./reconcile-schedule.ts";
import { type Probe, probeS3, reconcileStore } from "./reconcile-store.ts";

const TRANSFERS = `app.kubernetes.io/name=${TRANSFER_NAME}`;

export function backupControllers(probe: Probe = probeS3): readonly ControllerDefinition[] {
  return [
    {
      name: "backup",
      sources: [
        { resource: QUORATE_BACKUP, keysOf: ownKey },
        { resource: JOB, labelSelector: TRANSFERS, keysOf: keyInLabel(BACKUP_LABEL) },
        { resource: POD, labelSelector: TRANSFERS, keysOf: keyInLabel(BACKUP_LABEL) },
      ],
      build: (context) => {
        const host = hostOf(context);
        return { reconcile: (ref) => reconcileBackup(host, ref) };
      },
    },
    {
      name: "backup-schedule",
      sources: [
        { resource: QUORATE_BACKUP_SCHEDULE, keysOf: ownKey },
        { resource: QUORATE_BACKUP, keysOf: keyInLabel(SCHEDULE_LABEL) },
      ],
      build: (context) => {
        const host = hostOf(context);
        return { reconcile: (ref) => reconcileSchedule(host, ref) };
      },
    },
    {
      name: "backup-store",
      sources: [{ resource: QUORATE_BACKUP_STORE, keysOf: ownKey }],
      build: (context) => {
        const host = hostOf(context);
        return { reconcile: (ref) => reconcileStore(host, probe, ref) };
      },
    },
  ];
}

function hostOf(context: OperatorContext): BackupHost {
  const { api, recorder, gauges, time, config, version } = context;
  const image = config.operatorImage ?? `${config.repository}:${version}`;
  return {
    kube: api,
    recorder,
    gauges,
    wall: () => time.wall(),
    image: { image, pullPolicy: "IfNotPresent", pullSecrets: [] },
  };
}
