/** Specs as the operator reads them: with every default, whether or not the API server that stored them knew it. Pure. */
import type {
  DefaultedBackupScheduleSpec,
  DefaultedBackupSpec,
  DefaultedBackupStoreSpec,
  DefaultedClusterSpec,
  DefaultedTLSSpec,
  DefaultedTaskSpec,
  QuorateBackupScheduleSpec,
  QuorateBackupSpec,
  QuorateBackupStoreSpec,
  QuorateClusterSpec,
  QuorateTaskSpec,
} from "./gen/types.ts";
import { quantityOf } from "./quantity.ts";
import { BACKUP_SPEC, SCHEDULE_SPEC, STORE_SPEC } from "./schema/backup.ts";
import { CLUSTER_SPEC } from "./schema/cluster-spec.ts";
import { tls } from "./schema/cluster-tls.ts";
import { fillIn } from "./schema/fill-in.ts";
import type { JsonObject, ObjectNode } from "./schema/node.ts";
import { TASK_SPEC } from "./schema/task.ts";

/** Of a volume; the rest is for the log, for snapshots, and for the copy that a defragmentation writes. */
const QUOTA_SHARE = 0.4;

/** The types of `gen` are made from the schemas that fill in, so a filled-in spec has the type of that. */
function filled<T>(schema: ObjectNode, spec: object): T {
  return fillIn(schema, spec as JsonObject, "all") as T;
}

/** `tls` is there unless `unsafe.plaintext`. */
export function withDefaults(spec: QuorateClusterSpec): DefaultedClusterSpec {
  const whole = filled<DefaultedClusterSpec>(CLUSTER_SPEC, spec);
  if (whole.tls !== undefined || whole.unsafe.plaintext) return whole;
  return { ...whole, tls: defaultTls() };
}

/** What a spec with TLS says that says nothing of it. */
export function defaultTls(): DefaultedTLSSpec {
  return filled<DefaultedTLSSpec>(tls, {});
}

export function withBackupDefaults(spec: QuorateBackupSpec): DefaultedBackupSpec {
  return filled(BACKUP_SPEC, spec);
}

export function withScheduleDefaults(spec: QuorateBackupScheduleSpec): DefaultedBackupScheduleSpec {
  return filled(SCHEDULE_SPEC, spec);
}

export function withStoreDefaults(spec: QuorateBackupStoreSpec): DefaultedBackupStoreSpec {
  return filled(STORE_SPEC, spec);
}

export function withTaskDefaults(spec: QuorateTaskSpec): DefaultedTaskSpec {
  return filled(TASK_SPEC, spec);
}

/** Bytes at which members refuse writes. */
export function quotaBackendBytes({ server, storage }: QuorateClusterSpec): number {
  if (server?.quotaBackend !== undefined) return quantityOf(server.quotaBackend);
  return Math.floor(quantityOf(storage.size) * QUOTA_SHARE);
}
