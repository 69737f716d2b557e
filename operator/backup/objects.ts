/** The Kubernetes objects that backups are made of: only the fields that the operator reads or writes. */
import type { Condition, ContainerState } from "../cluster/objects.ts";
import type { KubeObject } from "../kube/api.ts";

export interface Job extends KubeObject {
  spec: JobSpec;
  status?: {
    startTime?: string;
    completionTime?: string;
    active?: number;
    failed?: number;
    succeeded?: number;
    conditions?: readonly Condition[];
  };
}

export interface JobSpec {
  readonly activeDeadlineSeconds: number;
  readonly backoffLimit: number;
  readonly ttlSecondsAfterFinished: number;
  readonly podFailurePolicy: object;
  readonly template: { readonly metadata: object; readonly spec: PodSpec };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly serviceAccountName?: string;
  readonly [other: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly [other: string]: unknown }[];
  readonly volumeMounts?: readonly Mount[];
  readonly [other: string]: unknown;
}

export interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

export interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly [other: string]: unknown };
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
  readonly [other: string]: unknown;
}

export interface JobPod extends KubeObject {
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: readonly Condition[];
    containerStatuses?: readonly { name: string; state?: ContainerState }[];
  };
}
