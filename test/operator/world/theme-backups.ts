/** Backups by a schedule, with retention that deletes what they stored, and restores from them. */
import {
  JOB,
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
} from "../../../operator/api/resources.ts";
import type { QuorateBackup } from "../../../operator/api/gen/types.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import { CLUSTER, type Sandbox } from "./sandbox.ts";
import { purposeOf } from "./jobs.ts";
import type { Scene, Theme } from "./themes.ts";
import { tasksLeft } from "./themes-of-care.ts";
import { NAMESPACE } from "./world.ts";

const SCHEDULE = "often";
const KEPT = 2;
const API_VERSION = "quorate.io/v1alpha1";

export const backups: Theme = {
  name: "backups",
  prepare: (scene) => {
    const { sandbox, random, judges } = scene;
    const { store } = sandbox.api;
    const s3 = { bucket: "b", credentialsSecretRef: { name: "keys" } };
    store.create(QUORATE_BACKUP_STORE, made("QuorateBackupStore", "s3", { s3 }), "person");
    const schedule = {
      schedule: "* * * * *",
      concurrencyPolicy: random.chance(0.5) ? "Forbid" : "Replace",
      retention: { keepLast: KEPT },
      backupTemplate: {
        spec: {
          clusterRef: { name: CLUSTER },
          destination: { storeRef: { name: "s3" } },
          deletionPolicy: "Delete",
          activeDeadlineSeconds: 60,
        },
      },
    };
    store.create(
      QUORATE_BACKUP_SCHEDULE,
      made("QuorateBackupSchedule", SCHEDULE, schedule),
      "person",
    );
    sandbox.backups.failing = random.chance(0.5) ? 0.2 : 0;
    sandbox.backups.killing = random.chance(0.5) ? 0.2 : 0;
    sandbox.backups.onBreach = (what) => judges.breach("backups", what);
    watchOver(scene);
  },
  strokes: [
    ({ sandbox, chaos, random }) => {
      const whole = all(sandbox).filter(({ status }) => status?.phase === "Complete");
      const backup = whole[random.between(0, Math.max(1, whole.length))];
      if (backup === undefined) return;
      const { name } = backup.metadata;
      if (random.chance(0.5)) {
        chaos.note(`a person deletes the backup ${name}`);
        sandbox.api.store.delete(QUORATE_BACKUP, { namespace: NAMESPACE, name });
        return;
      }
      chaos.note(`restore from ${name}`);
      const restore = { from: { backupRef: { name } }, acknowledgeDataLoss: true };
      sandbox.task(`from-backup-${chaos.log.length}`, { restore });
    },
  ],
  tidy: ({ sandbox }) => {
    sandbox.backups.failing = 0;
    sandbox.backups.killing = 0;
    const ref = { namespace: NAMESPACE, name: SCHEDULE };
    const spec = { suspend: true };
    sandbox.api.store.mergePatch(QUORATE_BACKUP_SCHEDULE, ref, { spec }, "person");
  },
  missing: ({ sandbox }) => tasksLeft(sandbox) ?? filesLeft(sandbox),
};

function made(kind: string, name: string, spec: object): never {
  const metadata = { name, namespace: NAMESPACE };
  return { apiVersion: API_VERSION, kind, metadata, spec } as never;
}

function all(sandbox: Sandbox): QuorateBackup[] {
  return sandbox.api.store.all(QUORATE_BACKUP) as unknown as QuorateBackup[];
}

/** Once it is quiet, what is stored is what has an object, and of that as much as shall be kept. */
function filesLeft(sandbox: Sandbox): string | null {
  const found = all(sandbox);
  const open = found.find(({ status }) => !["Complete", "Failed"].includes(status?.phase ?? ""));
  if (open !== undefined) return `${open.metadata.name} is ${open.status?.phase ?? "unseen"}`;
  const whole = found.filter(({ status }) => status?.phase === "Complete");
  if (whole.length > KEPT) return `${whole.length} backups are kept`;
  const { uids } = sandbox.backups;
  const owned = new Set(found.map(({ metadata }) => metadata.uid));
  const stray = uids.filter((uid) => !owned.has(uid));
  if (stray.length > 0) return `${stray.length} files belong to nobody`;
  const empty = whole.find(({ metadata }) => !uids.includes(metadata.uid ?? ""));
  return empty === undefined ? null : `${empty.metadata.name} is complete and has no file`;
}

/** At every second: what is told complete has its file, and one after another means one after another. */
function watchOver({ sandbox, judges }: Scene): void {
  const look = (): void => {
    const { uids } = sandbox.backups;
    for (const { metadata, status } of all(sandbox)) {
      const isWhole = status?.phase === "Complete" && metadata.deletionTimestamp === undefined;
      if (isWhole && !uids.includes(metadata.uid ?? ""))
        judges.breach("backups", `${metadata.name} is told complete, and has no file`);
    }
    const jobs = sandbox.api.store.all(JOB) as unknown as Job[];
    const active = jobs.filter(
      (job) =>
        purposeOf(job) === "backup" &&
        job.status === undefined &&
        job.metadata.deletionTimestamp === undefined,
    );
    if (active.length > 1) judges.breach("backups", `${active.length} transfers at one time`);
    sandbox.time.after(1_000, look);
  };
  look();
}
