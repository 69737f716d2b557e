/** Where a restore reads from, by what a person has named: a backup, a file in a store, a file on a claim. */
import { withBackupDefaults, withStoreDefaults } from "../api/apply-defaults.ts";
import { PERSISTENT_VOLUME_CLAIM, QUORATE_BACKUP, QUORATE_BACKUP_STORE } from "../api/resources.ts";
import type { QuorateBackup, QuorateBackupStore, RestoreSource } from "../api/gen/types.ts";
import type { KubeApi, ObjectRef } from "../kube/api.ts";
import type { FoundOrigin } from "../cluster/restore-port.ts";
import { pathOf } from "./job.ts";
import { folderOf, snapshotKey } from "./layout.ts";

/** Reads live state only. Rejects as the API does. */
export async function findOrigin(
  kube: KubeApi,
  namespace: string,
  source: RestoreSource,
): Promise<FoundOrigin> {
  if (source.backupRef !== undefined) return await ofBackup(kube, namespace, source.backupRef.name);
  if (source.store !== undefined) {
    const { storeRef, key, sha256 = null } = source.store;
    return await inStore(kube, { namespace, name: storeRef.name }, trimmed(key), sha256, null);
  }
  if (source.pvc !== undefined) {
    const { claimName, path, sha256 = null } = source.pvc;
    return await onClaim(kube, { namespace, name: claimName }, trimmed(path), sha256, null);
  }
  return { kind: "refused", reason: "NoSource", message: "no source is named" };
}

/** As people write paths on a volume: with a slash before. */
function trimmed(key: string): string {
  return key
    .split("/")
    .filter((part) => part !== "")
    .join("/");
}

async function ofBackup(kube: KubeApi, namespace: string, name: string): Promise<FoundOrigin> {
  const backup = await kube.get<QuorateBackup>(QUORATE_BACKUP, { namespace, name });
  if (backup === null)
    return {
      kind: "missing",
      reason: "BackupNotFound",
      message: `there is no QuorateBackup ${name}: make it, or name the file in its store`,
    };
  const { metadata, status } = backup;
  switch (metadata.deletionTimestamp === undefined ? status?.phase : "Deleting") {
    case "Complete":
      break;
    case "Failed":
    case "Deleting":
      return {
        kind: "refused",
        reason: "BackupUnusable",
        message: `the QuorateBackup ${name} has failed or is being deleted: name another`,
      };
    default:
      return {
        kind: "missing",
        reason: "BackupNotComplete",
        message: `the QuorateBackup ${name} is not complete yet`,
      };
  }
  const spec = withBackupDefaults(backup.spec);
  const folder = folderOf(pathOf(spec), name, metadata.uid ?? "");
  const key = snapshotKey(folder, spec.compression);
  const { storeRef, pvc } = spec.destination;
  const sha256 = status?.sha256 ?? null;
  const auth = status?.authEnabled ?? null;
  if (pvc !== undefined)
    return await onClaim(kube, { namespace, name: pvc.claimName }, key, sha256, auth);
  return await inStore(kube, { namespace, name: storeRef?.name ?? "" }, key, sha256, auth);
}

async function inStore(
  kube: KubeApi,
  ref: ObjectRef,
  key: string,
  sha256: string | null,
  authEnabled: boolean | null,
): Promise<FoundOrigin> {
  const store = await kube.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, ref);
  if (store === null)
    return {
      kind: "missing",
      reason: "StoreNotFound",
      message: `there is no QuorateBackupStore ${ref.name}: make it`,
    };
  const place = { kind: "s3" as const, s3: withStoreDefaults(store.spec).s3 };
  return { kind: "found", origin: { place, key, sha256, authEnabled } };
}

async function onClaim(
  kube: KubeApi,
  ref: ObjectRef,
  key: string,
  sha256: string | null,
  authEnabled: boolean | null,
): Promise<FoundOrigin> {
  if ((await kube.get(PERSISTENT_VOLUME_CLAIM, ref)) === null)
    return {
      kind: "missing",
      reason: "ClaimNotFound",
      message: `there is no PersistentVolumeClaim ${ref.name}: make it`,
    };
  const place = { kind: "claim" as const, claimName: ref.name };
  return { kind: "found", origin: { place, key, sha256, authEnabled } };
}
