/** Backups and schedules as a person makes them, and what becomes of them. */
import { EVENT, QUORATE_BACKUP, QUORATE_BACKUP_SCHEDULE } from "../../../operator/api/resources.ts";
import type { QuorateBackup, QuorateBackupSchedule } from "../../../operator/api/gen/types.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { api, eventually } from "./api.ts";

type Spec = KubeObject & { spec: object };
export type Destination =
  | { readonly storeRef: { readonly name: string }; readonly path?: string }
  | { readonly pvc: { readonly claimName: string; readonly subPath?: string } };

/** A backup of the cluster `kv`. */
export async function makeBackup(ref: ObjectRef, destination: Destination): Promise<void> {
  await api.create<Spec>(QUORATE_BACKUP, {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateBackup",
    metadata: { name: ref.name, namespace: ref.namespace ?? "" },
    spec: { clusterRef: { name: "kv" }, destination },
  });
}

/** Once it is complete; throws when it failed. */
export async function completed(ref: ObjectRef, timeoutMs: number): Promise<QuorateBackup> {
  const backup = await eventually<QuorateBackup>(
    `the backup ${ref.name} is over`,
    QUORATE_BACKUP,
    ref,
    (found) => found?.status?.phase === "Complete" || found?.status?.phase === "Failed",
    timeoutMs,
  );
  if (backup?.status?.phase !== "Complete") throw new Error(backup?.status?.message);
  return backup;
}

/** One a minute, which is as often as cron can, and the first at once; the newest is kept, with its file. */
export async function makeSchedule(ref: ObjectRef, destination: Destination): Promise<void> {
  await api.create<Spec>(QUORATE_BACKUP_SCHEDULE, {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateBackupSchedule",
    metadata: { name: ref.name, namespace: ref.namespace ?? "" },
    spec: {
      schedule: "* * * * *",
      immediate: true,
      retention: { keepLast: 1 },
      backupTemplate: {
        spec: { clusterRef: { name: "kv" }, destination, deletionPolicy: "Delete" },
      },
    },
  });
}

/** Names of the backups of a schedule that have expired, as Events tell. */
export async function expiredOf(ref: ObjectRef): Promise<string[]> {
  const { items } = await api.list<KubeObject & { reason?: string; note?: string }>(EVENT, {
    namespace: ref.namespace,
  });
  return items
    .filter(({ reason }) => reason === "BackupExpired")
    .flatMap(({ note }) => /^deleted (.+)$/.exec(note ?? "")?.[1] ?? [])
    .filter((name) => name.startsWith(`${ref.name}-`));
}

/**
 * Waits until a schedule has made at least three backups and nothing is under way, then suspends it. Resolves with the one that
 * is left, once all that expired are gone.
 */
export async function restingWith(ref: ObjectRef, timeoutMs: number): Promise<QuorateBackup> {
  const rests = (found: QuorateBackupSchedule | null): boolean =>
    found?.status?.active?.length === 0 && found.status.kept === 1;
  // The first is of the schedule's own second, the next of the minute that begins then.
  const isThird = ({ metadata, status }: QuorateBackupSchedule): boolean =>
    Date.parse(status?.lastScheduleTime ?? "") - Date.parse(metadata.creationTimestamp ?? "") >
    60_000;
  const until = async (
    what: string,
    wanted: (found: QuorateBackupSchedule) => boolean,
  ): Promise<QuorateBackupSchedule | null> =>
    await eventually<QuorateBackupSchedule>(
      `${ref.name} ${what}`,
      QUORATE_BACKUP_SCHEDULE,
      ref,
      (found) => found !== null && wanted(found),
      timeoutMs,
    );
  await until("has made its third", (found) => isThird(found) && rests(found));
  await api.mergePatch(QUORATE_BACKUP_SCHEDULE, ref, { spec: { suspend: true } });
  const found = await until("is suspended", (each) => {
    return each.status?.observedGeneration === each.metadata.generation && rests(each);
  });
  for (const name of await expiredOf(ref))
    await eventually(
      `${name} is gone`,
      QUORATE_BACKUP,
      { ...ref, name },
      (b) => b === null,
      60_000,
    );
  const last = { ...ref, name: found?.status?.lastBackup ?? "" };
  const backup = await api.get<QuorateBackup>(QUORATE_BACKUP, last);
  if (backup === null) throw new Error(`${ref.name}: the newest, ${last.name}, is not there`);
  return backup;
}

/** All backups of the namespace, by name. */
export async function backupNames(namespace: string): Promise<string[]> {
  const { items } = await api.list<QuorateBackup>(QUORATE_BACKUP, { namespace });
  return items.map(({ metadata }) => metadata.name).toSorted((a, b) => a.localeCompare(b));
}
