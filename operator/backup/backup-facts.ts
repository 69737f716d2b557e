/** What is known of a QuorateBackup, what can be done about it, and what is told of it. Pure. */
import { withStoreDefaults } from "../api/apply-defaults.ts";
import { type Observation, setConditions } from "../api/conditions.ts";
import type {
  DefaultedBackupSpec,
  QuorateBackup,
  QuorateBackupStatus,
  QuorateBackupStore,
  QuorateCluster,
} from "../api/gen/types.ts";
import type { Place } from "../cluster/restore-port.ts";
import type { Scheme } from "../cluster/transport.ts";
import type { BackupIdentity, TransferImage } from "./job.ts";
import type { Job, JobPod } from "./objects.ts";

export interface BackupFacts {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly backup: QuorateBackup;
  readonly cluster: QuorateCluster | null;
  /** How its members are reached as they run now; null: nobody runs. */
  readonly access: MemberAccess | null;
  /** That the destination names; null: it is not there, or none is named. */
  readonly store: QuorateBackupStore | null;
  /** Whether the claim that the destination names is there; true where none is named. */
  readonly hasClaim: boolean;
  readonly job: SeenJob | null;
  readonly deleteJob: SeenJob | null;
  readonly image: TransferImage;
}

export interface MemberAccess {
  /** Of clients, by pod: what its member serves now, and when it has restarted. */
  readonly schemes: ReadonlyMap<string, Scheme>;
}

export interface SeenJob {
  readonly job: Job;
  readonly pods: readonly JobPod[];
}

export type BackupAction =
  | { readonly kind: "none" }
  | { readonly kind: "finalizer"; readonly present: boolean }
  /** `isRemoval`: where the namespace is being deleted and takes no Jobs any more, the finalizer goes instead. */
  | { readonly kind: "createJob"; readonly job: Job; readonly isRemoval: boolean }
  | { readonly kind: "deleteJob"; readonly job: Job }
  /** The finalizer goes if the namespace is being deleted; else nothing is done. */
  | { readonly kind: "releaseIfEnding" };

export interface BackupDecision {
  /** To be written before the action is made: it announces it. Null: leave it. */
  readonly status: QuorateBackupStatus | null;
  readonly action: BackupAction;
  /** Milliseconds until the next look; null: when something changes. */
  readonly afterMs: number | null;
}

/** Jobs and pods touch their backup when they change; this is for what does not. */
export const LOOK_MS = 30_000;
/** The status with these changes, and conditions that say the same. `reason`: of what is not as it should be. */
export function statusOf(
  { backup, now }: Pick<BackupFacts, "backup" | "now">,
  changes: QuorateBackupStatus & { readonly phase: NonNullable<QuorateBackupStatus["phase"]> },
  reason: string = changes.phase,
): QuorateBackupStatus {
  const { phase, message = "" } = changes;
  const generation = backup.metadata.generation ?? 1;
  const told = (type: string, holds: boolean): Observation => ({
    type,
    status: holds ? "True" : "False",
    reason,
    message,
  });
  const observations = [
    told("Complete", phase === "Complete"),
    told("Failed", phase === "Failed"),
    told("Reconciling", phase === "Pending" || phase === "Running" || phase === "Deleting"),
    told("Stalled", phase === "Failed"),
  ];
  return {
    ...backup.status,
    ...changes,
    observedGeneration: generation,
    conditions: setConditions(backup.status?.conditions, observations, generation, timeText(now)),
  };
}

/** Where the destination leads; null: to a store that is not there. */
export function placeOf(
  { store }: Pick<BackupFacts, "store">,
  { destination }: DefaultedBackupSpec,
): Place | null {
  if (destination.pvc !== undefined) return { kind: "claim", claimName: destination.pvc.claimName };
  return store === null ? null : { kind: "s3", s3: withStoreDefaults(store.spec).s3 };
}

/** Jobs run where the members do: what their images need there, the operator's own needs too. */
export function pulledAs(image: TransferImage, cluster: QuorateCluster | null): TransferImage {
  const { pullPolicy = image.pullPolicy, pullSecrets = image.pullSecrets } =
    cluster?.spec.image ?? {};
  return { ...image, pullPolicy, pullSecrets };
}

export function identityOf({ metadata }: QuorateBackup): BackupIdentity {
  const { name, namespace = "", uid = "" } = metadata;
  return { name, namespace, uid };
}

/** RFC 3339, whole seconds. */
export function timeText(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, "2026-01-01T00:00:00".length)}Z`;
}
