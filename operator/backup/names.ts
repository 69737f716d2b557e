/** How what belongs to backups is called. */

/** On backups and on their Jobs and pods. */
export const BACKUP_LABEL = "quorate.io/backup";
/** On the backups of a schedule: its name. */
export const SCHEDULE_LABEL = "quorate.io/schedule";
/** On the backups of a schedule: the time that they were made for, RFC 3339. */
export const SCHEDULED_AT = "quorate.io/scheduled-at";
/** Holds a backup with `deletionPolicy: Delete` until its stored file is gone. */
export const FILE_FINALIZER = "quorate.io/stored-file";
/** A person sets it to "true" on a backup that cannot be deleted since its store cannot be reached: the file is given up. */
export const ABANDON_FILE = "quorate.io/abandon-stored-file";

/** Deterministic, so that a pass that is killed after it created one meets it again. Backups' names leave room. */
export function jobNameOf(backup: string, purpose: "backup" | "delete"): string {
  return `${backup}-${purpose}`;
}
