/** What a cluster asks of backups and restores; operator/backup answers it. */
import type { Observation } from "../api/conditions.ts";
import type { DefaultedImageSpec, QuorateBackup, RestoreSource } from "../api/gen/types.ts";
import type { KubeApi, ObjectRef, OwnerReference } from "../kube/api.ts";

/** What the Job is and does, wherever its source and its image come from. */
export interface RestoreWork {
  readonly namespace: string;
  /** Of the Job. */
  readonly name: string;
  readonly owner: OwnerReference;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the pod's spec, as the members' pods have it: a new volume is bound to where this one runs. */
  readonly scheduling: Readonly<Record<string, unknown>>;
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

/** Everything that has to be known to make the Job; made again from the journal at any time, and the same then. */
export interface RestoreOrder extends RestoreWork {
  readonly source: RestoreSource;
  /** Of the members, with its tag. */
  readonly image: string;
  readonly pull: DefaultedImageSpec;
}

export type RestoreProgress =
  /** No Job yet. `obstacle`: why none can be made; `lasting`: another source has to be named. */
  | { readonly kind: "absent"; readonly obstacle: RestoreObstacle | null }
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

export interface RestoreObstacle {
  readonly reason: string;
  readonly message: string;
  readonly lasting: boolean;
}

/** Ids in hexadecimal. */
export interface RestoredCluster {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: number;
}

export interface RestorePort {
  /** Reads live state only. */
  progress(job: ObjectRef, source: RestoreSource): Promise<RestoreProgress>;
  /** Creates the Job. Rejects where its source is not there any more. */
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
