/** The Kubernetes objects that clusters are made of: only the fields that the operator reads or writes. */
import type { KubeObject, ObjectMeta } from "../kube/api.ts";

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  state?: ContainerState;
  lastState?: ContainerState;
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode: number; reason?: string; message?: string; finishedAt?: string };
}

export interface Pod extends KubeObject {
  spec?: {
    nodeName?: string;
    volumes?: readonly { name: string; persistentVolumeClaim?: { claimName: string } }[];
  };
  status?: {
    phase?: string;
    podIP?: string;
    conditions?: readonly Condition[];
    containerStatuses?: readonly ContainerStatus[];
  };
}

export interface Claim extends KubeObject {
  spec?: {
    accessModes?: readonly string[];
    volumeMode?: string;
    storageClassName?: string;
    volumeName?: string;
    resources?: { requests?: { storage?: string } };
  };
  status?: {
    phase?: string;
    capacity?: { storage?: string };
    conditions?: readonly Condition[];
  };
}

export interface StatefulSet extends KubeObject {
  spec: {
    replicas: number;
    serviceName?: string;
    template?: object;
    volumeClaimTemplates?: readonly Claim[];
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
  };
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

export interface Secret extends KubeObject {
  type?: string;
  /** Base64, as the API has it. */
  data?: Record<string, string>;
}

export interface Node extends KubeObject {
  metadata: ObjectMeta;
  spec?: { taints?: readonly { key: string; effect?: string }[] };
  status?: { conditions?: readonly Condition[] };
}

export interface StorageClass extends KubeObject {
  allowVolumeExpansion?: boolean;
}

export function isReady(pod: Pod): boolean {
  const conditions = pod.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

/** Milliseconds since the epoch from which the pod has been as unready as it is; null while it is ready. */
export function unreadySince(pod: Pod): number | null {
  if (isReady(pod)) return null;
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  const since = ready?.lastTransitionTime ?? pod.metadata.creationTimestamp;
  return since === undefined ? null : Date.parse(since);
}

export function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}
