/** What a cluster asks of backups and restores; operator/backup answers it. */
import type { Observation } from "../api/conditions.ts";
import type {
  DefaultedImageSpec,
  DefaultedS3StoreSpec,
  QuorateBackup,
  RestoreSource,
} from "../api/gen/types.ts";
import type { KubeApi, ObjectRef, OwnerReference } from "../kube/api.ts";

/** Where a transfer reads or writes. */
export type Place =
  | { readonly kind: "s3"; readonly s3: DefaultedS3StoreSpec }
  | { readonly kind: "claim"; readonly claimName: string };

/** A stored snapshot, found. */
export interface Origin {
  readonly place: Place;
  /** In the bucket, or on the volume. */
  readonly key: string;
  /** Of the stored file, hexadecimal; null: nobody has said. */
  readonly sha256: string | null;
  /** Whether the restored cluster asks for the passwords of its time; null: not known before. */
  readonly authEnabled: boolean | null;
}

export type FoundOrigin =
  | { readonly kind: "found"; readonly origin: Origin }
  /** It may come yet. `reason` is one word, `message` says what is missing. */
  | { readonly kind: "missing"; readonly reason: string; readonly message: string }
  /** It never will: another source has to be named. */
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

/** What a Job is, whatever it does. */
export interface JobFrame {
  readonly namespace: string;
  /** Of the Job. */
  readonly name: string;
  readonly owner: OwnerReference;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the pod's spec: where it may run. */
  readonly scheduling: Readonly<Record<string, unknown>>;
}

/** What a restore's Job is and does, wherever its source and its image come from: a new volume is bound to where it runs. */
export interface RestoreWork extends JobFrame {
  /** Claim of ordinal 0, and where its volume is mounted in members. */
  readonly claimName: string;
  readonly mountPath: string;
  /** `--data-dir` of the members: a folder below `mountPath`. */
  readonly dataDir: string;
  /** Names this restore for ever: data that are there already are kept as `<dataDir>.before-<nonce>`. */
  readonly nonce: string;
  /** Whether data may be there; without it they are refused. */
  readonly inPlace: boolean;
  /** Name and peer URL of the member, as its pod will have them. */
  readonly member: string;
  readonly peerUrl: string;
  /** `--initial-cluster-token` of the members. Restored ids come from it and the nonce: no two restores make the same cluster. */
  readonly token: string;
  /** That the restored member belongs to: what the fences say from then on. */
  readonly incarnation: number;
}

/** What is read, and by which program. */
export interface SourceOrder {
  readonly origin: Origin;
  /** Of the members, with its tag. */
  readonly image: string;
  readonly pull: DefaultedImageSpec;
}

/** Everything that has to be known to make the Job; made again from the journal at any time, and the same then. */
export interface RestoreOrder extends RestoreWork, SourceOrder {}

/** Of the Job that reads the source through before anything stops, and writes nothing. */
export interface CheckOrder extends JobFrame, SourceOrder {}

export type CheckProgress =
  /** No Job, or one that is leaving. */
  | { readonly kind: "absent"; readonly source: FoundOrigin }
  /** `note`: what it waits for, or how the last attempt failed; empty while there is nothing to say. */
  | { readonly kind: "running"; readonly note: string }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "sound" };

export type RestoreProgress =
  /** No Job yet. */
  | { readonly kind: "absent"; readonly source: FoundOrigin }
  | { readonly kind: "running"; readonly note: string }
  /** It has ended well, and nobody knows with what result: to be deleted, and made again. */
  | { readonly kind: "lost" }
  /**
   * `harmless`: what was on the disk before is surely as it was; else it may have been replaced, and a Job made again finishes
   * that. `lasting`: another source has to be named.
   */
  | {
      readonly kind: "failed";
      readonly reason: string;
      readonly message: string;
      readonly harmless: boolean;
      readonly lasting: boolean;
    }
  | { readonly kind: "succeeded"; readonly result: RestoredCluster };

/** Ids in hexadecimal. */
export interface RestoredCluster {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: number;
}

export interface RestorePort {
  /** How far the check of a source is. Reads live state only; `origin`: where it is known to lead, which is not asked again. */
  checked(job: ObjectRef, source: RestoreSource, origin: Origin | null): Promise<CheckProgress>;
  /** Creates the Job of a check. */
  check(order: CheckOrder): Promise<void>;
  /** As `checked`, of the restore itself. */
  progress(job: ObjectRef, source: RestoreSource, origin: Origin | null): Promise<RestoreProgress>;
  /** Creates the Job. */
  start(order: RestoreOrder): Promise<void>;
  drop(job: ObjectRef): Promise<void>;
  /** Whether the cluster is backed up as its schedules promise. `backups`: all of it; `now`: milliseconds since 1970. */
  health(
    cluster: ObjectRef,
    backups: readonly QuorateBackup[],
    now: number,
  ): Promise<Observation<"BackupHealthy">>;
}

export type RestorePorts = (kube: KubeApi) => RestorePort;
